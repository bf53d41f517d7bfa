//! `ACL`: users and what they may do. The rules themselves are `crate::acl`'s.

use rand::Rng as _;

use super::admin::{Subcommand, error, help, node, ok, row, subcommand};
use super::table::{self, Command, Flags, Group};
use super::{Args, CommandError, Outcome, printable};
use crate::acl::{CATEGORIES, DEFAULT};
use crate::env::Now;
use crate::node::{ClientId, Node};

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("acl", -2, Flags::SENSITIVE, Group::Server, "6.0.0", "Users and what they may do", node!(acl)),
];

const fn sub(name: &'static str, arity: i32, full_name: &'static str) -> Subcommand {
    Subcommand { name, arity, full_name }
}

static SUBCOMMANDS: [Subcommand; 13] = [
    sub("cat", -2, "acl|cat"),
    sub("deluser", -3, "acl|deluser"),
    sub("dryrun", -4, "acl|dryrun"),
    sub("genpass", -2, "acl|genpass"),
    sub("getuser", 3, "acl|getuser"),
    sub("list", 2, "acl|list"),
    sub("load", 2, "acl|load"),
    sub("log", -2, "acl|log"),
    sub("save", 2, "acl|save"),
    sub("setuser", -3, "acl|setuser"),
    sub("users", 2, "acl|users"),
    sub("whoami", 2, "acl|whoami"),
    sub("help", 2, "acl|help"),
];

const HELP: [&str; 23] = [
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CAT [<category>]",
    "    Categories, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Removes users and closes their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Whether a user might execute a command.",
    "GENPASS [<bits>]",
    "    A password nobody can guess.",
    "GETUSER <username>",
    "    All about a user.",
    "LIST",
    "    All users as configuration lines.",
    "LOG",
    "    Always empty.",
    "SETUSER <username> <rule> [<rule> ...]",
    "    Makes or changes a user.",
    "USERS",
    "    Their names.",
    "WHOAMI",
    "    Who this connection is.",
    "HELP",
    "    This text.",
];

const NO_FILE: &str = "This Redis instance is not configured to use an ACL file. You may want to \
    specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have \
    a Redis configuration file set) in order to store users in the Redis configuration.";

fn acl(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match subcommand(node, id, "ACL", &SUBCOMMANDS, args)? {
        "cat" => categories(node, id, rest),
        "deluser" => remove(node, id, rest),
        "dryrun" => dry_run(node, id, rest),
        "genpass" => generate(node, id, rest),
        "getuser" => show(node, id, rest[0]),
        "list" => {
            let lines: Vec<Vec<u8>> = node
                .users
                .iter()
                .map(|(name, user)| [b"user ", name, b" ", user.to_string().as_bytes()].concat())
                .collect();
            list(node, id, &lines)
        }
        "load" | "save" => error(NO_FILE),
        "log" => match rest {
            [word] if super::admin::is(word, "RESET") => ok(node, id),
            _ => list(node, id, &[]),
        },
        "setuser" => set(node, id, rest),
        "users" => {
            let names: Vec<Vec<u8>> = node.users.iter().map(|(name, _)| name.to_vec()).collect();
            list(node, id, &names)
        }
        "whoami" => {
            let name = node.clients.get(&id).map(|client| client.user.clone()).unwrap_or_default();
            node.reply(id, |reply| reply.bulk(name));
            Ok(())
        }
        _ => help(node, id, &HELP),
    }
}

fn list(node: &mut Node, id: ClientId, items: &[Vec<u8>]) -> Outcome {
    node.reply(id, |reply| {
        reply.array_header(items.len());
        items.iter().for_each(|item| reply.bulk(item));
    });
    Ok(())
}

fn categories(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let names: Vec<Vec<u8>> = match args {
        [] => CATEGORIES.iter().map(|name| name.as_bytes().to_vec()).collect(),
        [wanted] => {
            let wanted = String::from_utf8_lossy(wanted).to_ascii_lowercase();
            if !CATEGORIES.contains(&wanted.as_str()) {
                return error(format!("Unknown category '{}'", printable(wanted.as_bytes())));
            }
            let all = table::all();
            all.filter(|command| command.acl_categories().any(|own| own == wanted))
                .map(|command| command.name.as_bytes().to_vec())
                .collect()
        }
        _ => return Err(CommandError::WrongArity("acl|cat".into())),
    };
    list(node, id, &names)
}

fn set(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let (name, rules) = (args[0], &args[1..]);
    if name.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return error("Usernames can't contain spaces or null characters");
    }
    match node.users.set(name, rules) {
        Ok(()) => ok(node, id),
        Err(wrong) => {
            let (rule, reason) = (printable(wrong.rule.as_bytes()), wrong.reason);
            error(format!("Error in ACL SETUSER modifier '{rule}': {reason}"))
        }
    }
}

fn remove(node: &mut Node, id: ClientId, names: &Args<'_>) -> Outcome {
    if names.contains(&DEFAULT) {
        return error("The 'default' user cannot be removed");
    }
    let mut removed = 0;
    for name in names {
        if !node.users.remove(name) {
            continue;
        }
        removed += 1;
        let theirs: Vec<ClientId> = node
            .clients
            .values()
            .filter(|client| client.user == *name)
            .map(|client| client.id)
            .collect();
        for client in theirs {
            node.close_politely(client, id);
        }
    }
    node.reply(id, |reply| reply.integer(removed));
    Ok(())
}

fn show(node: &mut Node, id: ClientId, name: &[u8]) -> Outcome {
    let Some(user) = node.users.get(name).cloned() else {
        node.reply(id, |reply| reply.null_bulk());
        return Ok(());
    };
    node.reply(id, |reply| {
        reply.array_header(12);
        for (field, words) in [
            ("flags", user.flags()),
            ("passwords", user.passwords().iter().map(String::as_str).collect()),
        ] {
            reply.bulk(field);
            reply.array_header(words.len());
            words.iter().for_each(|word| reply.bulk(word));
        }
        for (field, text) in [
            ("commands", user.commands()),
            ("keys", user.key_patterns()),
            ("channels", user.channel_patterns()),
        ] {
            reply.bulk(field);
            reply.bulk(text);
        }
        reply.bulk("selectors");
        reply.array_header(0);
    });
    Ok(())
}

fn dry_run(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let (name, words) = (args[0], &args[1..]);
    if node.users.get(name).is_none() {
        return error(format!("User '{}' not found", printable(name)));
    }
    let Some(command) = table::lookup(words[0]) else {
        return error(format!("Command '{}' not found", printable(words[0])));
    };
    if !command.accepts(words.len()) {
        return Err(CommandError::WrongArity(command.name.into()));
    }
    match node.users.refusal(name, command, words) {
        None => ok(node, id),
        Some(refusal) => {
            let text = refusal.to_string().replacen("NOPERM this", "This", 1);
            node.reply(id, |reply| reply.bulk(text));
            Ok(())
        }
    }
}

fn generate(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let bits = match args {
        [] => 256,
        [bits] => super::number::integer(bits)?,
        _ => return Err(CommandError::WrongArity("acl|genpass".into())),
    };
    if !(1..=4096).contains(&bits) {
        return error(
            "ACL GENPASS argument must be the number of bits for the output password, a \
                      positive number up to 4096",
        );
    }
    // Four bits a digit, the last one whole.
    let digits = usize::try_from(bits).unwrap_or(0).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    node.random.fill_bytes(&mut bytes);
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    node.reply(id, |reply| reply.bulk(text));
    Ok(())
}
