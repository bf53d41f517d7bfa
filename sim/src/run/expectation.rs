//! What the scenario itself expects: replies, fields of `INFO`, counts of syncs.

use std::time::Duration;

use super::operator::Judge;
use super::{Run, RunError};
use crate::report::{RunReport, Violation};
use crate::scenario::{Expected, ReplySpec};

/// How long the last questions may take.
const LAST_QUESTIONS: Duration = Duration::from_secs(31);

/// Accepts any reply that is not an error.
pub(super) fn no_error(what: &str) -> Judge {
    let what = what.to_owned();
    Box::new(move |reply| match reply {
        Ok(reply) if !reply.starts_with(b"-") => None,
        Ok(reply) => Some(format!("{what} answered {}", shown(&reply))),
        Err(error) => Some(format!("{what} was not answered: {error}")),
    })
}

/// Accepts the reply that is specified.
pub(super) fn reply(command: &str, spec: ReplySpec) -> Judge {
    let command = command.to_owned();
    Box::new(move |reply| {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Some(format!("`{command}` was not answered: {error}")),
        };
        let raw = raw(&reply);
        let (fits, wanted) = match &spec {
            ReplySpec::Value(expected) => {
                (!reply.starts_with(b"-") && expected.accepts(&raw), expected.to_string())
            }
            ReplySpec::Error(start) => {
                (reply.starts_with(b"-") && raw.starts_with(start.as_str()), format!("-{start}..."))
            }
        };
        (!fits).then(|| format!("`{command}` answered {}, expected {wanted}", shown(&reply)))
    })
}

fn shown(reply: &[u8]) -> String {
    // Quotes stand in no quotes here.
    String::from_utf8_lossy(reply)
        .trim_end()
        .escape_debug()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

/// A reply as `redis-cli --raw` prints it: no markers, elements on lines of their own.
fn raw(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let mut rest: &str = &text;
    let mut lines = Vec::new();
    while let Some((line, after)) = rest.split_once("\r\n") {
        rest = after;
        let (kind, body) = line.split_at(line.len().min(1));
        match kind {
            "$" => match body.parse::<usize>() {
                Ok(length) => {
                    lines.push(rest.get(..length).unwrap_or(rest).to_owned());
                    rest = rest.get(length + 2..).unwrap_or("");
                }
                Err(_) => lines.push(String::new()),
            },
            "*" => {}
            _ => lines.push(body.to_owned()),
        }
    }
    lines.join("\n")
}

/// A field of the text that `INFO` answers.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| {
        let (key, value) = line.trim_end().split_once(':')?;
        (key == name).then_some(value)
    })
}

fn judge_info(wanted: Vec<(String, Expected)>) -> Judge {
    Box::new(move |reply| {
        let reply = match reply {
            Ok(reply) => raw(&reply),
            Err(error) => return Some(format!("INFO was not answered: {error}")),
        };
        let wrong: Vec<String> = wanted
            .iter()
            .filter_map(|(name, expected)| match field(&reply, name) {
                Some(value) if expected.accepts(value) => None,
                Some(value) => Some(format!("{name} is {value}, expected {expected}")),
                None => Some(format!("INFO has no field {name}")),
            })
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    })
}

impl Run<'_> {
    /// Asks a node for fields of its `INFO`.
    pub(super) fn check_info(&self, node: &str, info: &[(String, Expected)]) {
        let command = vec![b"INFO".to_vec(), b"everything".to_vec()];
        self.order(node, None, vec![command], Some(judge_info(info.to_vec())));
    }

    /// What must be so in the end.
    pub(super) fn expect_at_end(&mut self) -> Result<(), RunError> {
        let expect = &self.scenario.expect;
        for (node, info) in &expect.info {
            self.check_info(node, info);
        }
        let deadline = self.sim.elapsed() + LAST_QUESTIONS;
        while !self.operator.is_idle()
            && self.sim.elapsed() < deadline.max(self.operator.held_up_until())
        {
            self.step()?;
        }
        self.operator.collect(&mut self.recorder.borrow_mut());
        let mut recorder = self.recorder.borrow_mut();
        let counts =
            [("full syncs", &expect.full_syncs), ("partial resyncs", &expect.partial_syncs)];
        for (what, wanted) in counts {
            for (node, range) in wanted {
                let state = &recorder.cluster.nodes[self.index(node)];
                let count = match what {
                    "full syncs" => state.full_syncs_received,
                    _ => state.partial_syncs_received,
                };
                if !range.contains(crate::scenario::Count(count)) {
                    let (low, high) = (range.low.0, range.high.0);
                    let wanted =
                        if low == high { low.to_string() } else { format!("{low}..{high}") };
                    let message = format!("received {count} {what}, expected {wanted}");
                    recorder.violation("expect", node, message);
                }
            }
        }
        Ok(())
    }

    /// A scenario that must fail, fails if it passes; the violation it is about is no failure.
    pub(super) fn judge_expected_violation(&self, report: &mut RunReport) {
        let Some(wanted) = &self.scenario.expect.violation else {
            return;
        };
        let before = report.violations.len();
        report.violations.retain(|violation| violation.invariant != *wanted);
        if report.violations.len() == before {
            report.violations.push(Violation {
                invariant: "expect".to_owned(),
                at: self.sim.elapsed(),
                node: None,
                message: format!("{wanted} was to be violated, and was not"),
                state: String::new(),
                detail: Vec::new(),
            });
        }
    }
}
