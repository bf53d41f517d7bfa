//! `COMMAND`: the table, told to clients (Redis: server.c `commandCommand` and its kin).

use super::table::{self, Command, Flags, Group, KeyRange, data};
use super::{Args, CommandError, Ctx, Outcome, glob, printable};
use crate::codec::resp::Reply;

/// The command of this file.
pub const COMMANDS: &[Command] = &[Command {
    name: "command",
    arity: -1,
    flags: Flags::LOADING.with(Flags::STALE),
    key_range: KeyRange::NONE,
    group: Group::Server,
    since: "2.8.13",
    summary: "Tells which commands there are",
    handler: data!(command),
}];

const HELP: [&str; 15] = [
    "COMMAND [<subcommand> [<arg> ...]]. Subcommands are:",
    "(none)",
    "    Every command: arity, flags, keys, ACL categories.",
    "COUNT",
    "    How many commands there are.",
    "DOCS [<name> ...]",
    "    What they are for.",
    "GETKEYS <command> [<arg> ...]",
    "    Which of the arguments are keys.",
    "INFO [<name> ...]",
    "    The same as without a subcommand, of some commands only.",
    "LIST [FILTERBY (ACLCAT <category> | PATTERN <pattern> | MODULE <name>)]",
    "    Their names.",
    "HELP",
    "    This text.",
];

fn command(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let Some(given) = args.get(1) else {
        info(ctx.reply, &[]);
        return Ok(());
    };
    let subcommand = given.to_ascii_lowercase();
    let few_enough = match subcommand.as_slice() {
        b"count" | b"help" => args.len() == 2,
        b"getkeys" => args.len() >= 4,
        b"docs" | b"info" | b"list" => true,
        _ => {
            return Err(CommandError::UnknownSubcommand {
                given: printable(given),
                container: "COMMAND".into(),
            });
        }
    };
    if !few_enough {
        let name = format!("command|{}", printable(&subcommand));
        return Err(CommandError::WrongArity(name));
    }
    let rest = &args[2..];
    match subcommand.as_slice() {
        b"count" => ctx.reply.integer(table::all().count() as i64),
        b"help" => {
            ctx.reply.array_header(HELP.len());
            HELP.iter().for_each(|line| ctx.reply.status(line));
        }
        b"getkeys" => return get_keys(ctx.reply, rest),
        b"docs" => docs(ctx.reply, rest),
        b"info" => info(ctx.reply, rest),
        _ => return list(ctx.reply, rest),
    }
    Ok(())
}

/// `COMMAND INFO`: details of the named commands (nothing for one that does not exist), or
/// of all.
fn info(reply: &mut Reply, names: &Args<'_>) {
    if names.is_empty() {
        reply.array_header(table::all().count());
        table::all().for_each(|command| describe(reply, command));
        return;
    }
    reply.array_header(names.len());
    for name in names {
        match table::lookup(name) {
            Some(command) => describe(reply, command),
            None => reply.null_bulk(),
        }
    }
}

/// One element of `COMMAND INFO`, in the ten fields of Redis 7.0. Tips, key specifications and
/// subcommands are left empty.
fn describe(reply: &mut Reply, command: &Command) {
    reply.array_header(10);
    reply.bulk(command.name);
    reply.integer(i64::from(command.arity));
    statuses(reply, command.flags.names().map(str::to_owned).collect());
    let KeyRange { first, last, step } = command.key_range;
    for position in [first, last, step] {
        reply.integer(i64::from(position));
    }
    let categories = command.acl_categories();
    statuses(reply, categories.map(|name| format!("@{name}")).collect());
    for _ in 0..3 {
        reply.array_header(0);
    }
}

fn statuses(reply: &mut Reply, names: Vec<String>) {
    reply.array_header(names.len());
    names.iter().for_each(|name| reply.status(name));
}

/// `COMMAND DOCS`: name and documentation, one after the other; unknown names are left out.
fn docs(reply: &mut Reply, names: &Args<'_>) {
    let commands: Vec<&Command> = if names.is_empty() {
        table::all().collect()
    } else {
        names.iter().filter_map(|name| table::lookup(name)).collect()
    };
    reply.array_header(2 * commands.len());
    for command in commands {
        reply.bulk(command.name);
        let fields = [
            ("summary", command.summary),
            ("since", command.since),
            ("group", command.group.name()),
        ];
        reply.array_header(2 * fields.len());
        for (name, text) in fields {
            reply.bulk(name);
            reply.bulk(text);
        }
    }
}

/// `COMMAND GETKEYS`.
fn get_keys(reply: &mut Reply, args: &Args<'_>) -> Outcome {
    let refuse = |text: &str| Err(CommandError::Other(text.to_owned()));
    let Some(command) = table::lookup(args[0]) else {
        return refuse("Invalid command specified");
    };
    if command.key_range == KeyRange::NONE {
        return refuse("The command has no key arguments");
    }
    if !command.accepts(args.len()) {
        return refuse("Invalid number of arguments specified for command");
    }
    reply.array_header(command.keys(args).count());
    command.keys(args).for_each(|key| reply.bulk(key));
    Ok(())
}

/// `COMMAND LIST`.
fn list(reply: &mut Reply, args: &Args<'_>) -> Outcome {
    let is = |argument: &[u8], name: &str| argument.eq_ignore_ascii_case(name.as_bytes());
    let keep: &dyn Fn(&Command) -> bool = match args {
        [] => &|_| true,
        [filter, by, module] if is(filter, "FILTERBY") && is(by, "MODULE") => {
            // There are no modules, whatever the name.
            let _ = module;
            &|_| false
        }
        [filter, by, pattern] if is(filter, "FILTERBY") && is(by, "PATTERN") => {
            &|command| glob::matches_ignore_case(pattern, command.name.as_bytes())
        }
        [filter, by, category] if is(filter, "FILTERBY") && is(by, "ACLCAT") => {
            &|command| command.acl_categories().any(|name| is(category, name))
        }
        _ => return Err(CommandError::Syntax),
    };
    let names: Vec<&str> =
        table::all().filter(|command| keep(command)).map(|command| command.name).collect();
    reply.array_header(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(())
}
