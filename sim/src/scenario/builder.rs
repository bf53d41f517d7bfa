//! Scenarios built in Rust: the same value as a file gives.

use super::diagnostic::{Diagnostic, Problems};
use super::spot::Spot;
use super::step::{Action, Step};
use super::value::{Count, Range, Scalar, ScalarValue, Time};
use super::{ConfigValue, Node, Scenario, Seeds, Workload, validate};

/// Builds a [`Scenario`]. Texts are those of a file; a mistake is kept until
/// [`ScenarioBuilder::build`], which reports all of them.
#[derive(Debug, Clone)]
pub struct ScenarioBuilder {
    scenario: Scenario,
    mistakes: Vec<Diagnostic>,
}

impl Scenario {
    /// Begins a scenario with the given name, which is its title until one is set.
    pub fn builder(name: &str) -> ScenarioBuilder {
        let scenario = Self { name: name.to_owned(), title: name.into(), ..Self::default() };
        ScenarioBuilder { scenario, mistakes: Vec::new() }
    }
}

impl ScenarioBuilder {
    fn read<T: ScalarValue>(&mut self, key: &str, text: &str) -> Option<T> {
        match T::from_scalar(&Scalar::Text(text)) {
            Ok(value) => Some(value),
            Err(what) => {
                self.mistakes
                    .push(Diagnostic::whole(format!("{key}: {what}, expected {}", T::EXPECTED)));
                None
            }
        }
    }

    fn last_node(&mut self, call: &str) -> Option<&mut Node> {
        if self.scenario.nodes.is_empty() {
            self.mistakes.push(Diagnostic::whole(format!("`{call}` before the first `node`")));
        }
        self.scenario.nodes.last_mut().map(|(_, node)| node)
    }

    /// The one line that says what happens.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.scenario.title = title.into();
        self
    }

    /// Prose on what it teaches.
    #[must_use]
    pub fn about(mut self, about: &str) -> Self {
        about.clone_into(&mut self.scenario.about);
        self
    }

    /// Adds a node; it is a master unless `replica_of` follows.
    #[must_use]
    pub fn node(mut self, name: &str) -> Self {
        if self.scenario.nodes.insert(name.into(), Node::default()).is_some() {
            self.mistakes.push(Diagnostic::whole(format!("the node `{name}` is there twice")));
        }
        self
    }

    /// The last node follows `master` from its start.
    #[must_use]
    pub fn replica_of(mut self, master: &str) -> Self {
        if let Some(node) = self.last_node("replica_of") {
            node.replicaof = Some(master.into());
        }
        self
    }

    /// A directive for the last node, or for all nodes when there is none yet.
    #[must_use]
    pub fn config(mut self, directive: &str, value: impl Into<ConfigValue>) -> Self {
        let config = match self.scenario.nodes.last_mut() {
            Some((_, node)) => &mut node.config,
            None => &mut self.scenario.config,
        };
        config.insert(directive.into(), value.into().into());
        self
    }

    /// Adds a workload.
    #[must_use]
    pub fn workload(mut self, workload: Workload) -> Self {
        self.scenario.workload.0.push(workload);
        self
    }

    /// Adds a step at a time like `5s` or a range like `5s..8s`.
    #[must_use]
    pub fn step(mut self, at: &str, action: Action) -> Self {
        if let Some(at) = self.read::<Range<Time>>("at", at) {
            self.scenario.steps.push(Step { at: at.into(), action, place: Spot::default() });
        }
        self
    }

    /// Full syncs that `node` must have received by the end: `1` or `1..2`.
    #[must_use]
    pub fn expect_full_syncs(mut self, node: &str, count: &str) -> Self {
        if let Some(range) = self.read::<Range<Count>>("full-syncs", count) {
            self.scenario.expect.full_syncs.insert(node.into(), range);
        }
        self
    }

    /// Partial resyncs that `node` must have received by the end: `1` or `1..2`.
    #[must_use]
    pub fn expect_partial_syncs(mut self, node: &str, count: &str) -> Self {
        if let Some(range) = self.read::<Range<Count>>("partial-syncs", count) {
            self.scenario.expect.partial_syncs.insert(node.into(), range);
        }
        self
    }

    /// The invariant that must be violated.
    #[must_use]
    pub fn expect_violation(mut self, invariant: &str) -> Self {
        self.scenario.expect.violation = Some(invariant.into());
        self
    }

    /// Simulated time of a run.
    #[must_use]
    pub fn duration(mut self, time: &str) -> Self {
        if let Some(time) = self.read::<Time>("duration", time) {
            self.scenario.run.duration = Some(time.into());
        }
        self
    }

    /// Number of seeds it runs with by default.
    #[must_use]
    pub fn seeds(mut self, count: u32) -> Self {
        self.scenario.run.seeds = Some(Seeds::Count(count).into());
        self
    }

    /// Changes what the builder has no method for.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Scenario)) -> Self {
        change(&mut self.scenario);
        self
    }

    /// The scenario.
    ///
    /// # Errors
    /// All mistakes made while building it.
    pub fn build(mut self) -> Result<Scenario, Problems> {
        let placeless = |problem: Diagnostic| Diagnostic {
            message: match problem.label.is_empty() {
                true => problem.message,
                false => format!("{} ({})", problem.message, problem.label),
            },
            span: None,
            label: String::new(),
            context: Vec::new(),
            help: problem.help,
        };
        self.mistakes.extend(validate::validate(&self.scenario).into_iter().map(placeless));
        if self.mistakes.is_empty() {
            Ok(self.scenario)
        } else {
            Err(Problems { path: self.scenario.name, source: String::new(), list: self.mistakes })
        }
    }
}
