//! One step in the place of two, or a setting in the place of a step.
//!
//! Cuts alone end where each step is needed. But two orders to two nodes may be one order to both,
//! an order of the operator may be configuration from the start, a node that dies early and comes
//! back empty may start late, and commands that only write may be a workload. Must never: make
//! a candidate with more steps.

use toml::{Table, Value};

use super::table;

/// Most pairs of steps that are tried.
const MAX_PAIRS: usize = 200;

/// All candidates with fewer steps.
pub(super) fn candidates(t: &Table) -> Vec<Table> {
    let mut list = as_it_began(t);
    list.extend(from_the_start(t));
    list.extend(as_workload(t));
    list.extend(late_starts(t));
    list.extend(pairs(t));
    list
}

/// Words of the command that a step sends, and to which node.
fn command(step: &Value) -> Option<(String, Vec<String>)> {
    let (_, command) = table::long_form(step).filter(|(key, _)| key == "command")?;
    let node = command.get("node")?.as_str()?.to_owned();
    let words = match command.get("send")? {
        Value::String(line) => line.split_whitespace().map(str::to_owned).collect(),
        words => words.as_array()?.iter().filter_map(|w| w.as_str().map(str::to_owned)).collect(),
    };
    Some((node, words))
}

fn config_of<'t>(t: &'t mut Table, node: &str) -> Option<&'t mut Table> {
    let nodes = t.get_mut("nodes")?.as_table_mut()?;
    let node = nodes.get_mut(node)?.as_table_mut()?;
    node.entry("config").or_insert_with(|| Value::Table(Table::new())).as_table_mut()
}

/// With the first orders about whom to follow, as many as can be, as what holds from the start.
fn as_it_began(t: &Table) -> Vec<Table> {
    let all = table::steps(t);
    let mut orders: Vec<usize> =
        (0..all.len()).filter(|index| table::order(&all[*index]).is_some()).collect();
    orders.sort_by_key(|index| table::at_us(&all[*index]));
    let begun = (2..=orders.len()).rev().filter_map(|count| {
        let mut cut = table::without_steps(t, |index| orders[..count].contains(&index));
        let nodes = cut.get_mut("nodes")?.as_table_mut()?;
        for (node, master) in orders[..count].iter().filter_map(|index| table::order(&all[*index]))
        {
            let node = nodes.get_mut(&node)?.as_table_mut()?;
            match master {
                Some(master) => node.insert("replicaof".to_owned(), master.into()),
                None => node.remove("replicaof"),
            };
        }
        Some(cut)
    });
    begun.collect()
}

/// With a `CONFIG SET` as configuration, or save points in the place of a save.
fn from_the_start(t: &Table) -> Vec<Table> {
    let hoisted = table::steps(t).iter().enumerate().filter_map(|(index, step)| {
        let (node, words) = command(step)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (name, value) = match words.as_slice() {
            ["CONFIG", "SET", name, value] => (*name, *value),
            ["BGSAVE" | "SAVE"] => ("save", "1 1"),
            _ => return None,
        };
        let mut cut = table::without_steps(t, |i| i == index);
        config_of(&mut cut, &node)?.insert(name.to_owned(), value.into());
        Some(cut)
    });
    hoisted.collect()
}

/// With a workload in the place of commands that have no other use than to write.
fn as_workload(t: &Table) -> Option<Table> {
    const WRITES: [&str; 5] = ["SET", "SETRANGE", "INCR", "APPEND", "RPUSH"];
    let is_write = |step: &Value| {
        command(step).is_some_and(|(_, words)| {
            words.first().is_some_and(|name| WRITES.contains(&name.to_uppercase().as_str()))
        })
    };
    let all = table::steps(t);
    if table::workload_count(t) > 0 || !all.iter().any(is_write) {
        return None;
    }
    let mut cut = table::without_steps(t, |index| all.get(index).is_some_and(is_write));
    cut.insert("workload".to_owned(), Value::Table(Table::new()));
    Some(cut)
}

/// With a node that starts when it would have come back.
fn late_starts(t: &Table) -> Vec<Table> {
    let all = table::steps(t);
    let late = all.iter().enumerate().filter_map(|(index, step)| {
        let (_, down) = table::long_form(step).filter(|(key, _)| key == "kill")?;
        let name = down.get("node")?.as_str()?.to_owned();
        let back = table::at_us(step)? + table::time_us(down.get("for")?)?;
        let is_removal = |step: &Value| {
            table::long_form(step).is_some_and(|(key, of)| {
                key == "remove-rdb" && of.get("node").and_then(Value::as_str) == Some(&name)
            })
        };
        let gone = |i: usize| i == index || all.get(i).is_some_and(is_removal);
        let mut cut = table::without_steps(t, gone);
        let node = cut.get_mut("nodes")?.as_table_mut()?.get_mut(&name)?.as_table_mut()?;
        node.insert("starts".to_owned(), table::time(back));
        Some(cut)
    });
    late.collect()
}

