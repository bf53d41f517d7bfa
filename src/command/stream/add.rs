//! `XADD`, `XTRIM`, `XDEL`, `XSETID`.

use super::args::{NewId, TrimSpec, exact_id, options};
use super::{change, for_write, other, reply_id};
use crate::command::{Args, CommandError, Ctx, Outcome, lookup, number};
use crate::keyspace::stream::{Fields, StreamId, Trim};
use crate::keyspace::{StreamValue, Value};

/// The id that a new entry gets after `last`.
fn choose_id(wanted: NewId, last: StreamId, now_ms: u64) -> Result<StreamId, CommandError> {
    const NOT_LARGER: &str =
        "The ID specified in XADD is equal or smaller than the target stream top item";
    if last == StreamId::MAX {
        return other("The stream has exhausted the last possible ID, unable to add more items");
    }
    let id = match wanted {
        NewId::Given(id) => Some(id),
        NewId::Auto if now_ms > last.ms => Some(StreamId { ms: now_ms, seq: 0 }),
        NewId::Auto => last.next(),
        NewId::AutoSeq(ms) if ms == last.ms => {
            last.seq.checked_add(1).map(|seq| StreamId { ms, seq })
        }
        NewId::AutoSeq(ms) => Some(StreamId { ms, seq: 0 }),
    };
    match id {
        Some(id) if id > last => Ok(id),
        _ => other(NOT_LARGER),
    }
}

pub fn add(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let options = options(ctx, args, true)?;
    let Some((wanted, id_at)) = options.id else {
        return Err(CommandError::WrongArity("xadd".into()));
    };
    let texts = &args[id_at + 1..];
    if texts.is_empty() || !texts.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity("xadd".into()));
    }
    if matches!(wanted, NewId::Given(StreamId::MIN)) {
        return other("The ID specified in XADD must be greater than 0-0");
    }
    let old = for_write(ctx, key)?;
    if old.is_none() && !options.make {
        ctx.reply.null_bulk();
        return Ok(());
    }
    let last = old.as_ref().map_or(StreamId::MIN, StreamValue::last_id);
    let id = choose_id(wanted, last, ctx.now.unix_ms)?;
    if old.is_none() {
        ctx.keyspace.set(ctx.db, key, Value::Stream(StreamValue::new()), None);
    }
    // Not shared any more, or the change would copy what this holds.
    drop(old);
    let fields = Fields::new(texts.iter().copied());
    let trim = options.trim.as_ref();
    let limits = ctx.keyspace.limits;
    let trimmed = change(ctx, key, |stream| {
        stream.push(id, fields, &limits);
        trim.map(|spec| carry_out(stream, spec))
    });
    let (removed, threshold) = trimmed.flatten().unwrap_or_default();
    ctx.effects.trimmed = removed > 0;
    lookup::changed(ctx, ctx.db, key);
    reply_id(ctx, id);
    let text = id.to_string();
    let mut forwarded = args.to_vec();
    let mut differs = false;
    if !matches!(wanted, NewId::Given(_)) {
        forwarded[id_at] = text.as_bytes();
        differs = true;
    }
    if let (Some(spec), Some(threshold)) = (trim, &threshold) {
        make_exact(&mut forwarded, spec, threshold);
        differs = true;
    }
    if differs {
        lookup::rewrite(ctx, &forwarded);
    }
    Ok(())
}

/// Trims; how many went, and for an approximate trim the threshold that makes it exact.
fn carry_out(stream: &mut StreamValue, spec: &TrimSpec) -> (u64, Option<String>) {
    let removed = stream.trim(spec.trim, spec.approximate, spec.limit);
    let threshold = spec.approximate.then(|| match spec.trim {
        Trim::MaxLen(_) => stream.len().to_string(),
        // Of an empty stream Redis names the largest id there is.
        Trim::MinId(_) if stream.is_empty() => StreamId::MAX.to_string(),
        Trim::MinId(_) => stream.first_id().to_string(),
    });
    (removed, threshold)
}

/// A replica has to remove what was removed here, whatever its nodes are.
fn make_exact<'a>(forwarded: &mut [&'a [u8]], spec: &TrimSpec, threshold: &'a str) {
    if let Some(at) = spec.operator_at {
        forwarded[at] = b"=";
    }
    forwarded[spec.threshold_at] = threshold.as_bytes();
}

pub fn trim(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let Some(spec) = options(ctx, args, false)?.trim else {
        return Err(CommandError::Syntax);
    };
    if for_write(ctx, key)?.is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let (removed, threshold) =
        change(ctx, key, |stream| carry_out(stream, &spec)).unwrap_or_default();
    ctx.reply.integer(removed as i64);
    if removed == 0 {
        return Ok(());
    }
    lookup::changed(ctx, ctx.db, key);
    if let Some(threshold) = threshold {
        let mut forwarded = args.to_vec();
        make_exact(&mut forwarded, &spec, &threshold);
        lookup::rewrite(ctx, &forwarded);
    }
    Ok(())
}

pub fn delete(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let key = args[1];
    let found = for_write(ctx, key)?.is_some();
    let ids: Result<Vec<StreamId>, CommandError> =
        args[2..].iter().map(|text| exact_id(text, 0)).collect();
    if !found {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids = ids?;
    let removed = change(ctx, key, |stream| ids.iter().filter(|id| stream.remove(**id)).count());
    let removed = removed.unwrap_or(0);
    ctx.reply.integer(removed as i64);
    if removed > 0 {
        lookup::changed(ctx, ctx.db, key);
        ctx.effects.dirty += removed as u64 - 1;
    }
    Ok(())
}

pub fn set_id(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let (key, id) = (args[1], exact_id(args[2], 0)?);
    let (mut added, mut max_deleted) = (None, None);
    for pair in args[3..].chunks(2) {
        let &[name, value] = pair else {
            return Err(CommandError::Syntax);
        };
        if name.eq_ignore_ascii_case(b"ENTRIESADDED") {
            match u64::try_from(number::integer(value)?) {
                Ok(count) => added = Some(count),
                Err(_) => return other("entries_added must be positive"),
            }
        } else if name.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let deleted = exact_id(value, 0)?;
            if id < deleted {
                return other(
                    "The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                );
            }
            max_deleted = Some(deleted);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let Some(stream) = for_write(ctx, key)? else {
        return Err(CommandError::NoSuchKey);
    };
    if stream.last().is_some_and(|last| id < last.id) {
        return other("The ID specified in XSETID is smaller than the target stream top item");
    }
    if !stream.is_empty() && added.is_some_and(|added| stream.len() > added) {
        return other(
            "The entries_added specified in XSETID is smaller than the target stream length",
        );
    }
    drop(stream);
    change(ctx, key, |stream| {
        let added = added.unwrap_or(stream.entries_added());
        let deleted = max_deleted.filter(|id| *id != StreamId::MIN);
        stream.set_marks(id, deleted.unwrap_or(stream.max_deleted_id()), added);
    });
    ctx.effects.dirty += 1;
    ctx.reply.ok();
    Ok(())
}
