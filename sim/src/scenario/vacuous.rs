//! Whether `converged-within` has anybody to judge.
//!
//! At the end of a run only nodes that run and reach their masters are judged. Must never: warn of
//! a scenario in which some node may be judged; what commands do to the roles is not followed.

use std::collections::BTreeSet;

use super::{ResolvedScenario, StepAction};

impl ResolvedScenario {
    /// Whether it says within what time the cluster must converge, and no two nodes are left that
    /// run and reach each other after the last step.
    pub fn judges_no_convergence(&self) -> bool {
        if self.expect.converged_within.is_none() {
            return false;
        }
        let (mut gone, mut cut) = (BTreeSet::new(), BTreeSet::new());
        for step in &self.steps {
            match &step.action {
                StepAction::Kill { node }
                | StepAction::PowerCut { node, .. }
                | StepAction::Shutdown { node, .. }
                | StepAction::Pause { node } => {
                    gone.insert(node);
                }
                StepAction::Start { node }
                | StepAction::Restart { node }
                | StepAction::Resume { node } => {
                    gone.remove(node);
                }
                StepAction::Partition { links, .. } => cut.extend(links.directed()),
                StepAction::Heal { links } => {
                    for link in links.directed() {
                        cut.remove(&link);
                    }
                }
                _ => {}
            }
        }
        let left: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        let left: Vec<&str> =
            left.into_iter().filter(|name| !gone.iter().any(|gone| gone == name)).collect();
        let open = |a: &str, b: &str| !cut.contains(&(a, b)) && !cut.contains(&(b, a));
        !left.iter().enumerate().any(|(i, a)| left[i + 1..].iter().any(|b| open(a, b)))
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;
    use crate::seed::Seed;

    fn judges_none(steps: &str) -> bool {
        let text = format!(
            "title = \"t\"\n[nodes.m1]\n[nodes.r1]\nreplicaof = \"m1\"\n\
             [expect]\nconverged-within = \"9s\"\n{steps}"
        );
        parse("t", "t.toml", &text).expect("it is right").resolve(Seed(1)).judges_no_convergence()
    }

    #[test]
    fn who_is_gone_or_cut_off_for_ever_is_not_judged() {
        for steps in [
            "[[step]]\nat = \"1s\"\nkill = \"r1\"\n",
            "[[step]]\nat = \"1s\"\npower-cut = \"m1\"\n",
            "[[step]]\nat = \"1s\"\npartition = { node = \"r1\", kind = \"stall\" }\n",
            "[[step]]\nat = \"1s\"\npartition = { from = \"m1\", to = \"r1\", kind = \"reset\" }\n",
        ] {
            assert!(judges_none(steps), "{steps}");
        }
        for steps in [
            "",
            "[[step]]\nat = \"1s\"\nkill = { node = \"r1\", for = \"2s\" }\n",
            "[[step]]\nat = \"1s\"\nkill = \"r1\"\n[[step]]\nat = \"2s\"\nstart = \"r1\"\n",
            "[[step]]\nat = \"1s\"\npartition = { node = \"r1\", kind = \"stall\" }\n\
             [[step]]\nat = \"2s\"\nheal = \"all\"\n",
        ] {
            assert!(!judges_none(steps), "{steps}");
        }
    }
}
