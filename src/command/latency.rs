//! `LATENCY`: what took long, kind by kind, and how long each command takes (Redis: latency.c).

use super::admin::{Subcommand, error, help, node, row, subcommand};
use super::table::{self, Command, Flags, Group};
use super::{Args, Call, Outcome, printable};
use crate::codec::resp::Reply;
use crate::env::Now;
use crate::node::{ClientId, Histogram, Node, Series};

/// The command of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("latency", -2, Flags::NONE, Group::Server, "2.8.13", "What took long, and how long commands take", node!(latency)),
];

static SUBCOMMANDS: [Subcommand; 7] = [
    Subcommand { name: "doctor", arity: 2, full_name: "latency|doctor" },
    Subcommand { name: "graph", arity: 3, full_name: "latency|graph" },
    Subcommand { name: "help", arity: 2, full_name: "latency|help" },
    Subcommand { name: "histogram", arity: -2, full_name: "latency|histogram" },
    Subcommand { name: "history", arity: 3, full_name: "latency|history" },
    Subcommand { name: "latest", arity: 2, full_name: "latency|latest" },
    Subcommand { name: "reset", arity: -2, full_name: "latency|reset" },
];

const HELP: [&str; 15] = [
    "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    A report in words.",
    "GRAPH <event>",
    "    The samples of a kind of event as a graph.",
    "HISTOGRAM [<command> ...]",
    "    How often commands took how long, by powers of two.",
    "HISTORY <event>",
    "    The samples of a kind of event: time and milliseconds.",
    "LATEST",
    "    The last sample of each kind, and the longest ever.",
    "RESET [<event> ...]",
    "    Forgets some kinds of events, or all.",
    "HELP",
    "    This text.",
];

fn latency(node: &mut Node, now: Now, id: ClientId, args: &Args<'_>) -> Outcome {
    let rest = &args[2..];
    match subcommand("LATENCY", &SUBCOMMANDS, args)? {
        "doctor" => doctor(node, now, id),
        "graph" => graph(node, now, id, rest[0])?,
        "histogram" => histogram(node, id, rest),
        "history" => history(node, id, rest[0]),
        "latest" => latest(node, id),
        "reset" => {
            let events = &mut node.timing.events;
            let count = match rest {
                [] => events.forget_all(),
                names => names.iter().filter(|name| events.forget(name)).count(),
            };
            node.reply(id, |reply| reply.integer(count as i64));
        }
        _ => return help(node, id, &HELP),
    }
    Ok(())
}

fn number(reply: &mut Reply, number: u64) {
    reply.integer(i64::try_from(number).unwrap_or(i64::MAX));
}

fn history(node: &mut Node, id: ClientId, event: &[u8]) {
    let series = node.timing.events.get(event);
    let samples: Vec<_> = series.into_iter().flat_map(|series| &series.samples).copied().collect();
    node.reply(id, |reply| {
        reply.array_header(samples.len());
        for sample in samples {
            reply.array_header(2);
            number(reply, sample.unix_seconds);
            number(reply, sample.millis);
        }
    });
}

fn latest(node: &mut Node, id: ClientId) {
    let last = |(event, series): (&'static str, &Series)| {
        series.samples.back().map(|sample| (event, *sample, series.max_millis))
    };
    let found: Vec<_> = node.timing.events.iter().filter_map(last).collect();
    node.reply(id, |reply| {
        reply.array_header(found.len());
        for (event, sample, max_millis) in found {
            reply.array_header(4);
            reply.bulk(event);
            number(reply, sample.unix_seconds);
            number(reply, sample.millis);
            number(reply, max_millis);
        }
    });
}

