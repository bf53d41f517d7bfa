//! Which candidates there are, and in which order: the biggest cuts first.

use std::ops::Range;
use std::time::Duration;

use toml::{Table, Value};

use super::oracle::Oracle;
use super::{extent, merging, rounding, table};
use crate::scenario::table_text;

/// Most rounds of all passes; each round but the last cuts something.
const MAX_ROUNDS: usize = 20;
/// Other seeds that are tried when nothing more can be cut with the seed it has.
const SEEDS: Range<i64> = 1..9;
/// Steps that are few enough for other seeds to be tried.
const FEW_STEPS: usize = 14;
/// Settings that are few enough for it.
const FEW_SETTINGS: usize = 8;
/// Directives that make sense together only.
const AUTH: [&str; 3] = ["requirepass", "masterauth", "masteruser"];

/// The smallest scenario so far, and when it fails.
struct Best {
    table: Table,
    at: Duration,
}

/// Does all passes until none cuts anything any more.
pub(super) fn all(start: Table, oracle: &mut Oracle<'_>) -> Table {
    let mut best = Best { table: start, at: Duration::MAX };
    for _ in 0..MAX_ROUNDS {
        let before = table_text(&best.table);
        cuts(&mut best, oracle);
        if !oracle.stopped && !reseed(&mut best, oracle) && table_text(&best.table) == before {
            break;
        }
        if oracle.stopped {
            return best.table;
        }
    }
    rounding::all(&mut |candidates| {
        try_all(&mut best, oracle, "round numbers", candidates);
    });
    cuts(&mut best, oracle);
    best.table
}

/// One round of cuts.
fn cuts(best: &mut Best, oracle: &mut Oracle<'_>) {
    until_none(best, oracle, "time", |best| after_the_violation(&best.table, best.at));
    try_all(best, oracle, "ends of faults", &|table| {
        let joined = table::with_ends_joined(table);
        vec![table::without_ends(&joined), joined]
    });
    chunks(
        best,
        oracle,
        "nodes",
        |t| table::node_names(t).len(),
        |t, gone| {
            let names = table::node_names(t);
            let gone = names.get(gone).filter(|gone| gone.len() < names.len())?;
            gone.iter().try_fold(t.clone(), |t, name| table::without_node(&t, name))
        },
    );
    chunks(best, oracle, "workloads", table::workload_count, |t, gone| {
        Some(table::without_workloads(t, |i| gone.contains(&i)))
    });
    chunks(
        best,
        oracle,
        "steps",
        |t| table::steps(t).len(),
        |t, gone| Some(table::without_steps(t, |i| gone.contains(&i))),
    );
    until_none(best, oracle, "orders", |best| orders_from_the_start(&best.table));
    until_none(best, oracle, "two as one", |best| merging::candidates(&best.table));
    chunks(
        best,
        oracle,
        "directives",
        |t| directives(t).len(),
        |t, gone| Some(without_directives(t, directives(t).get(gone)?)),
    );
    chunks(
        best,
        oracle,
        "settings",
        |t| settings(t).len(),
        |t, gone| {
            let all = settings(t);
            Some(all.get(gone)?.iter().rev().fold(t.clone(), |t, path| without_path(&t, path)))
        },
    );
    until_none(best, oracle, "commands", |best| fewer_commands(&best.table));
    until_none(best, oracle, "fields of steps", |best| simpler_steps(&best.table));
    until_none(best, oracle, "beginning", |best| sooner(&best.table));
}

fn take(best: &mut Best, oracle: &mut Oracle<'_>, pass: &str, list: Vec<Table>) -> Option<usize> {
    let list: Vec<Table> = list.into_iter().filter(|table| *table != best.table).collect();
    let taken = oracle.first(pass, extent(&best.table), list)?;
    let changed = taken.table != best.table;
    (best.table, best.at) = (taken.table, taken.at);
    changed.then_some(taken.index)
}

/// The first of some candidates that fails in the same way.
fn try_all(
    best: &mut Best,
    oracle: &mut Oracle<'_>,
    pass: &str,
    candidates: &dyn Fn(&Table) -> Vec<Table>,
) -> bool {
    let list = candidates(&best.table);
    take(best, oracle, pass, list).is_some()
}

/// Candidates of the best so far, again and again until none of them is taken.
fn until_none(
    best: &mut Best,
    oracle: &mut Oracle<'_>,
    pass: &str,
    candidates: impl Fn(&Best) -> Vec<Table>,
) {
    for _ in 0..100 {
        let list = candidates(best);
        if take(best, oracle, pass, list).is_none() {
            return;
        }
    }
}

