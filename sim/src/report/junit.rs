//! JUnit XML: one suite a scenario, one test case a seed.
//!
//! Written by hand: three elements and their escapes are less than a library for them.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use super::{Outcome, Renderer, RunReport, Summary, seconds};

/// Counts of one suite, or of all.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    tests: usize,
    errors: usize,
    failures: usize,
}

/// The renderer. XML needs its counts at the top, so that all is written at the end.
#[derive(Debug, Default)]
pub struct Junit {
    /// Suites that are complete.
    suites: String,
    total: Counts,
    /// Name, counts and cases of the suite under way.
    suite: Option<(String, Counts, String)>,
}

/// The text as XML 1.0 can hold it: within an element, or within quotes.
fn escape(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' if quoted => {
                let _ = write!(out, "&#{};", c as u32); // else it would be read as a blank
            }
            '\n' | '\t' => out.push(c),
            // What XML forbids even as a reference.
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn time(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn text_of(report: &RunReport) -> String {
    let mut text = String::new();
    for v in &report.violations {
        let node = v.node.as_deref().unwrap_or("every node");
        let _ = writeln!(text, "{} at {} on {node}: {}", v.invariant, seconds(v.at), v.message);
        for line in &v.detail {
            let _ = writeln!(text, "    {line}");
        }
    }
    text + "replay: " + &report.replay()
}

fn case(report: &RunReport) -> String {
    let opening = format!(
        "        <testcase name=\"seed {}\" classname=\"{}\" time=\"{}\"",
        report.seed,
        escape(&report.scenario, true),
        time(report.wall_time)
    );
    let element = match report.outcome {
        Outcome::Pass => return opening + "/>\n",
        Outcome::Fail => "failure",
        Outcome::Error => "error",
    };
    format!(
        "{opening}>\n            <{element} message=\"{}\" type=\"{}\">{}</{element}>\n        </testcase>\n",
        escape(&report.headline().unwrap_or_default(), true),
        escape(report.violations.first().map_or("error", |v| v.invariant.as_str()), true),
        escape(&text_of(report), false),
    )
}

impl Junit {
    fn end_suite(&mut self) {
        let Some((name, counts, cases)) = self.suite.take() else { return };
        let _ = write!(
            self.suites,
            "    <testsuite name=\"{}\" tests=\"{}\" skipped=\"0\" errors=\"{}\" failures=\"{}\">\n{cases}    </testsuite>\n",
            escape(&name, true),
            counts.tests,
            counts.errors,
            counts.failures
        );
        self.total.tests += counts.tests;
        self.total.errors += counts.errors;
        self.total.failures += counts.failures;
    }
}

impl Renderer for Junit {
    fn run(&mut self, _out: &mut dyn io::Write, report: &RunReport) -> io::Result<()> {
        let suite = self
            .suite
            .get_or_insert_with(|| (report.scenario.clone(), Counts::default(), String::new()));
        suite.1.tests += 1;
        suite.1.errors += usize::from(report.outcome == Outcome::Error);
        suite.1.failures += usize::from(report.outcome == Outcome::Fail);
        suite.2.push_str(&case(report));
        Ok(())
    }

    fn scenario_end(&mut self, _out: &mut dyn io::Write) -> io::Result<()> {
        self.end_suite();
        Ok(())
    }

    fn end(&mut self, out: &mut dyn io::Write, summary: &Summary) -> io::Result<()> {
        self.end_suite();
        let Counts { tests, errors, failures } = self.total;
        write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"replisim\" tests=\"{tests}\" \
             skipped=\"0\" failures=\"{failures}\" errors=\"{errors}\" time=\"{}\">\n{}</testsuites>\n",
            time(summary.wall_time),
            self.suites
        )?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn rendered() {
        insta::assert_snapshot!(super::super::samples::render(&mut super::Junit::default()));
    }

    #[test]
    fn no_text_breaks_the_xml() {
        assert_eq!(escape("a<b>&\"'\n\u{1b}", false), "a&lt;b&gt;&amp;&quot;&apos;\n\u{fffd}");
        assert_eq!(escape("a\nb\tc", true), "a&#10;b&#9;c");
    }
}