/// With two steps as one, at the time of the first or of the second.
fn pairs(t: &Table) -> Vec<Table> {
    let all = table::steps(t);
    let mut list = Vec::new();
    for (index, first) in all.iter().enumerate() {
        for (other, second) in all.iter().enumerate().skip(index + 1) {
            let Some((key, both)) = joined(first, second) else { continue };
            for at in [first.get("at"), second.get("at")].into_iter().flatten() {
                let mut step = Table::new();
                step.insert("at".to_owned(), at.clone());
                step.insert(key.clone(), Value::Table(both.clone()));
                let one = table::with_step(t, index, Value::Table(step));
                list.push(table::without_steps(&one, |i| i == other));
            }
            if list.len() >= MAX_PAIRS * 2 {
                return list;
            }
        }
    }
    list
}

/// The action that does to all of their nodes what two steps do to some of them.
fn joined(first: &Value, second: &Value) -> Option<(String, Table)> {
    if let (Some((a, one)), Some((b, two))) = (table::order(first), table::order(second)) {
        let mut both = Table::new();
        both.insert("node".to_owned(), names(&[a, b]));
        both.insert("master".to_owned(), one.as_deref().unwrap_or("no one").into());
        return (one == two).then(|| ("replicaof".to_owned(), both));
    }
    let ((key, mut one), (other, mut two)) = (table::long_form(first)?, table::long_form(second)?);
    if key != other || key == "command" || key == "check" {
        return None;
    }
    if let (Some(a), Some(b)) = (one.remove("node"), two.remove("node")) {
        one.insert("node".to_owned(), names(&[flat(&a), flat(&b)].concat()));
        return Some((key, one));
    }
    let (a, b) = (one.remove("between")?, two.remove("between")?);
    let (a, b) = (a.as_array()?, b.as_array()?);
    // Links that have one end in common, whichever side it is named on.
    for (same, far) in [(0, 1), (1, 0)] {
        for (also, beyond) in [(0, 1), (1, 0)] {
            if flat(a.get(same)?) == flat(b.get(also)?) {
                let ends = [flat(a.get(far)?), flat(b.get(beyond)?)].concat();
                let between = vec![a.get(same)?.clone(), names(&ends)];
                one.insert("between".to_owned(), Value::Array(between));
                return Some((key, one));
            }
        }
    }
    None
}

/// Names, one or a list of them.
fn flat(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(many) => many.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// A list without repetitions, or a name alone.
fn names(all: &[String]) -> Value {
    let mut different: Vec<&String> = Vec::new();
    for name in all {
        if !different.contains(&name) {
            different.push(name);
        }
    }
    match different.as_slice() {
        [one] => Value::from(one.as_str()),
        many => Value::Array(many.iter().map(|name| Value::from(name.as_str())).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    fn made(before: &str, after: &str) -> bool {
        let wanted = table(after);
        candidates(&table(before)).contains(&wanted)
    }

    #[test]
    fn two_orders_to_two_nodes_are_one() {
        assert!(made(
            "[[step]]\nat = '1s'\ncommand = { node = 'b', send = ['REPLICAOF', 'a', '6379'] }\n\
             [[step]]\nat = '2s'\nreplicaof = { node = 'c', master = 'a' }\n",
            "[[step]]\nat = '2s'\nreplicaof = { node = ['b', 'c'], master = 'a' }\n",
        ));
        assert!(made(
            "[[step]]\nat = '1s'\nkill = 'b'\n[[step]]\nat = '2s'\nkill = ['b', 'c']\n",
            "[[step]]\nat = '1s'\nkill = { node = ['b', 'c'] }\n",
        ));
        assert!(made(
            "[[step]]\nat = '1s'\npartition = { between = ['a', 'b'], kind = 'reset' }\n\
             [[step]]\nat = '2s'\npartition = { between = ['c', 'a'], kind = 'stall' }\n",
            "[[step]]\nat = '1s'\npartition = { between = ['a', ['b', 'c']], kind = 'reset' }\n",
        ));
        let different = "[[step]]\nat = '1s'\nkill = 'b'\n[[step]]\nat = '2s'\nrestart = 'b'\n";
        assert!(candidates(&table(different)).is_empty());
    }

    #[test]
    fn the_first_orders_hold_from_the_start() {
        let order = |at: u32, node: &str, master: &str| {
            format!(
                "[[step]]\nat = '{at}s'\nreplicaof = {{ node = '{node}', master = '{master}' }}\n"
            )
        };
        let last = order(3, "a", "no one");
        let before = [order(2, "a", "b"), order(1, "b", "no one"), last.clone()].concat();
        assert!(made(
            &format!("[nodes.a]\n[nodes.b]\nreplicaof = 'a'\n{before}"),
            &format!("[nodes.a]\nreplicaof = 'b'\n[nodes.b]\n{last}"),
        ));
    }

    #[test]
    fn a_setting_takes_the_place_of_a_step() {
        assert!(made(
            "[nodes.a]\n[[step]]\nat = '1s'\n\
             command = { node = 'a', send = 'CONFIG SET repl-timeout 3' }\n",
            "[nodes.a]\nconfig = { repl-timeout = '3' }\n",
        ));
        assert!(made(
            "[nodes.a]\n[[step]]\nat = '1s'\nkill = { node = 'a', for = '2s' }\n\
             [[step]]\nat = '1s'\nremove-rdb = 'a'\n",
            "[nodes.a]\nstarts = '3s'\n",
        ));
        assert!(made(
            "[nodes.a]\n[[step]]\nat = '1s'\ncommand = { node = 'a', send = ['SET', 'k', '1'] }\n",
            "[nodes.a]\n[workload]\n",
        ));
    }
}
