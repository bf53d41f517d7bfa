//! Publish/subscribe. What is published goes on the stream: a replica's subscribers hear it too.

use super::admin::{Subcommand, error, help, node, row, subcommand};
use super::key_spec::{KeyFlags, all_from, at};
use super::table::{Command, Flags, Group};
use super::{Args, Outcome, glob};
use crate::env::Now;
use crate::node::{ClientId, MASTER, Node, Topic};

const LISTEN: Flags = Flags::PUBSUB.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);
const SPEAK: Flags = Flags::PUBSUB
    .with(Flags::LOADING)
    .with(Flags::STALE)
    .with(Flags::FAST)
    .with(Flags::MAY_REPLICATE);
const GROUP: Group = Group::PubSub;

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("subscribe", -2, LISTEN, GROUP, "2.0.0", "Listens to channels", node!(subscribe)),
    row("unsubscribe", -1, LISTEN, GROUP, "2.0.0", "Stops listening to channels", node!(unsubscribe)),
    row("psubscribe", -2, LISTEN, GROUP, "2.0.0", "Listens to channels by patterns", node!(psubscribe)),
    row("punsubscribe", -1, LISTEN, GROUP, "2.0.0", "Stops listening by patterns", node!(punsubscribe)),
    row("ssubscribe", -2, LISTEN, GROUP, "7.0.0", "Listens to shard channels", node!(ssubscribe)).with_keys(&[all_from(1, KeyFlags::NOT_KEY)]),
    row("sunsubscribe", -1, LISTEN, GROUP, "7.0.0", "Stops listening to shard channels", node!(sunsubscribe)).with_keys(&[all_from(1, KeyFlags::NOT_KEY)]),
    row("publish", 3, SPEAK, GROUP, "2.0.0", "Sends a message to all who listen to a channel", node!(publish)),
    row("spublish", 3, SPEAK, GROUP, "7.0.0", "Sends a message to all who listen to a shard channel", node!(spublish)).with_keys(&[at(1, KeyFlags::NOT_KEY)]),
    row("pubsub", -2, Flags::NONE, GROUP, "2.8.0", "Who listens to what", node!(pubsub)),
];

fn subscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    listen(node, id, Topic::Channel, &args[1..])
}

fn psubscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    listen(node, id, Topic::Pattern, &args[1..])
}

fn ssubscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    listen(node, id, Topic::Shard, &args[1..])
}

fn listen(node: &mut Node, id: ClientId, topic: Topic, names: &Args<'_>) -> Outcome {
    for name in names {
        node.subscribe(id, topic, name);
    }
    Ok(())
}

fn unsubscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    node.unsubscribe(id, Topic::Channel, &args[1..]);
    Ok(())
}

fn punsubscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    node.unsubscribe(id, Topic::Pattern, &args[1..]);
    Ok(())
}

fn sunsubscribe(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    node.unsubscribe(id, Topic::Shard, &args[1..]);
    Ok(())
}

fn publish(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    speak(node, now, id, Topic::Channel, args)
}

fn spublish(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    speak(node, now, id, Topic::Shard, args)
}

fn speak(node: &mut Node, now: Now, id: ClientId, topic: Topic, args: &Args<'_>) -> Outcome {
    let heard = node.publish(now, topic, args[1], args[2]);
    if id != MASTER {
        let db = node.clients.get(&id).map_or(0, |client| client.db);
        node.pass_on(db, args);
    }
    node.reply(id, |reply| reply.integer(i64::try_from(heard).unwrap_or(i64::MAX)));
    Ok(())
}

const fn sub(name: &'static str, arity: i32, full_name: &'static str) -> Subcommand {
    Subcommand { name, arity, full_name }
}

static SUBCOMMANDS: [Subcommand; 6] = [
    sub("channels", -2, "pubsub|channels"),
    sub("numsub", -2, "pubsub|numsub"),
    sub("numpat", 2, "pubsub|numpat"),
    sub("shardchannels", -2, "pubsub|shardchannels"),
    sub("shardnumsub", -2, "pubsub|shardnumsub"),
    sub("help", 2, "pubsub|help"),
];

const HELP: [&str; 13] = [
    "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANNELS [<pattern>]",
    "    Channels that somebody listens to.",
    "NUMPAT",
    "    Number of patterns in use.",
    "NUMSUB [<channel> ...]",
    "    How many listen to each, patterns left out.",
    "SHARDCHANNELS [<pattern>]",
    "    Shard channels that somebody listens to.",
    "SHARDNUMSUB [<channel> ...]",
    "    How many listen to each.",
    "HELP",
    "    This text.",
];

fn pubsub(node: &mut Node, _: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match subcommand("PUBSUB", &SUBCOMMANDS, args)? {
        "channels" => names(node, id, Topic::Channel, rest),
        "shardchannels" => names(node, id, Topic::Shard, rest),
        "numsub" => numbers(node, id, Topic::Channel, rest),
        "shardnumsub" => numbers(node, id, Topic::Shard, rest),
        "numpat" => {
            let count = node.pubsub.listeners(Topic::Pattern).len();
            node.reply(id, |reply| reply.integer(i64::try_from(count).unwrap_or(i64::MAX)));
            Ok(())
        }
        _ => help(node, id, &HELP),
    }
}

fn names(node: &mut Node, id: ClientId, topic: Topic, args: &Args<'_>) -> Outcome {
    if args.len() > 1 {
        let name = if topic == Topic::Shard { "shardchannels" } else { "channels" };
        let text = "unknown subcommand or wrong number of arguments for";
        return error(format!("{text} '{name}'. Try PUBSUB HELP."));
    }
    let wanted = |name: &&Vec<u8>| args.first().is_none_or(|pattern| glob::matches(pattern, name));
    let all = node.pubsub.listeners(topic).keys();
    let found: Vec<Vec<u8>> = all.filter(wanted).cloned().collect();
    node.reply(id, |reply| {
        reply.array_header(found.len());
        found.iter().for_each(|name| reply.bulk(name));
    });
    Ok(())
}

fn numbers(node: &mut Node, id: ClientId, topic: Topic, channels: &Args<'_>) -> Outcome {
    let counts: Vec<usize> =
        channels.iter().map(|channel| node.pubsub.count(topic, channel)).collect();
    node.reply(id, |reply| {
        reply.array_header(channels.len() * 2);
        for (channel, count) in channels.iter().zip(counts) {
            reply.bulk(channel);
            reply.integer(i64::try_from(count).unwrap_or(i64::MAX));
        }
    });
    Ok(())
}
