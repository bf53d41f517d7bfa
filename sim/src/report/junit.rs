//! JUnit XML: one suite a scenario, one test case a seed.

use std::io;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Outcome, Renderer, RunReport, Summary, seconds};

/// The renderer. XML needs its counts at the top, so that all is written at the end.
#[derive(Debug)]
pub struct Junit {
    report: Report,
    suite: Option<TestSuite>,
}

impl Default for Junit {
    fn default() -> Self {
        Self { report: Report::new("replisim"), suite: None }
    }
}

fn case(report: &RunReport) -> TestCase {
    let status = match (report.outcome, report.headline()) {
        (Outcome::Pass, _) | (_, None) => TestCaseStatus::success(),
        (outcome, Some(headline)) => {
            let kind = if outcome == Outcome::Fail {
                NonSuccessKind::Failure
            } else {
                NonSuccessKind::Error
            };
            let mut status = TestCaseStatus::non_success(kind);
            let mut text = String::new();
            for v in &report.violations {
                let node = v.node.as_deref().unwrap_or("every node");
                text.push_str(&format!(
                    "{} at {} on {node}: {}\n",
                    v.invariant,
                    seconds(v.at),
                    v.message
                ));
                v.detail.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
            text.push_str(&format!("replay: {}", report.replay()));
            status.set_type(report.violations.first().map_or("error", |v| v.invariant.as_str()));
            status.set_message(headline).set_description(text);
            status
        }
    };
    let mut case = TestCase::new(format!("seed {}", report.seed), status);
    case.set_classname(report.scenario.as_str()).set_time(report.wall_time);
    case
}

impl Renderer for Junit {
    fn run(&mut self, _out: &mut dyn io::Write, report: &RunReport) -> io::Result<()> {
        let suite = self.suite.get_or_insert_with(|| TestSuite::new(report.scenario.as_str()));
        suite.add_test_case(case(report));
        Ok(())
    }

    fn scenario_end(&mut self, _out: &mut dyn io::Write) -> io::Result<()> {
        self.report.add_test_suites(self.suite.take());
        Ok(())
    }

    fn end(&mut self, out: &mut dyn io::Write, summary: &Summary) -> io::Result<()> {
        self.report.add_test_suites(self.suite.take());
        self.report.set_time(summary.wall_time);
        self.report.serialize(&mut *out).map_err(io::Error::other)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rendered() {
        insta::assert_snapshot!(super::super::samples::render(&mut super::Junit::default()));
    }
}
