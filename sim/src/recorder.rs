//! Where all events of a run come together: hash, trace, cluster state, invariants, counts.
//!
//! Must never: let a node or the world see anything of it, or stop a run by itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use replisim::env::Now;
use replisim::event::{Event, Probe, Role};

use crate::cluster::{Cluster, NodeIndex};
use crate::invariant::{Fate, Found, Invariant, Sight};
use crate::report::Violation;
use crate::story::Story;
use crate::trace::{self, RollingHash};
use crate::witness;

/// A run with more violations than this has said enough.
const MAX_VIOLATIONS: usize = 20;

/// Everything that is noted of one run.
pub struct Recorder {
    /// What was seen of the nodes.
    pub cluster: Cluster,
    /// What went wrong so far.
    pub violations: Vec<Violation>,
    /// How often each rare state was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// Number of events.
    pub events: u64,
    /// Simulated time now, set by the runner before every step.
    pub at: Box<dyn Fn() -> Duration>,
    /// With their names.
    invariants: Vec<(&'static str, Box<dyn Invariant>)>,
    hash: RollingHash,
    trace: Option<Box<dyn Write>>,
    trace_error: Option<io::Error>,
    lines: Option<Vec<String>>,
    story: Option<Story>,
}

impl Recorder {
    /// A recorder that asks `at` for the simulated time.
    pub fn new(at: Box<dyn Fn() -> Duration>, invariants: Vec<Box<dyn Invariant>>) -> Self {
        Self {
            cluster: Cluster::default(),
            violations: Vec::new(),
            marks: BTreeMap::new(),
            events: 0,
            at,
            invariants: invariants.into_iter().map(|it| (it.name(), it)).collect(),
            hash: RollingHash::default(),
            trace: None,
            trace_error: None,
            lines: None,
            story: None,
        }
    }

    /// Writes the trace to `out`, after its header.
    pub fn trace_to(
        &mut self,
        mut out: Box<dyn Write>,
        scenario: &str,
        seed: u64,
    ) -> io::Result<()> {
        writeln!(out, "{}", trace::header(scenario, seed))?;
        self.trace = Some(out);
        Ok(())
    }

    /// Keeps the trace's lines in memory, to compare two runs.
    pub fn keep_lines(&mut self) {
        self.lines = Some(Vec::new());
    }

    /// Tells the run in lines for people.
    pub fn tell(&mut self) {
        self.story = Some(Story::default());
    }

    /// What was told.
    pub fn take_story(&mut self) -> Vec<String> {
        self.story.as_mut().map(Story::take).unwrap_or_default()
    }

    /// The lines kept.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }

    /// The rolling hash so far.
    pub fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// Whether enough went wrong to end the run.
    pub fn is_hopeless(&self) -> bool {
        self.violations.len() >= MAX_VIOLATIONS
    }

    /// Ends the trace; an error while writing it is told here.
    pub fn finish_trace(&mut self) -> io::Result<()> {
        if let Some(error) = self.trace_error.take() {
            return Err(error);
        }
        self.trace.as_mut().map_or(Ok(()), |out| out.flush())
    }

    /// An event of a node.
    pub fn record(&mut self, node: NodeIndex, now: Now, event: &Event<'_>) {
        let at = (self.at)();
        self.events += 1;
        self.hash.event(at, node, event);
        if self.trace.is_some() || self.lines.is_some() {
            let line = trace::line(at, &self.cluster.nodes[node].name, event).to_string();
            self.write_line(line);
        }
        let mark = match event {
            Event::Mark(name) => Some(*name),
            _ => witness::mark(&self.cluster, node, event),
        };
        if let Some(name) = mark {
            *self.marks.entry(name).or_default() += 1;
        }
        if let Some(story) = &mut self.story {
            let cluster = &self.cluster;
            let peer = |ip: &str| match cluster.by_ip(ip) {
                Some(peer) => cluster.nodes[peer].name.clone(),
                None => ip.to_owned(),
            };
            story.event(at, &cluster.nodes[node].name, event, peer);
        }
        let before = self.violations.len();
        if !self.is_hopeless() {
            let sight = Sight { at, now, node, event };
            for (name, invariant) in &mut self.invariants {
                let mut found = Found { invariant: name, at, violations: &mut self.violations };
                invariant.observe(&self.cluster, &sight, &mut found);
            }
        }
        self.note_state(before);
        self.tell_violations(before);
        self.cluster.apply(at, node, event);
    }

    /// Notes in which state the nodes were on which something was found.
    fn note_state(&mut self, before: usize) {
        for violation in &mut self.violations[before..] {
            let name = violation.node.as_deref();
            let node = self.cluster.nodes.iter().find(|node| Some(node.name.as_str()) == name);
            violation.state = node.map_or_else(String::new, |node| match node.role {
                Role::Master => "master".to_owned(),
                Role::Replica => format!("replica, {:?}", node.master_link),
            });
        }
    }

    fn tell_violations(&mut self, before: usize) {
        if let Some(story) = &mut self.story {
            for violation in &self.violations[before..] {
                let text = format!("{} violated: {}", violation.invariant, violation.message);
                story.world(violation.at, &text);
            }
        }
    }

    /// The world did something; `text` says what, in the words of the scenario.
    pub fn world(&mut self, text: &str) {
        let at = (self.at)();
        self.hash.text(text);
        if let Some(story) = &mut self.story {
            story.world(at, text);
        }
        if self.trace.is_some() || self.lines.is_some() {
            self.write_line(trace::world_line(at, text).to_string());
        }
    }

    /// A word to who reads the story: nothing has happened, and no trace tells of it.
    pub fn note(&mut self, text: &str) {
        let at = (self.at)();
        if let Some(story) = &mut self.story {
            story.world(at, text);
        }
    }

    /// The world stopped a node's process.
    pub fn fate(&mut self, node: NodeIndex, fate: Fate) {
        let at = (self.at)();
        for (name, invariant) in &mut self.invariants {
            let mut found = Found { invariant: name, at, violations: &mut self.violations };
            invariant.fate(&self.cluster, node, fate, &mut found);
        }
        match fate {
            Fate::Killed | Fate::PowerCut => self.cluster.stopped(node),
            // A process may run on while its file goes.
            Fate::FileRemoved { .. } => {}
        }
    }

    /// A violation that the runner itself found.
    pub fn violation(&mut self, invariant: &'static str, node: &str, message: String) {
        let at = (self.at)();
        let before = self.violations.len();
        self.violations.push(Violation {
            invariant: invariant.to_owned(),
            at,
            node: Some(node.to_owned()),
            message,
            state: String::new(),
            detail: Vec::new(),
        });
        self.note_state(before);
        self.tell_violations(before);
    }

    fn write_line(&mut self, line: String) {
        if let Some(out) = &mut self.trace
            && let Err(error) = writeln!(out, "{line}")
        {
            self.trace_error.get_or_insert(error);
            self.trace = None;
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }
}

/// The probe of one node: hands its events to the recorder of the run.
pub struct NodeProbe {
    /// Which node.
    pub node: NodeIndex,
    /// The run's recorder.
    pub recorder: Rc<RefCell<Recorder>>,
}

impl Probe for NodeProbe {
    fn record(&mut self, now: Now, event: &Event<'_>) {
        self.recorder.borrow_mut().record(self.node, now, event);
    }
}
