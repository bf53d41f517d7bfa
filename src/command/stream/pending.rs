//! `XPENDING`.

use super::args::interval;
use super::{for_read, no_group, reply_id};
use crate::command::{Args, CommandError, Ctx, Outcome, number};
use crate::keyspace::stream::{Group, Pending, StreamId};

pub fn pending(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    if args.len() != 3 && !(6..=9).contains(&args.len()) {
        return Err(CommandError::Syntax);
    }
    let mut idle_ms = 0;
    let mut rest = &args[3..];
    if let [name, idle, more @ ..] = rest
        && name.eq_ignore_ascii_case(b"IDLE")
    {
        idle_ms = u64::try_from(number::integer(idle)?).unwrap_or(0);
        rest = more;
    }
    let wanted = match rest {
        [] if args.len() == 3 => None,
        [start, end, count, consumer @ ..] => {
            let count = usize::try_from(number::integer(count)?).unwrap_or(0);
            Some((interval(start, end)?, count, consumer.first().copied()))
        }
        _ => return Err(CommandError::Syntax),
    };
    let stream = for_read(ctx, args[1])?;
    let Some(group) = stream.as_ref().and_then(|stream| stream.group(args[2])) else {
        return Err(no_group(args[1], args[2]));
    };
    match wanted {
        None => summary(ctx, group),
        Some((ids, count, consumer)) => list(ctx, group, ids, count, idle_ms, consumer),
    }
    Ok(())
}

fn summary(ctx: &mut Ctx<'_>, group: &Group) {
    ctx.reply.array_header(4);
    ctx.reply.integer(group.pending().len() as i64);
    let (Some((first, _)), Some((last, _))) =
        (group.pending().get_min(), group.pending().get_max())
    else {
        ctx.reply.null_bulk();
        ctx.reply.null_bulk();
        ctx.reply.null_array();
        return;
    };
    reply_id(ctx, *first);
    reply_id(ctx, *last);
    let busy = || group.consumers().iter().filter(|(_, it)| !it.pending.is_empty());
    ctx.reply.array_header(busy().count());
    for (name, consumer) in busy() {
        ctx.reply.array_header(2);
        ctx.reply.bulk(name.as_bytes());
        ctx.reply.bulk(consumer.pending.len().to_string());
    }
}

fn list(
    ctx: &mut Ctx<'_>,
    group: &Group,
    (start, end): (StreamId, StreamId),
    count: usize,
    idle_ms: u64,
    consumer: Option<&[u8]>,
) {
    let now_ms = ctx.now.unix_ms;
    let idle = |pending: &Pending| now_ms.saturating_sub(pending.delivered_ms);
    let found: Vec<(&StreamId, &Pending)> = group
        .pending()
        .range(start..=end.max(start))
        .filter(|(id, _)| **id <= end)
        .filter(|(_, pending)| consumer.is_none_or(|name| pending.consumer.as_bytes() == name))
        .filter(|(_, pending)| idle(pending) >= idle_ms)
        .take(count)
        .collect();
    ctx.reply.array_header(found.len());
    for (id, pending) in found {
        ctx.reply.array_header(4);
        reply_id(ctx, *id);
        ctx.reply.bulk(pending.consumer.as_bytes());
        ctx.reply.integer(idle(pending) as i64);
        ctx.reply.integer(pending.deliveries as i64);
    }
}
