//! `ACL`: users and what they may do. The rules themselves are `crate::acl`'s.

use rand::Rng as _;

use super::admin::{Subcommand, error, help, is, node, ok, row, subcommand};
use super::table::{Command, Flags, Group, accepts};
use super::{Args, Call, CommandError, Outcome, number, printable};
use crate::acl::{CATEGORIES, DEFAULT, Permissions, is_bad_name, user_line};
use crate::codec::resp::Reply;
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

const HELP: [&str; 27] = [
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
    "LOAD",
    "    Reads the users from the file (aclfile).",
    "LOG [<count> | RESET]",
    "    What was refused lately.",
    "SAVE",
    "    Writes the users into the file (aclfile).",
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

fn acl(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match subcommand("ACL", &SUBCOMMANDS, args)? {
        "cat" => categories(node, id, rest),
        "deluser" => remove(node, id, rest),
        "dryrun" => dry_run(node, id, rest),
        "genpass" => generate(node, id, rest),
        "getuser" => show(node, id, rest[0]),
        "list" => {
            let lines: Vec<_> =
                node.users.iter().map(|(name, user)| user_line(name, user)).collect();
            list(node, id, &lines)
        }
        "load" => load(node, id),
        "save" => save(node, id),
        "log" => log(node, now, id, rest),
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
                return error(format!("Unknown category '{}'", printable(args[0])));
            }
            let all = Call::all().filter(|call| call.acl_categories().any(|own| own == wanted));
            all.map(|call| call.full_name().into_bytes()).collect()
        }
        _ => return too_many("CAT"),
    };
    list(node, id, &names)
}

/// More arguments than the subcommand takes, though its arity lets them through.
fn too_many(subcommand: &str) -> Outcome {
    error(format!(
        "unknown subcommand or wrong number of arguments for '{subcommand}'. Try ACL HELP."
    ))
}

fn set(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let (name, rules) = (args[0], &args[1..]);
    if is_bad_name(name) {
        return error("Usernames can't contain spaces or null characters");
    }
    match node.users.set(name, rules) {
        Ok(()) => {
            node.close_revoked_listeners(name, id);
            ok(node, id)
        }
        Err(wrong) => error(wrong.to_string()),
    }
}

fn remove(node: &mut Node, id: ClientId, names: &Args<'_>) -> Outcome {
    if names.contains(&DEFAULT) {
        return error("The 'default' user cannot be removed");
    }
    let mut removed = 0;
    for name in names {
        if node.users.remove(name) {
            removed += 1;
            node.close_clients_of(id, |user| user == *name);
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
        let permissions = user.permissions();
        let (root, selectors) = permissions.split_at(1);
        root.iter().for_each(|set| show_permissions(reply, set));
        reply.bulk("selectors");
        reply.array_header(selectors.len());
        for set in selectors {
            reply.array_header(6);
            show_permissions(reply, set);
        }
    });
    Ok(())
}

fn show_permissions(reply: &mut Reply, set: &Permissions) {
    for (field, text) in
        [("commands", set.commands.as_bytes()), ("keys", &set.keys), ("channels", &set.channels)]
    {
        reply.bulk(field);
        reply.bulk(text);
    }
}

fn dry_run(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let (name, words) = (args[0], &args[1..]);
    if node.users.get(name).is_none() {
        return error(format!("User '{}' not found", printable(name)));
    }
    let Some(call) = Call::find(words) else {
        return error(format!("Command '{}' not found", printable(words[0])));
    };
    if !accepts(call.arity(), words.len()) {
        return Err(CommandError::WrongArity(call.full_name()));
    }
    match node.users.refusal(name, call.command, words) {
        None => ok(node, id),
        Some(refusal) => {
            node.reply(id, |reply| reply.bulk(refusal.explained()));
            Ok(())
        }
    }
}

/// Entries that `ACL LOG` shows when it is not told how many.
const LOG_SHOWN: i64 = 10;

fn log(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let count = match args {
        [] => LOG_SHOWN,
        [word] if is(word, "RESET") => {
            node.acl_log.clear();
            return ok(node, id);
        }
        [count] => number::integer(count)?,
        _ => return too_many("LOG"),
    };
    let count = usize::try_from(count).unwrap_or(0);
    let entries: Vec<_> = node.acl_log.entries().take(count).cloned().collect();
    node.reply(id, |reply| {
        reply.array_header(entries.len());
        for entry in &entries {
            let age_ms = now.unix_ms.saturating_sub(entry.unix_ms);
            reply.array_header(14);
            reply.bulk("count");
            reply.integer(i64::try_from(entry.count).unwrap_or(i64::MAX));
            for (field, text) in [
                ("reason", entry.reason.name().as_bytes()),
                ("context", entry.context.name().as_bytes()),
                ("object", &entry.object),
                ("username", &entry.user),
                ("age-seconds", format!("{}", age_ms as f64 / 1000.0).as_bytes()),
                ("client-info", entry.client.as_bytes()),
            ] {
                reply.bulk(field);
                reply.bulk(text);
            }
        }
    });
    Ok(())
}

/// The file takes the place of all users; who has come in as one of them has to come again.
fn load(node: &mut Node, id: ClientId) -> Outcome {
    if node.in_exec {
        return error("ACL LOAD cannot be executed inside a transaction: it waits for the disk");
    }
    match node.read_acl_file() {
        Some(job) => {
            node.wait_for_job(id, job);
            Ok(())
        }
        None => error(NO_FILE),
    }
}

fn save(node: &mut Node, id: ClientId) -> Outcome {
    match node.write_acl_file() {
        Some(job) => {
            node.wait_for_job(id, job);
            Ok(())
        }
        None => error(NO_FILE),
    }
}

fn generate(node: &mut Node, id: ClientId, args: &Args<'_>) -> Outcome {
    let bits = match args {
        [] => 256,
        [bits] => number::integer(bits)?,
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