/// Delta debugging of a list: all of it, halves, quarters, down to single items.
fn chunks(
    best: &mut Best,
    oracle: &mut Oracle<'_>,
    pass: &str,
    count: impl Fn(&Table) -> usize,
    without: impl Fn(&Table, Range<usize>) -> Option<Table>,
) {
    let mut size = count(&best.table);
    while size > 0 {
        let mut from = 0;
        loop {
            let n = count(&best.table);
            let (mut starts, mut list) = (Vec::new(), Vec::new());
            for start in (from..n).step_by(size) {
                if let Some(cut) = without(&best.table, start..(start + size).min(n)) {
                    starts.push(start);
                    list.push(cut);
                }
            }
            let Some(taken) = oracle.first(pass, extent(&best.table), list) else { break };
            (best.table, best.at) = (taken.table, taken.at);
            let cut = count(&best.table) < n;
            from = starts[taken.index] + if cut { 0 } else { size };
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

/// Without what lies after the violation.
fn after_the_violation(t: &Table, at: Duration) -> Vec<Table> {
    let Ok(at) = u64::try_from(at.as_micros()) else { return Vec::new() };
    let later = |i: usize| table::steps(t).get(i).and_then(table::at_us).is_some_and(|us| us > at);
    let cut = table::without_steps(t, later);
    let mut list = vec![cut.clone()];
    let run = |t: &Table| t.get("run").and_then(|run| run.get("duration")).and_then(table::time_us);
    let second = 1_000_000;
    let last = table::steps(&cut).iter().filter_map(table::at_us).max().unwrap_or(0);
    let Some(now) = run(t) else { return list };
    // What is violated after the end, while the cluster is to converge, has the last step only.
    let ends = if at < now { vec![at] } else { vec![last + second, last + 10 * second] };
    for us in ends.into_iter().map(|us| us.max(last).div_ceil(second) * second) {
        if us > 0 && us < now {
            list.insert(0, ending_at(&cut, us));
        }
    }
    list
}

fn ending_at(t: &Table, us: u64) -> Table {
    let mut t = t.clone();
    if let Some(run) = t.get_mut("run").and_then(Value::as_table_mut) {
        run.insert("duration".to_owned(), table::time(us));
    }
    for workload in table::workloads_mut(&mut t) {
        if workload.get("stop").and_then(table::time_us).is_some_and(|stop| stop > us) {
            workload.insert("stop".to_owned(), table::time(us));
        }
    }
    t
}

/// With one order or `CONFIG SET` given from the start, by configuration.
fn orders_from_the_start(t: &Table) -> Vec<Table> {
    let hoisted = table::steps(t).iter().enumerate().filter_map(|(index, step)| {
        let mut cut = table::without_steps(t, |i| i == index);
        let nodes = cut.get_mut("nodes")?.as_table_mut()?;
        if let Some((name, master)) = table::order(step) {
            let node = nodes.get_mut(&name)?.as_table_mut()?;
            match master {
                Some(master) => node.insert("replicaof".to_owned(), master.into()),
                None => node.remove("replicaof"),
            };
            return Some(cut);
        }
        let (key, set) = table::long_form(step).filter(|(key, _)| key == "config-set")?;
        debug_assert_eq!(key, "config-set");
        let node = nodes.get_mut(set.get("node")?.as_str()?)?.as_table_mut()?;
        let config = node.entry("config").or_insert_with(|| Value::Table(Table::new()));
        for (name, value) in set.get("config")?.as_table()? {
            config.as_table_mut()?.insert(name.clone(), value.clone());
        }
        Some(cut)
    });
    hoisted.collect()
}

/// Names of the directives of all nodes; those of passwords are one.
fn directives(t: &Table) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let nodes = t.get("nodes").and_then(Value::as_table);
    let configs = nodes.into_iter().flat_map(|nodes| nodes.values());
    for config in configs.filter_map(|node| node.get("config")?.as_table()) {
        for name in config.keys() {
            let name = if AUTH.contains(&name.as_str()) { AUTH[0] } else { name };
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn without_directives(t: &Table, gone: &[String]) -> Table {
    let auth = gone.iter().any(|name| name == AUTH[0]);
    let goes = |name: &str| gone.iter().any(|g| g == name) || (auth && AUTH.contains(&name));
    let mut t = t.clone();
    if let Some(nodes) = t.get_mut("nodes").and_then(Value::as_table_mut) {
        for (_, node) in nodes.iter_mut() {
            if let Some(node) = node.as_table_mut() {
                let config = node.get_mut("config").and_then(Value::as_table_mut);
                let empty = config.is_some_and(|config| {
                    config.retain(|name, _| !goes(name));
                    config.is_empty()
                });
                if empty {
                    node.remove("config");
                }
            }
        }
    }
    t
}

/// A place in a table: keys, and indices of arrays.
type Path = Vec<String>;

/// Everything that has a default: fields of the network, workloads and run, single directives.
fn settings(t: &Table) -> Vec<Path> {
    let mut all: Vec<Path> = Vec::new();
    let mut fields = |base: &[&str], value: Option<&Value>, keep: &[&str]| {
        let keys = value.and_then(Value::as_table).into_iter().flat_map(|table| table.keys());
        for key in keys.filter(|key| !keep.contains(&key.as_str())) {
            all.push(base.iter().map(|part| (*part).to_owned()).chain([key.clone()]).collect());
        }
    };
    fields(&["network"], t.get("network"), &[]);
    match t.get("workload") {
        Some(Value::Array(many)) => {
            for (index, one) in many.iter().enumerate() {
                fields(&["workload", &index.to_string()], Some(one), &[]);
            }
        }
        one => fields(&["workload"], one, &[]),
    }
    fields(&["run"], t.get("run"), &["seeds", "duration"]);
    fields(&["expect"], t.get("expect"), &[]);
    let expected = t.get("expect").and_then(Value::as_table);
    for (key, of_nodes) in expected.into_iter().flatten() {
        several(&mut fields, &["expect", key], of_nodes);
        for (node, infos) in of_nodes.as_table().into_iter().flatten() {
            several(&mut fields, &["expect", key, node], infos);
        }
    }
    let nodes = t.get("nodes").and_then(Value::as_table);
    for (name, node) in nodes.into_iter().flatten() {
        fields(&["nodes", name, "config"], node.get("config"), &AUTH);
        fields(&["nodes", name], Some(node), &["config", "replicaof"]);
    }
    all
}

/// The entries of a table that has more than one: a single one goes with its table.
fn several(
    fields: &mut impl FnMut(&[&str], Option<&Value>, &[&str]),
    base: &[&str],
    value: &Value,
) {
    if value.as_table().is_some_and(|table| table.len() > 1) {
        fields(base, Some(value), &[]);
    }
}

fn without_path(t: &Table, path: &[String]) -> Table {
    let mut t = t.clone();
    if let Some((last, above)) = path.split_last() {
        let mut at = above.first().and_then(|first| t.get_mut(first));
        for part in above.iter().skip(1) {
            at = at.and_then(|value| match value {
                Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
                value => value.get_mut(part),
            });
        }
        if let Some(Value::Table(table)) = at {
            table.remove(last);
        }
    }
    t
}

/// With fewer families of commands in a workload: one alone, or all but one.
fn fewer_commands(t: &Table) -> Vec<Table> {
    let mut t = t.clone();
    let count = table::workload_count(&t);
    let mut list = Vec::new();
    for index in 0..count {
        let mut families = Vec::new();
        if let Some(workload) = table::workloads_mut(&mut t).into_iter().nth(index) {
            let all = workload.get("commands").and_then(Value::as_array);
            families.extend(all.into_iter().flatten().cloned());
        }
        if families.len() < 2 {
            continue;
        }
        let alone = families.iter().map(|family| vec![family.clone()]);
        let without = (0..families.len()).map(|gone| {
            let kept = families.iter().enumerate().filter(|(index, _)| *index != gone);
            kept.map(|(_, family)| family.clone()).collect()
        });
        for families in alone.chain(without) {
            let mut t = t.clone();
            if let Some(workload) = table::workloads_mut(&mut t).into_iter().nth(index) {
                workload.insert("commands".to_owned(), Value::Array(families));
            }
            list.push(t);
        }
    }
    list
}

/// With one step simpler: fewer fields, fewer names.
fn simpler_steps(t: &Table) -> Vec<Table> {
    /// What may be left out; the rest is needed, or its default is no simpler.
    const OPTIONAL: [&str; 9] =
        ["torn", "save", "read", "free", "latency", "bandwidth", "segment", "timeout", "force"];
    /// What is expected of a command: it may break something without it.
    const EXPECTED: [&str; 2] = ["expect", "expect-error"];
    /// Faults after which it does not matter for convergence that they never end.
    const MAY_LAST: [&str; 5] = ["kill", "power-cut", "shutdown", "pause", "partition"];
    let mut list = Vec::new();
    for (index, step) in table::steps(t).iter().enumerate() {
        let Some((key, action)) = table::long_form(step) else { continue };
        if let Some((node, master)) = table::order(step).filter(|_| key == "command") {
            list.push(table::with_step(t, index, table::replicaof(step, &node, master.as_deref())));
        }
        let mut with = |changed: Table| {
            let mut step = step.clone();
            if let Some(step) = step.as_table_mut() {
                step.insert(key.clone(), Value::Table(changed));
                list.push(table::with_step(t, index, Value::Table(step.clone())));
            }
        };
        let may_last = MAY_LAST.contains(&key.as_str()).then_some(&"for");
        for field in OPTIONAL.iter().chain(&EXPECTED).chain(may_last) {
            if action.contains_key(*field) {
                let mut less = action.clone();
                less.remove(*field);
                with(less);
            }
        }
        let infos = action.get("info").and_then(Value::as_table);
        for name in infos.filter(|infos| infos.len() > 1).into_iter().flat_map(Table::keys) {
            let mut less = action.clone();
            if let Some(infos) = less.get_mut("info").and_then(Value::as_table_mut) {
                infos.remove(name);
            }
            with(less);
        }
        if let Some(line) = action.get("send").and_then(table::line) {
            let mut shorter = action.clone();
            shorter.insert("send".to_owned(), line);
            with(shorter);
        }
        for side in ["node", "from", "to"] {
            let names = action.get(side).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for name in names.iter().filter(|_| names.len() > 1) {
                let mut less = action.clone();
                less.insert(side.to_owned(), name.clone());
                with(less);
            }
        }
        for (place, side) in
            action.get("between").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            let names = side.as_array().map_or(&[][..], Vec::as_slice);
            for name in names.iter().filter(|_| names.len() > 1) {
                let mut less = action.clone();
                if let Some(sides) = less.get_mut("between").and_then(Value::as_array_mut) {
                    sides[place] = name.clone();
                }
                with(less);
            }
        }
    }
    list
}

/// With everything sooner, so that the first step comes after a few seconds.
fn sooner(t: &Table) -> Vec<Table> {
    let first = table::steps(t).iter().filter_map(table::at_us).min();
    let list = [1_000_000, 3_000_000, 5_000_000].into_iter().filter_map(|target: u64| {
        let by = first?.checked_sub(target).filter(|by| *by >= 1_000_000)?;
        let mut t = t.clone();
        let earlier = |value: &mut Value| {
            if let Some(us) = table::time_us(value) {
                *value = table::time(us.saturating_sub(by));
            }
        };
        for step in t.get_mut("step")?.as_array_mut()? {
            step.get_mut("at").map(earlier);
        }
        t.get_mut("run")?.get_mut("duration").map(earlier);
        for workload in table::workloads_mut(&mut t) {
            workload.get_mut("stop").map(earlier);
        }
        Some(t)
    });
    list.collect()
}

/// Less, with another seed. Whether it found something.
fn reseed(best: &mut Best, oracle: &mut Oracle<'_>) -> bool {
    let steps = table::steps(&best.table).len();
    if steps > FEW_STEPS {
        return false;
    }
    let t = &best.table;
    let mut less: Vec<Table> = Vec::new();
    if steps > 2 {
        less.extend(
            (0..steps).step_by(2).map(|s| table::without_steps(t, |i| i == s || i == s + 1)),
        );
    }
    less.extend((0..steps).map(|s| table::without_steps(t, |i| i == s)));
    let names = table::node_names(t);
    less.extend(
        names.iter().filter(|_| names.len() > 1).filter_map(|name| table::without_node(t, name)),
    );
    let names = directives(t);
    less.extend(names.iter().map(|name| without_directives(t, std::slice::from_ref(name))));
    let fields = settings(t);
    if fields.len() <= FEW_SETTINGS {
        less.extend(fields.iter().map(|path| without_path(t, path)));
    }
    let seeds = SEEDS.flat_map(|seed| {
        less.iter().filter_map(move |t| {
            let mut t = t.clone();
            let run = t.get_mut("run")?.as_table_mut()?;
            run.insert("seeds".to_owned(), Value::Array(vec![seed.into()]));
            Some(t)
        })
    });
    let list = seeds.collect();
    take(best, oracle, "other seeds", list).is_some()
}
