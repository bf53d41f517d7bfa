//! Cuts, on the TOML table of a scenario.
//!
//! A cut need not leave a valid scenario: what is none is not run. Must never: know what a
//! directive or a workload means; a scenario is a table here, with nodes and steps.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::scenario::{Range, Time};

/// Actions that last, and the one that ends each.
const ENDS: [(&str, &str); 10] = [
    ("partition", "heal"),
    ("slow", "full-speed"),
    ("kill", "start"),
    ("power-cut", "start"),
    ("shutdown", "start"),
    ("pause", "resume"),
    ("lag", "catch-up"),
    ("slow-disk", "disk-ok"),
    ("full-disk", "disk-ok"),
    ("disk-error", "disk-ok"),
];

/// Its steps.
pub(super) fn steps(table: &Table) -> &[Value] {
    table.get("step").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn steps_mut(table: &mut Table) -> Option<&mut Vec<Value>> {
    table.get_mut("step").and_then(Value::as_array_mut)
}

/// Names of its nodes.
pub(super) fn node_names(table: &Table) -> Vec<String> {
    let nodes = table.get("nodes").and_then(Value::as_table);
    nodes.map_or_else(Vec::new, |nodes| nodes.keys().cloned().collect())
}

/// The action of a step: its key and its value.
pub(super) fn action(step: &Value) -> Option<(&String, &Value)> {
    step.as_table()?.iter().find(|(key, _)| *key != "at")
}

/// When a step happens, in microseconds.
pub(super) fn at_us(step: &Value) -> Option<u64> {
    time_us(step.as_table()?.get("at")?)
}

/// A fixed time in microseconds.
pub(super) fn time_us(value: &Value) -> Option<u64> {
    use crate::scenario::Unit as _;
    let range: Range<Time> = Range::parse(value.as_str()?).ok()?;
    (range.low == range.high).then(|| range.low.to_u64())
}

/// The time as it is written.
pub(super) fn time(us: u64) -> Value {
    use crate::scenario::Unit as _;
    Time::from_u64(us).write()
}

/// Without some of the steps.
pub(super) fn without_steps(table: &Table, gone: impl Fn(usize) -> bool) -> Table {
    let mut table = table.clone();
    if let Some(steps) = steps_mut(&mut table) {
        let mut index = 0;
        steps.retain(|_| {
            index += 1;
            !gone(index - 1)
        });
        if steps.is_empty() {
            table.remove("step");
        }
    }
    table
}

/// With another value of one step.
pub(super) fn with_step(table: &Table, index: usize, step: Value) -> Table {
    let mut table = table.clone();
    if let Some(place) = steps_mut(&mut table).and_then(|steps| steps.get_mut(index)) {
        *place = step;
    }
    table
}

/// Without a node: its replicas follow its own master, and nothing names it any more.
pub(super) fn without_node(table: &Table, name: &str) -> Option<Table> {
    let mut table = table.clone();
    let nodes = table.get_mut("nodes")?.as_table_mut()?;
    let gone = nodes.remove(name)?;
    let above = gone.get("replicaof").cloned();
    for (_, node) in nodes.iter_mut() {
        let node = node.as_table_mut()?;
        if node.get("replicaof").and_then(Value::as_str) == Some(name) {
            match &above {
                Some(above) => node.insert("replicaof".to_owned(), above.clone()),
                None => node.remove("replicaof"),
            };
        }
    }
    Some(without_name(table, name))
}

/// Without what names a host that is gone.
pub(super) fn without_name(mut table: Table, name: &str) -> Table {
    if let Some(steps) = steps_mut(&mut table) {
        steps.retain_mut(|step| {
            let Some(step) = step.as_table_mut() else { return true };
            let key = step.keys().find(|key| *key != "at").cloned();
            key.and_then(|key| step.get_mut(&key)).is_none_or(|action| strike(action, name))
        });
        if steps.is_empty() {
            table.remove("step");
        }
    }
    if let Some(expect) = table.get_mut("expect").and_then(Value::as_table_mut) {
        for (_, fields) in expect.iter_mut() {
            if let Some(fields) = fields.as_table_mut() {
                fields.remove(name);
            }
        }
    }
    for workload in workloads_mut(&mut table) {
        for key in ["to", "read-from"] {
            if workload.get_mut(key).is_some_and(|value| !strike(value, name)) {
                workload.remove(key);
            }
        }
    }
    table
}

/// Takes a name out of a value; whether anything is left to speak of.
fn strike(value: &mut Value, name: &str) -> bool {
    match value {
        Value::String(text) => text != name,
        Value::Array(items) => {
            items.retain_mut(|item| strike(item, name));
            !items.is_empty()
        }
        Value::Table(table) => {
            // A command without one of its words is another command.
            let words = table.get("send").and_then(Value::as_array);
            if words.is_some_and(|words| words.iter().any(|word| word.as_str() == Some(name))) {
                return false;
            }
            let sides = ["node", "between", "from", "to", "master"];
            sides.iter().all(|key| {
                let Some(side) = table.get_mut(*key) else { return true };
                let count = |side: &Value| side.as_array().map(Vec::len);
                let before = count(side);
                // Of the two sides of a link each is needed.
                strike(side, name) && (*key != "between" || count(side) == before)
            })
        }
        _ => true,
    }
}

/// Its workloads.
pub(super) fn workloads_mut(table: &mut Table) -> Vec<&mut Table> {
    match table.get_mut("workload") {
        Some(Value::Table(one)) => vec![one],
        Some(Value::Array(many)) => many.iter_mut().filter_map(Value::as_table_mut).collect(),
        _ => Vec::new(),
    }
}

/// How many workloads it has.
pub(super) fn workload_count(table: &Table) -> usize {
    match table.get("workload") {
        Some(Value::Table(_)) => 1,
        Some(Value::Array(many)) => many.len(),
        _ => 0,
    }
}

/// Without some of the workloads.
pub(super) fn without_workloads(table: &Table, gone: impl Fn(usize) -> bool) -> Table {
    let mut table = table.clone();
    let kept: Vec<Value> = match table.remove("workload") {
        Some(Value::Array(many)) => many,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let kept: Vec<Value> =
        kept.into_iter().enumerate().filter(|(i, _)| !gone(*i)).map(|(_, w)| w).collect();
    if !kept.is_empty() {
        table.insert("workload".to_owned(), Value::Array(kept));
    }
    table
}

/// A step in its long form: an action that is only a name becomes a table with `node`.
pub(super) fn long_form(step: &Value) -> Option<(String, Table)> {
    let (key, value) = action(step)?;
    let table = match value {
        Value::Table(table) => table.clone(),
        names => {
            let mut table = Table::new();
            table.insert("node".to_owned(), names.clone());
            table
        }
    };
    Some((key.clone(), table))
}

/// What a step is about: its links or nodes.
fn whom(action: &Table) -> Vec<(&str, &Value)> {
    let keys = ["node", "between", "from", "to"];
    keys.iter().filter_map(|key| Some((*key, action.get(*key)?))).collect()
}

fn covers(ending: &Table, lasting: &Table) -> bool {
    let all = ending.get("node").and_then(Value::as_str) == Some("all");
    all || whom(ending) == whom(lasting)
}

/// Each fault that a later step ends gets a `for` instead: fault and end become one thing.
pub(super) fn with_ends_joined(table: &Table) -> Table {
    let all = steps(table);
    let mut joined = all.to_vec();
    for (index, step) in all.iter().enumerate() {
        let Some((key, mut lasting)) = long_form(step) else { continue };
        let Some((_, end)) = ENDS.iter().find(|(name, _)| *name == key) else { continue };
        let Some(begins) = at_us(step).filter(|_| !lasting.contains_key("for")) else { continue };
        let ends = all.iter().filter_map(|other| {
            let at = at_us(other).filter(|at| *at > begins)?;
            let (other, ending) = long_form(other)?;
            (other == *end && covers(&ending, &lasting)).then_some(at)
        });
        if let Some(at) = ends.min() {
            lasting.insert("for".to_owned(), time(at - begins));
            if let Some(step) = joined[index].as_table_mut() {
                step.insert(key, Value::Table(lasting));
            }
        }
    }
    let mut table = table.clone();
    if !joined.is_empty() {
        table.insert("step".to_owned(), Value::Array(joined));
    }
    table
}

/// Without the steps that end something.
pub(super) fn without_ends(table: &Table) -> Table {
    let all = steps(table);
    let is_end =
        |step: &Value| action(step).is_some_and(|(key, _)| ENDS.iter().any(|(_, end)| end == key));
    without_steps(table, |index| all.get(index).is_some_and(is_end))
}

/// Whom a step makes a node follow: (node, master); `None` is no one.
pub(super) fn order(step: &Value) -> Option<(String, Option<String>)> {
    let (key, value) = action(step)?;
    let value = value.as_table()?;
    let node = value.get("node")?.as_str()?.to_owned();
    let master = match key.as_str() {
        "replicaof" => value.get("master")?.as_str()?.to_owned(),
        "command" => {
            let words: Vec<&str> =
                value.get("send")?.as_array()?.iter().filter_map(Value::as_str).collect();
            match words.as_slice() {
                [name, rest @ ..] if name.eq_ignore_ascii_case("replicaof") => match rest {
                    ["NO", "ONE"] => "no one".to_owned(),
                    [host, _] => (*host).to_owned(),
                    _ => return None,
                },
                _ => return None,
            }
        }
        _ => return None,
    };
    Some((node, (master != "no one").then_some(master)))
}

/// The step as a `replicaof`.
pub(super) fn replicaof(step: &Value, node: &str, master: Option<&str>) -> Value {
    let mut order = Table::new();
    order.insert("node".to_owned(), node.into());
    order.insert("master".to_owned(), master.unwrap_or("no one").into());
    let mut table = Table::new();
    if let Some(at) = step.get("at") {
        table.insert("at".to_owned(), at.clone());
    }
    table.insert("replicaof".to_owned(), Value::Table(order));
    Value::Table(table)
}

/// The words of a command as a line, if they need no quotes.
pub(super) fn line(words: &Value) -> Option<Value> {
    let words: Vec<&str> = words.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let plain = |word: &&str| {
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'')
    };
    words.iter().all(plain).then(|| words.join(" ").into())
}

/// Whether in the end nodes follow each other in a circle, by the orders they got.
pub(super) fn follows_itself(table: &Table) -> bool {
    let mut follows: BTreeMap<String, Option<String>> = BTreeMap::new();
    if let Some(nodes) = table.get("nodes").and_then(Value::as_table) {
        for (name, node) in nodes {
            let master = node.get("replicaof").and_then(Value::as_str);
            follows.insert(name.clone(), master.map(str::to_owned));
        }
    }
    let mut sorted: Vec<&Value> = steps(table).iter().collect();
    sorted.sort_by_key(|step| at_us(step));
    for (node, master) in sorted.into_iter().filter_map(order) {
        follows.insert(node, master);
    }
    follows.keys().any(|name| {
        let mut at = name;
        for _ in 0..=follows.len() {
            match follows.get(at) {
                Some(Some(master)) => at = master,
                _ => return false,
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    #[test]
    fn a_node_that_is_gone_is_named_nowhere() {
        let before = table(
            "title = 'x'\n[nodes.a]\n[nodes.b]\nreplicaof = 'a'\n[nodes.c]\nreplicaof = 'b'\n\
             [workload]\nread-from = ['b', 'c']\n\
             [[step]]\nat = '1s'\nkill = 'b'\n\
             [[step]]\nat = '2s'\npartition = { between = [['a'], ['b', 'c']], kind = 'reset' }\n\
             [[step]]\nat = '3s'\npartition = { between = [['a'], ['b']], kind = 'reset' }\n\
             [[step]]\nat = '4s'\ncommand = { node = 'c', send = ['REPLICAOF', 'b', '6379'] }\n\
             [expect]\nfull-syncs = { b = 1, c = 2 }\n",
        );
        let after = without_node(&before, "b").expect("a cut");
        assert_eq!(node_names(&after), ["a", "c"]);
        let nodes = after.get("nodes").and_then(|n| n.get("c")).expect("c");
        assert_eq!(nodes.get("replicaof").and_then(Value::as_str), Some("a"));
        assert_eq!(steps(&after).len(), 1, "{after:?}");
        assert!(!format!("{after:?}").contains("\"b\""), "{after:?}");
    }

    #[test]
    fn a_fault_and_its_end_become_one_step() {
        let before = table(
            "[[step]]\nat = '1s'\nkill = 'b'\n[[step]]\nat = '3500ms'\nstart = 'b'\n\
             [[step]]\nat = '4s'\nlag = { node = 'a', read = 5 }\n\
             [[step]]\nat = '6s'\ncatch-up = 'b'\n",
        );
        let after = without_ends(&with_ends_joined(&before));
        let expected = table(
            "[[step]]\nat = '1s'\nkill = { node = 'b', for = '2s500ms' }\n\
             [[step]]\nat = '4s'\nlag = { node = 'a', read = 5 }\n",
        );
        assert_eq!(after, expected);
    }

    #[test]
    fn circles_are_seen() {
        let nodes = "[nodes.a]\n[nodes.b]\nreplicaof = 'a'\n[[step]]\nat = '2s'\n";
        let circle = "command = { node = 'a', send = ['REPLICAOF', 'b', '6379'] }\n";
        assert!(!follows_itself(&table(nodes)));
        assert!(follows_itself(&table(&format!("{nodes}{circle}"))));
        let apart = "[[step]]\nat = '1s'\nreplicaof = { node = 'b', master = 'no one' }\n";
        assert!(!follows_itself(&table(&format!("{nodes}{circle}{apart}"))));
    }
}
