//! `XGROUP` and `XACK`. What changes in a group is no change that `WATCH` sees: only what changes
//! the entries is (t_stream.c calls `signalModifiedKey` for nothing else).

use super::args::{exact_id, id};
use super::{change, for_write, other, reply_help};
use crate::command::{Args, CommandError, Ctx, Outcome, number, printable};
use crate::keyspace::stream::{Group, StreamId};
use crate::keyspace::{StreamValue, Value};

const HELP: [&str; 17] = [
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Makes a group that has read up to the id; $ is the last one. Options are:",
    "    * MKSTREAM",
    "      Makes an empty stream if there is none.",
    "    * ENTRIESREAD entries_read",
    "      How many entries the group has read.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Makes a consumer.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Removes a consumer and what it has to acknowledge.",
    "DESTROY <key> <groupname>",
    "    Removes a group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Sets how far the group has read.",
    "HELP",
    "    This text.",
];

pub fn group(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let name = args[1].to_ascii_lowercase();
    let accepted = match name.as_slice() {
        b"help" => args.len() == 2,
        b"create" | b"setid" => args.len() >= 5,
        b"createconsumer" | b"delconsumer" => args.len() == 5,
        b"destroy" => args.len() == 4,
        _ => {
            let given = printable(args[1]);
            return Err(CommandError::UnknownSubcommand { given, container: "XGROUP".into() });
        }
    };
    if !accepted {
        return Err(CommandError::WrongArity(format!("xgroup|{}", printable(&name))));
    }
    if name == b"help" {
        reply_help(ctx, &HELP);
        return Ok(());
    }
    let (make, read) = options(args, &name)?;
    let stream = for_write(ctx, args[2])?;
    if stream.is_none() && !make {
        return other(
            "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want \
             to use the MKSTREAM option to create an empty stream automatically.",
        );
    }
    let known = stream.as_ref().is_some_and(|stream| stream.group(args[3]).is_some());
    let needs_group = !matches!(name.as_slice(), b"create" | b"destroy");
    if needs_group && !known {
        let (key, group) = (printable(args[2]), printable(args[3]));
        let text = format!("NOGROUP No such consumer group '{group}' for key name '{key}'");
        return Err(CommandError::Coded(text));
    }
    match name.as_slice() {
        b"create" => create(ctx, args, stream, known, read),
        b"setid" => set_id(ctx, args, stream, read),
        b"destroy" => {
            drop(stream);
            finish(ctx, args, known, |stream| i64::from(stream.remove_group(args[3])));
            // Who waits for the group is told that it is gone.
            ctx.effects.ready.push((ctx.db, args[2].to_vec()));
            Ok(())
        }
        b"createconsumer" => {
            let known = stream.as_ref().and_then(|stream| stream.group(args[3]));
            let is_new = known.is_some_and(|it| !it.consumers().contains_key(args[4]));
            drop(stream);
            let now_ms = ctx.now.unix_ms;
            finish(ctx, args, is_new, |stream| {
                let group = stream.group_mut(args[3]);
                group.map_or(0, |group| i64::from(group.create_consumer(args[4], now_ms)))
            });
            Ok(())
        }
        _ => {
            let known = stream.as_ref().and_then(|stream| stream.group(args[3]));
            let is_there = known.is_some_and(|it| it.consumers().contains_key(args[4]));
            drop(stream);
            finish(ctx, args, is_there, |stream| {
                let group = stream.group_mut(args[3]);
                group.and_then(|group| group.remove_consumer(args[4])).unwrap_or(0) as i64
            });
            Ok(())
        }
    }
}

/// Carries a change out if there is one, and replies with the number it gives, else with 0.
fn finish(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    changes: bool,
    edit: impl FnOnce(&mut StreamValue) -> i64,
) {
    let mut number = 0;
    if changes {
        number = change(ctx, args[2], edit).unwrap_or(0);
        ctx.effects.dirty += 1;
    }
    ctx.reply.integer(number);
}

/// Whether to make the stream, and what `ENTRIESREAD` says.
fn options(args: &Args<'_>, name: &[u8]) -> Result<(bool, Option<u64>), CommandError> {
    let (mut make, mut read) = (false, None);
    if !matches!(name, b"create" | b"setid") {
        return Ok((make, read));
    }
    let mut rest = args[5..].iter();
    while let Some(option) = rest.next() {
        if option.eq_ignore_ascii_case(b"MKSTREAM") && name == b"create" {
            make = true;
        } else if option.eq_ignore_ascii_case(b"ENTRIESREAD")
            && let Some(value) = rest.next()
        {
            read = match number::integer(value)? {
                -1 => None,
                ..-1 => return other("value for ENTRIESREAD must be positive or -1"),
                count => Some(count as u64),
            };
        } else {
            return other(&format!(
                "unknown subcommand or wrong number of arguments for '{}'. Try XGROUP HELP.",
                printable(args[1])
            ));
        }
    }
    Ok((make, read))
}

fn position(text: &[u8], stream: Option<&StreamValue>) -> Result<StreamId, CommandError> {
    if text == b"$" {
        return Ok(stream.map_or(StreamId::MIN, StreamValue::last_id));
    }
    id(text, 0)
}

fn create(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    stream: Option<StreamValue>,
    known: bool,
    read: Option<u64>,
) -> Outcome {
    // Only a group that is there may be set before or behind everything by `-` and `+`.
    if matches!(args[4], b"-" | b"+") {
        return Err(CommandError::StreamId);
    }
    let id = position(args[4], stream.as_ref())?;
    if known {
        let text = "BUSYGROUP Consumer Group name already exists";
        return Err(CommandError::Coded(text.into()));
    }
    if stream.is_none() {
        ctx.keyspace.set(ctx.db, args[2], Value::Stream(StreamValue::new()), None);
        ctx.effects.touched.push((ctx.db, args[2].to_vec()));
    }
    drop(stream);
    change(ctx, args[2], |stream| stream.insert_group(args[3], Group::new(id, read)));
    ctx.effects.dirty += 1;
    ctx.reply.ok();
    Ok(())
}

fn set_id(
    ctx: &mut Ctx<'_>,
    args: &Args<'_>,
    stream: Option<StreamValue>,
    read: Option<u64>,
) -> Outcome {
    let id = position(args[4], stream.as_ref())?;
    drop(stream);
    change(ctx, args[2], |stream| {
        if let Some(group) = stream.group_mut(args[3]) {
            group.last_id = id;
            group.entries_read = read;
        }
    });
    ctx.effects.dirty += 1;
    ctx.reply.ok();
    Ok(())
}

pub fn acknowledge(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let stream = for_write(ctx, args[1])?;
    if stream.and_then(|stream| stream.group(args[2]).map(drop)).is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids: Result<Vec<StreamId>, CommandError> =
        args[3..].iter().map(|text| exact_id(text, 0)).collect();
    let ids = ids?;
    let count = change(ctx, args[1], |stream| {
        let group = stream.group_mut(args[2]);
        group.map_or(0, |group| ids.iter().filter(|id| group.acknowledge(**id)).count())
    });
    let count = count.unwrap_or(0);
    ctx.reply.integer(count as i64);
    ctx.effects.dirty += count as u64;
    Ok(())
}
