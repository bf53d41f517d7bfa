//! `COMMAND`: the table, told to clients (Redis: server.c `commandCommand` and its kin).

use super::key_spec::{self, Begin, Find, KeyFlags, KeySpec};
use super::table::{self, Command, Flags, Group, data};
use super::{Args, Call, CommandError, Ctx, Outcome, glob, subcommands, tips};
use crate::codec::resp::Reply;

/// The command of this file.
pub const COMMANDS: &[Command] = &[Command::new(
    "command",
    -1,
    Flags::LOADING.with(Flags::STALE),
    Group::Server,
    "2.8.13",
    "Tells which commands there are",
    data!(command),
)
.in_categories(&["connection"])];

const HELP: [&str; 17] = [
    "COMMAND [<subcommand> [<arg> ...]]. Subcommands are:",
    "(none)",
    "    Every command: arity, flags, keys, ACL categories.",
    "COUNT",
    "    How many commands there are.",
    "DOCS [<name> ...]",
    "    What they are for.",
    "GETKEYS <command> [<arg> ...]",
    "    Which of the arguments are keys.",
    "GETKEYSANDFLAGS <command> [<arg> ...]",
    "    The same, with what happens to each.",
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
    let rest = &args[2..];
    match given.to_ascii_lowercase().as_slice() {
        b"count" => ctx.reply.integer(table::all().count() as i64),
        b"help" => {
            ctx.reply.array_header(HELP.len());
            HELP.iter().for_each(|line| ctx.reply.status(line));
        }
        b"getkeys" => return get_keys(ctx.reply, rest, false),
        b"getkeysandflags" => return get_keys(ctx.reply, rest, true),
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
        table::all().for_each(|command| describe(reply, &Call { command, subcommand: None }));
        return;
    }
    reply.array_header(names.len());
    for name in names {
        match Call::named(name) {
            Some(call) => describe(reply, &call),
            None => reply.null_bulk(),
        }
    }
}

/// One element of `COMMAND INFO`, in the ten fields of Redis 7.0.
fn describe(reply: &mut Reply, call: &Call) {
    let specs = call.key_specs();
    reply.array_header(10);
    reply.bulk(call.full_name());
    reply.integer(i64::from(call.arity()));
    let movable = key_spec::are_movable(specs).then_some("movablekeys");
    statuses(reply, call.flags().names().chain(movable).map(str::to_owned).collect());
    let (first, last, step) = key_spec::legacy_range(specs);
    [first, last, step].into_iter().for_each(|position| reply.integer(position));
    statuses(reply, call.acl_categories().map(|name| format!("@{name}")).collect());
    let tips = tips::of(&call.full_name());
    reply.array_header(tips.len());
    tips.iter().for_each(|tip| reply.bulk(tip));
    reply.array_header(specs.len());
    specs.iter().for_each(|spec| describe_keys(reply, spec));
    let within = match call.subcommand {
        Some(_) => &[],
        None => call.command.subcommands,
    };
    reply.array_header(within.len());
    for subcommand in within {
        describe(reply, &Call { command: call.command, subcommand: Some(subcommand) });
    }
}

/// A key specification: flags, where to begin, how to go on. Notes for readers are left out.
fn describe_keys(reply: &mut Reply, spec: &KeySpec) {
    reply.array_header(6);
    reply.bulk("flags");
    statuses(reply, spec.flags.names().map(str::to_owned).collect());
    reply.bulk("begin_search");
    match spec.begin {
        Begin::Index(position) => {
            typed(reply, "index", &[("index", Shown::Number(position as i64))])
        }
        Begin::Keyword { word, from } => {
            let fields =
                [("keyword", Shown::Text(word)), ("startfrom", Shown::Number(from as i64))];
            typed(reply, "keyword", &fields);
        }
        Begin::Unknown(_) | Begin::Patterns(_) => typed(reply, "unknown", &[]),
    }
    reply.bulk("find_keys");
    match spec.find {
        _ if matches!(spec.begin, Begin::Unknown(_) | Begin::Patterns(_)) => {
            typed(reply, "unknown", &[])
        }
        Find::Range { last, step, limit } => {
            let numbers = [
                ("lastkey", Shown::Number(i64::from(last))),
                ("keystep", Shown::Number(step as i64)),
                ("limit", Shown::Number(limit as i64)),
            ];
            typed(reply, "range", &numbers);
        }
        Find::Count => {
            let numbers = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];
            typed(reply, "keynum", &numbers.map(|(name, number)| (name, Shown::Number(number))));
        }
    }
}