/// Commands (and the subcommands of containers) that were called, with their histograms.
fn histogram(node: &mut Node, id: ClientId, names: &Args<'_>) {
    let mut calls: Vec<Call> = if names.is_empty() {
        table::all().map(|command| Call { command, subcommand: None }).collect()
    } else {
        names.iter().filter_map(|name| Call::named(name)).collect()
    };
    calls = calls.into_iter().flat_map(with_subcommands).collect();
    let of = |call: &Call| Some(node.stats.of(call)?.durations.clone());
    let found: Vec<(String, Histogram)> = calls
        .iter()
        .filter_map(|call| Some((call.full_name(), of(call)?)))
        .filter(|(_, histogram)| histogram.calls() > 0)
        .collect();
    node.reply(id, |reply| {
        reply.array_header(2 * found.len());
        for (name, histogram) in &found {
            let steps = histogram.cumulative();
            reply.bulk(name);
            reply.array_header(4);
            reply.bulk("calls");
            number(reply, histogram.calls());
            reply.bulk("histogram_usec");
            reply.array_header(2 * steps.len());
            for (micros, count) in steps {
                number(reply, micros);
                number(reply, count);
            }
        }
    });
}

fn with_subcommands(call: Call) -> Vec<Call> {
    let within = match call.subcommand {
        Some(_) => &[],
        None => call.command.subcommands,
    };
    let inside = |row| Call { command: call.command, subcommand: Some(row) };
    std::iter::once(call).chain(within.iter().map(inside)).collect()
}

/// Time that has passed, in the largest unit of which there is one.
fn ago(now: Now, unix_seconds: u64) -> String {
    let seconds = (now.unix_ms / 1000).saturating_sub(unix_seconds);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Height of a graph, lines.
const GRAPH_LINES: u64 = 8;

fn graph(node: &mut Node, now: Now, id: ClientId, event: &[u8]) -> Outcome {
    let Some(series) = node.timing.events.get(event) else {
        return error(format!("No samples available for event '{}'", printable(event)));
    };
    let times = || series.samples.iter().map(|sample| sample.millis);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text = format!(
        "{} - high {high} ms, low {low} ms (all time high {} ms)\n",
        printable(event),
        series.max_millis
    );
    for line in (1..=GRAPH_LINES).rev() {
        // A column is as high as its share of the highest one, and at least one line.
        let reaches = |millis: u64| millis * GRAPH_LINES >= line * high.max(1) || line == 1;
        text.extend(times().map(|millis| if reaches(millis) { '#' } else { ' ' }));
        text.push('\n');
    }
    if let (Some(first), Some(last)) = (series.samples.front(), series.samples.back()) {
        let (first, last) = (ago(now, first.unix_seconds), ago(now, last.unix_seconds));
        text.push_str(&format!("from {first} to {last} ago\n"));
    }
    node.reply(id, |reply| reply.bulk(text));
    Ok(())
}

fn doctor(node: &mut Node, now: Now, id: ClientId) {
    let threshold = node.config.latency_monitor_threshold;
    let mut text = String::new();
    if threshold.is_zero() {
        text.push_str(
            "Latency is not watched. CONFIG SET latency-monitor-threshold <milliseconds> begins it.\n",
        );
    }
    for (event, series) in node.timing.events.iter() {
        let count = series.samples.len() as u64;
        let sum: u64 = series.samples.iter().map(|sample| sample.millis).sum();
        let last = series.samples.back().map_or(0, |sample| sample.unix_seconds);
        text.push_str(&format!(
            "{event}: {count} seconds with an event of {} ms or more, {} ms on average, {} ms at most, \
             the last one {} ago.\n",
            threshold.as_millis(),
            sum / count.max(1),
            series.max_millis,
            ago(now, last),
        ));
    }
    let slow = |event: &str| node.timing.events.get(event.as_bytes()).is_some();
    if slow("command") || slow("fast-command") {
        text.push_str("SLOWLOG GET shows which commands took long.\n");
    }
    if slow("expire-cycle") {
        text.push_str("Many keys, or large ones, expire at the same time.\n");
    }
    if text.is_empty() {
        text.push_str("Nothing took longer than latency-monitor-threshold.\n");
    }
    node.reply(id, |reply| reply.bulk(text));
}
