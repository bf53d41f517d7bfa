//! What a scenario must mean to make sense: names that exist, times that run forwards, no
//! node that replicates from itself.
//!
//! Must never: change the scenario, or judge what only a run can tell.

use indexmap::IndexMap;

use super::diagnostic::{Diagnostic, closest};
use super::{
    Action, ConfigValue, Links, Names, Range, Scenario, Share, Spot, Step, Time, Unit, Workload,
    directives,
};

/// Names of the invariants that a scenario may expect to be violated.
pub const INVARIANTS: &[&str] = &[
    "prefix",
    "offset",
    "psync",
    "needless-full-sync",
    "ack",
    "model",
    "identity",
    "failover",
    "read-only",
    "stale",
    "expiry",
    "auth",
    "durability",
    "saves",
    "last-save",
    "rewrite",
    "leftovers",
    "pause",
    "shutdown",
    "signs",
    "links",
    "steady",
    "bounds",
    "convergence",
];

/// Most nodes in a scenario: the cost of a run grows with the square of the hosts.
pub const MAX_NODES: usize = 32;
/// Most clients in a scenario.
pub const MAX_CLIENTS: u64 = 64;
/// Most steps in a scenario.
pub const MAX_STEPS: usize = 10_000;
/// Largest value a workload writes, in bytes.
const MAX_VALUE: u64 = 16 << 20;
/// Most commands that a client of a workload gives at once.
const MAX_AT_ONCE: u64 = 10_000;

/// Every mistake of meaning.
pub fn validate(scenario: &Scenario) -> Vec<Diagnostic> {
    let mut check = Check { scenario, problems: Vec::new() };
    check.title();
    check.nodes();
    check.replication();
    check.directives(&scenario.config);
    for node in scenario.nodes.values() {
        check.directives(&node.config);
    }
    check.network();
    check.run();
    check.workloads();
    check.steps();
    check.expect();
    check.problems
}

struct Check<'a> {
    scenario: &'a Scenario,
    problems: Vec<Diagnostic>,
}