enum Shown {
    Number(i64),
    Text(&'static str),
}

/// `type` and `spec`, as both parts of a key specification have them.
fn typed(reply: &mut Reply, name: &str, fields: &[(&str, Shown)]) {
    reply.array_header(4);
    reply.bulk("type");
    reply.bulk(name);
    reply.bulk("spec");
    reply.array_header(2 * fields.len());
    for (name, value) in fields {
        reply.bulk(name);
        match value {
            Shown::Number(number) => reply.integer(*number),
            Shown::Text(text) => reply.bulk(text),
        }
    }
}

fn statuses(reply: &mut Reply, names: Vec<String>) {
    reply.array_header(names.len());
    names.iter().for_each(|name| reply.status(name));
}

/// `COMMAND DOCS`: name and documentation, one after the other; unknown names are left out.
fn docs(reply: &mut Reply, names: &Args<'_>) {
    let calls: Vec<Call> = if names.is_empty() {
        table::all().map(|command| Call { command, subcommand: None }).collect()
    } else {
        names.iter().filter_map(|name| Call::named(name)).collect()
    };
    reply.array_header(2 * calls.len());
    for call in calls {
        let command = call.command;
        reply.bulk(call.full_name());
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

/// `COMMAND GETKEYS` and `GETKEYSANDFLAGS`.
fn get_keys(reply: &mut Reply, args: &Args<'_>, with_flags: bool) -> Outcome {
    let refuse = |text: &str| Err(CommandError::Other(text.to_owned()));
    let Some(call) = Call::find(args) else {
        return refuse("Invalid command specified");
    };
    // A container alone is no command; with another word it is not found.
    if call.subcommand.is_none() && args.len() > 1 && subcommands::are_in(call.command) {
        return refuse("Invalid command specified");
    }
    let is_key = |spec: &KeySpec| !spec.flags.has(KeyFlags::NOT_KEY);
    if !call.key_specs().iter().any(is_key) {
        return refuse("The command has no key arguments");
    }
    if !table::accepts(call.arity(), args.len()) {
        return refuse("Invalid number of arguments specified for command");
    }
    let keys = call.keys(args).unwrap_or_default();
    if keys.is_empty() && !call.flags().has(Flags::NO_MANDATORY_KEYS) {
        return refuse("Invalid arguments specified for command");
    }
    reply.array_header(keys.len());
    for used in keys {
        if with_flags {
            reply.array_header(2);
        }
        reply.bulk(used.key);
        if with_flags {
            statuses(reply, used.flags.names().map(str::to_owned).collect());
        }
    }
    Ok(())
}

/// Which commands `COMMAND LIST` keeps.
enum Filter<'a> {
    All,
    /// There are no modules, whatever the name.
    Module,
    Pattern(&'a [u8]),
    Category(&'a [u8]),
}

impl Filter<'_> {
    fn keeps(&self, call: &Call) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Pattern(pattern) => {
                glob::matches_ignore_case(pattern, call.full_name().as_bytes())
            }
            Filter::Category(category) => {
                call.acl_categories().any(|name| category.eq_ignore_ascii_case(name.as_bytes()))
            }
        }
    }
}

/// `COMMAND LIST`: names, those of subcommands among them.
fn list(reply: &mut Reply, args: &Args<'_>) -> Outcome {
    let is = |argument: &[u8], name: &str| argument.eq_ignore_ascii_case(name.as_bytes());
    let filter = match *args {
        [] => Filter::All,
        [word, by, _] if is(word, "FILTERBY") && is(by, "MODULE") => Filter::Module,
        [word, by, pattern] if is(word, "FILTERBY") && is(by, "PATTERN") => {
            Filter::Pattern(pattern)
        }
        [word, by, category] if is(word, "FILTERBY") && is(by, "ACLCAT") => {
            Filter::Category(category)
        }
        _ => return Err(CommandError::Syntax),
    };
    let mut names = Vec::new();
    for command in table::all() {
        let whole = Call { command, subcommand: None };
        names.extend(filter.keeps(&whole).then(|| whole.full_name()));
        for subcommand in command.subcommands {
            let call = Call { command, subcommand: Some(subcommand) };
            names.extend(filter.keeps(&call).then(|| call.full_name()));
        }
    }
    reply.array_header(names.len());
    names.iter().for_each(|name| reply.bulk(name));
    Ok(())
}