impl Check<'_> {
    fn error<T>(&mut self, at: &Spot<T>, message: impl Into<String>, label: impl Into<String>) {
        self.problems.push(Diagnostic::new(message, at.span(), label));
    }

    fn end(&self) -> Time {
        self.scenario.run.duration.as_deref().copied().unwrap_or(super::resolve::DEFAULT_DURATION)
    }

    fn title(&mut self) {
        let title = self.scenario.title.trim();
        if title.is_empty() || title.contains('\n') {
            let title = &self.scenario.title;
            let problem = Diagnostic::new("`title` is to be one line", title.span(), "not one");
            self.problems.push(problem.help("prose goes into `about`"));
        }
    }

    fn nodes(&mut self) {
        let nodes = &self.scenario.nodes;
        if nodes.is_empty() {
            let problem = Diagnostic::whole("there are no nodes");
            self.problems.push(problem.help("write one `[nodes.NAME]` for each node"));
        }
        if let Some((name, _)) = nodes.get_index(MAX_NODES) {
            self.error(
                name,
                format!("{} nodes are too many", nodes.len()),
                format!("the limit is {MAX_NODES}"),
            );
        }
        for name in nodes.keys() {
            let good = name.len() <= 32
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !good {
                let label = "expected at most 32 of a-z, 0-9 and -, beginning with a letter";
                self.error(name, format!("`{}` cannot be the name of a node", **name), label);
            } else if ["all", "no-one"].contains(&name.as_str()) || client_number(name).is_some() {
                self.error(
                    name,
                    format!("the name `{}` has a meaning of its own", **name),
                    "choose another name",
                );
            }
        }
    }

    fn unknown_node(&mut self, name: &Spot<String>, clients_too: bool) -> bool {
        let clients = if clients_too { self.scenario.clients() } else { Vec::new() };
        let nodes = &self.scenario.nodes;
        if nodes.contains_key(name.as_str()) || clients.contains(name) {
            return false;
        }
        let known: Vec<&str> = nodes
            .keys()
            .map(|node| node.as_str())
            .chain(clients.iter().map(String::as_str))
            .collect();
        let problem =
            Diagnostic::new(format!("there is no node `{}`", **name), name.span(), "unknown node");
        let problem = match closest(name, known.iter().copied()) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("nodes: {}", known.join(", "))),
        };
        self.problems.push(problem);
        true
    }

    fn unknown_nodes(&mut self, names: &Names) {
        for name in &names.0 {
            self.unknown_node(name, false);
        }
    }

    fn replication(&mut self) {
        for (name, node) in &self.scenario.nodes {
            let Some(master) = &node.replicaof else { continue };
            if self.unknown_node(master, false) {
                continue;
            }
            if let Some(cycle) = self.cycle_from(name) {
                // Each cycle is reported once, at its first node in the file.
                let first = self.scenario.nodes.keys().find(|key| cycle.contains(&key.as_str()));
                if first == Some(name) {
                    let path = cycle.join(" -> ");
                    let message = format!("replication goes in a circle: {path} -> {}", **name);
                    self.error(
                        master,
                        message,
                        "one of them must be a master, without `replicaof`",
                    );
                }
            }
        }
    }

    /// The circle that leads from `start` back to it.
    fn cycle_from<'n>(&'n self, start: &'n str) -> Option<Vec<&'n str>> {
        let nodes = &self.scenario.nodes;
        let mut path = vec![start];
        loop {
            let next = nodes.get(*path.last()?)?.replicaof.as_ref()?.as_str();
            if next == start {
                return Some(path);
            }
            if path.contains(&next) {
                return None;
            }
            path.push(next);
        }
    }

    fn directives(&mut self, config: &IndexMap<Spot<String>, Spot<ConfigValue>>) {
        for (name, value) in config {
            if let Some(how) = directives::reserved(name) {
                self.error(name, format!("a scenario cannot set `{}`", **name), how);
            } else if !directives::is_known(name) {
                let problem = Diagnostic::new(
                    format!("unknown directive `{}`", **name),
                    name.span(),
                    "not a directive of redis.conf",
                );
                self.problems.push(
                    problem.did_you_mean(name, directives::known().iter().map(String::as_str)),
                );
            }
            let choices = match &**value {
                ConfigValue::OneOf(choice) => choice.one_of.as_slice(),
                one => std::slice::from_ref(one),
            };
            if choices.is_empty() {
                let label = "expected at least one value";
                self.error(value, "there is nothing to choose from", label);
            }
            for choice in choices {
                if matches!(choice, ConfigValue::OneOf(_)) {
                    self.error(value, "a choice within a choice", "expected plain values");
                } else if directives::is_known(name)
                    && directives::reserved(name).is_none()
                    && let Some(reason) = directives::refused(name, &choice.text())
                {
                    let message = format!("a node refuses `{} {}`", **name, choice.text());
                    self.error(value, message, reason);
                }
            }
        }
    }

    fn network(&mut self) {
        let network = &self.scenario.network;
        self.not_zero(
            network.bandwidth.as_ref(),
            "a bandwidth of 0 lets nothing through: use a `partition` step",
        );
        self.not_zero(network.segment.as_ref(), "a segment must hold a byte");
    }

    fn not_zero<T: Unit>(&mut self, range: Option<&Spot<Range<T>>>, message: &str) {
        if let Some(range) = range.filter(|range| range.low.to_u64() == 0) {
            self.error(range, message, "expected more than 0");
        }
    }

    fn run(&mut self) {
        let run = &self.scenario.run;
        if let Some(duration) = run.duration.as_ref().filter(|d| d.0.is_zero()) {
            self.error(duration, "a run of no time shows nothing", "expected more than 0");
        }
        if let Some(tick) = &run.tick {
            let us = tick.to_u64();
            if !(1_000..=1_000_000).contains(&us) || us % 1_000 != 0 {
                self.error(
                    tick,
                    "this cannot be a tick",
                    "expected whole milliseconds, from \"1ms\" to \"1s\"",
                );
            }
        }
        if let Some(seeds) = &run.seeds
            && let Err(what) = seeds.list()
        {
            self.error(
                seeds,
                what,
                "expected a count like 3, a range like \"1..8\", or a list like [7, \"0xbeef\"]",
            );
        }
    }

    fn workloads(&mut self) {
        let clients: u64 = self
            .scenario
            .workload
            .0
            .iter()
            .map(|w| w.clients.as_deref().map_or(1, |c| c.0))
            .fold(0, u64::saturating_add);
        for workload in &self.scenario.workload.0 {
            self.workload(workload);
            if let Some(count) = workload.clients.as_ref().filter(|_| clients > MAX_CLIENTS) {
                self.error(
                    count,
                    format!("{clients} clients are too many"),
                    format!("the limit is {MAX_CLIENTS} for all workloads together"),
                );
            }
        }
    }

    fn workload(&mut self, w: &Workload) {
        if let Some(to) = &w.to {
            self.unknown_node(to, false);
        }
        if let Some(from) = &w.read_from {
            self.unknown_nodes(from);
        }
        self.not_zero(w.keys.as_ref(), "a workload needs keys");
        self.not_zero(w.pipeline.as_ref(), "a pipeline holds at least one command");
        self.not_zero(w.transaction_length.as_ref(), "a transaction holds at least one command");
        for at_once in [&w.pipeline, &w.transaction_length].into_iter().flatten() {
            if at_once.high.0 > MAX_AT_ONCE {
                let text = format!("the limit is {MAX_AT_ONCE} commands");
                self.error(at_once, "that many commands are not given at once", text);
            }
        }
        if let Some(clients) = w.clients.as_ref().filter(|c| c.0 == 0) {
            self.error(clients, "a workload needs a client", "expected at least 1");
        }
        if let Some(none) = w.commands.as_ref().filter(|families| families.is_empty()) {
            self.error(none, "a workload needs commands", "expected at least one family");
        }
        if let Some(databases) = w.databases.as_ref().filter(|d| !(1..=16).contains(&d.0)) {
            self.error(
                databases,
                format!("there cannot be {} databases", databases.0),
                "expected 1 to 16",
            );
        }
        if let Some(size) = w.value_bytes.as_ref().filter(|s| s.high.0 > MAX_VALUE) {
            self.error(size, "the values are too long", format!("the limit is {MAX_VALUE} bytes"));
        }
        let shares = [&w.deletes, &w.increments, &w.expire]
            .map(|share| share.as_deref().map_or(0.0, |Share(s)| *s));
        let sum: f64 = shares.iter().sum();
        if let Some(last) =
            [&w.expire, &w.increments, &w.deletes].into_iter().find_map(Option::as_ref)
            && sum > 1.0
        {
            self.error(
                last,
                format!("`deletes`, `increments` and `expire` are {sum} of the writes"),
                "together they can be at most 1",
            );
        }
        if let (Some(start), Some(stop)) = (&w.start, &w.stop)
            && stop.low <= start.high
        {
            self.problems.push(
                Diagnostic::new(
                    "the workload stops before it starts",
                    stop.span(),
                    format!("this may be {}", stop.low.write()),
                )
                .context(start.span(), format!("this may be {}", start.high.write())),
            );
        }
        for time in [&w.start, &w.stop].into_iter().flatten() {
            self.within_run(time);
        }
    }

    fn within_run(&mut self, at: &Spot<Range<Time>>) {
        let end = self.end();
        if at.high <= end {
            return;
        }
        let mut problem = Diagnostic::new(
            format!("{} is after the end of the run", at.high.write()),
            at.span(),
            format!("the run ends at {}", end.write()),
        );
        match &self.scenario.run.duration {
            Some(duration) => problem = problem.context(duration.span(), "set here"),
            None => problem = problem.help("set `duration` in `[run]`"),
        }
        self.problems.push(problem);
    }

    fn steps(&mut self) {
        let steps = &self.scenario.steps;
        if let Some(step) = steps.get(MAX_STEPS) {
            self.error(
                &step.place,
                format!("{} steps are too many", steps.len()),
                format!("the limit is {MAX_STEPS}"),
            );
        }
        for step in steps {
            self.within_run(&step.at);
            let before = self.problems.len();
            self.step(step);
            if step.action.whom().is_empty() && self.problems.len() == before {
                self.error(&step.place, "this happens to nobody", "expected a node or a link");
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match &step.action {
            Action::Partition(cut) => {
                self.links(&cut.links(), step);
                self.lasts(cut.duration.as_ref());
            }
            Action::Heal(links) | Action::FullSpeed(links) => self.links(links, step),
            Action::Slow(slow) => {
                self.links(&slow.links(), step);
                self.lasts(slow.duration.as_ref());
                self.not_zero(
                    slow.bandwidth.as_ref(),
                    "a bandwidth of 0 lets nothing through: use `partition`",
                );
                self.not_zero(slow.segment.as_ref(), "a segment must hold a byte");
                if slow.latency.is_none() && slow.bandwidth.is_none() && slow.segment.is_none() {
                    self.error(
                        &step.place,
                        "nothing is made slow",
                        "expected `latency`, `bandwidth` or `segment`",
                    );
                }
            }
            Action::Kill(down) => self.timed(&down.node, down.duration.as_ref()),
            Action::PowerCut(down) => self.timed(&down.node, down.duration.as_ref()),
            Action::Shutdown(down) => self.timed(&down.node, down.duration.as_ref()),
            Action::Pause(pause) => self.timed(&pause.node, pause.duration.as_ref()),
            Action::Lag(lag) => self.timed(&lag.node, lag.duration.as_ref()),
            Action::SlowDisk(slow) => {
                self.timed(&slow.node, slow.duration.as_ref());
                self.not_zero(slow.bandwidth.as_ref(), "a disk of bandwidth 0 never answers");
                if slow.latency.is_none() && slow.bandwidth.is_none() {
                    self.error(
                        &step.place,
                        "nothing is made slow",
                        "expected `latency` or `bandwidth`",
                    );
                }
            }
            Action::FullDisk(full) => self.timed(&full.node, full.duration.as_ref()),
            Action::DiskError(error) => self.timed(&error.node, error.duration.as_ref()),
            Action::Start(names)
            | Action::Restart(names)
            | Action::RemoveRdb(names)
            | Action::Resume(names)
            | Action::CatchUp(names)
            | Action::DiskOk(names) => self.unknown_nodes(names),
            Action::ClockJump(jump) => self.unknown_nodes(&jump.node),
            Action::ReplicaOf(change) => self.change_of_master(change),
            Action::Failover(failover) => self.failover(failover),
            Action::ConfigSet(set) => {
                self.unknown_nodes(&set.node);
                self.directives(&set.config);
            }
            Action::Command(command) => self.command(command),
            Action::Check(check) => {
                self.unknown_nodes(&check.node);
                if check.info.is_empty() {
                    self.error(&step.place, "nothing is checked", "expected fields in `info`");
                }
            }
        }
    }

    fn timed(&mut self, names: &Names, duration: Option<&Spot<Range<Time>>>) {
        self.unknown_nodes(names);
        self.lasts(duration);
    }

    fn lasts(&mut self, duration: Option<&Spot<Range<Time>>>) {
        self.not_zero(duration, "this lasts no time at all");
    }

    fn change_of_master(&mut self, change: &super::ReplicaOf) {
        self.unknown_nodes(&change.node);
        if change.master.eq_ignore_ascii_case("no one") {
            return;
        }
        let before = self.problems.len();
        if self.unknown_node(&change.master, false) {
            if let Some(problem) = self.problems.get_mut(before) {
                problem.help.push("\"no one\" makes it a master".to_owned());
            }
        } else if change.node.0.contains(&change.master) {
            self.error(
                &change.master,
                format!("`{}` cannot replicate from itself", *change.master),
                "the same node",
            );
        }
    }

    fn failover(&mut self, failover: &super::Failover) {
        self.unknown_nodes(&failover.node);
        let says_more =
            failover.to.is_some() || failover.timeout.is_some() || failover.force == Some(true);
        if failover.abort == Some(true)
            && says_more
            && let Some(node) = failover.node.0.first()
        {
            self.error(node, "`abort` stands alone", "in this failover");
        }
        let Some(to) = &failover.to else {
            if failover.force == Some(true)
                && let Some(node) = failover.node.0.first()
            {
                self.error(node, "`force` needs `to` and `timeout`", "in this failover");
            }
            return;
        };
        if !self.unknown_node(to, false) && failover.node.0.contains(to) {
            self.error(to, "a master cannot hand over to itself", "the same node");
        }
        if failover.force == Some(true) && failover.timeout.is_none() {
            self.error(to, "`force` needs a `timeout`", "in this failover");
        }
    }

    fn command(&mut self, command: &super::Command) {
        self.unknown_node(&command.node, false);
        if let Err(what) = command.send.words() {
            self.error(&command.send, what, "expected a command like \"SET key value\"");
        }
        if let (Some(reply), Some(error)) = (&command.expect, &command.expect_error) {
            self.problems.push(
                Diagnostic::new(
                    "a reply cannot be a value and an error",
                    error.span(),
                    "an error is expected here",
                )
                .context(reply.span(), "and a value here"),
            );
        }
        if let Some(database) = command.database.as_ref().filter(|d| d.0 > 15) {
            self.error(
                database,
                format!("there is no database {}", database.0),
                "expected 0 to 15",
            );
        }
    }

    fn links(&mut self, links: &Links, step: &Step) {
        let Links { between, from, to, node } = links;
        let one_way = from.is_some() || to.is_some();
        let ways =
            usize::from(between.is_some()) + usize::from(one_way) + usize::from(node.is_some());
        if ways != 1 || (one_way && (from.is_none() || to.is_none())) {
            let message = if ways == 0 {
                "no link is named"
            } else {
                "the links are named in several ways, or by half"
            };
            self.problems.push(
                Diagnostic::new(message, step.place.span(), "expected `between`, or `from` and `to`, or `node`")
                    .help("between = [\"m1\", \"r1\"] is both ways; from = \"m1\", to = \"r1\" one way; node = \"r1\" every link of r1"),
            );
            return;
        }
        for name in node.iter().flat_map(|names| &names.0) {
            let before = self.problems.len();
            if name.as_str() != "all"
                && self.unknown_node(name, true)
                && let Some(problem) = self.problems.get_mut(before)
            {
                problem.help.push("\"all\" is every link there is".to_owned());
            }
        }
        let sides = match (between.as_deref(), from, to) {
            (Some([a, b]), _, _) => (a, b),
            (None, Some(a), Some(b)) => (a, b),
            _ => return,
        };
        for name in sides.0.0.iter().chain(&sides.1.0) {
            self.unknown_node(name, true);
        }
        if sides.0.0.is_empty() || sides.1.0.is_empty() {
            self.error(
                &step.place,
                "one side of the link is empty",
                "expected a name on both sides",
            );
        }
        if let Some(both) = sides.1.0.iter().find(|name| sides.0.0.contains(name)) {
            self.error(both, format!("`{}` is on both sides", **both), "a link has two ends");
        }
    }

    fn expect(&mut self) {
        let expect = &self.scenario.expect;
        for name in
            expect.full_syncs.keys().chain(expect.partial_syncs.keys()).chain(expect.info.keys())
        {
            self.unknown_node(name, false);
        }
        if let Some(name) =
            expect.violation.as_ref().filter(|name| !INVARIANTS.contains(&name.as_str()))
        {
            let problem = Diagnostic::new(
                format!("there is no invariant `{}`", **name),
                name.span(),
                "unknown invariant",
            );
            self.problems.push(match closest(name, INVARIANTS.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(format!("invariants: {}", INVARIANTS.join(", "))),
            });
        }
    }
}

/// The number of a client, when the name is that of one.
fn client_number(name: &str) -> Option<u64> {
    name.strip_prefix("client")?.parse().ok()
}
