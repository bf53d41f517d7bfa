//! Annotations of GitHub Actions for what went wrong, and a summary.

use std::io;

use super::{Renderer, RunReport, Summary, seconds};
use crate::scenario::Problems;

/// The renderer.
#[derive(Debug, Default)]
pub struct Github;

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape(text).replace(':', "%3A").replace(',', "%2C")
}

impl Renderer for Github {
    fn problems(&mut self, out: &mut dyn io::Write, problems: &Problems) -> io::Result<()> {
        let file = escape_property(&problems.path);
        for problem in &problems.list {
            let (line, col) = problems.place(problem).unwrap_or((1, 1));
            let mut text = problem.message.clone();
            for more in
                std::iter::once(&problem.label).chain(&problem.help).filter(|more| !more.is_empty())
            {
                text.push('\n');
                text.push_str(more);
            }
            writeln!(
                out,
                "::error file={file},line={line},col={col},title=scenario::{}",
                escape(&text)
            )?;
        }
        Ok(())
    }

    fn run(&mut self, out: &mut dyn io::Write, report: &RunReport) -> io::Result<()> {
        let Some(headline) = report.headline() else { return Ok(()) };
        let file = report
            .path
            .as_ref()
            .map(|path| format!("file={},", escape_property(&path.display().to_string())));
        let title = escape_property(&format!("{} seed {}", report.scenario, report.seed));
        let place = report.violations.first().map_or_else(String::new, |first| {
            format!(
                "\nat {} on {}",
                seconds(first.at),
                first.node.as_deref().unwrap_or("every node")
            )
        });
        let text = escape(&format!("{headline}{place}\nreplay: {}", report.replay()));
        writeln!(out, "::error {}line=1,title={title}::{text}", file.unwrap_or_default())
    }

    fn end(&mut self, out: &mut dyn io::Write, summary: &Summary) -> io::Result<()> {
        let text = super::human::summary_line(summary);
        let level = if summary.passed == summary.planned { "notice" } else { "error" };
        writeln!(out, "::{level} title=replisim::{}", escape(&text))?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rendered() {
        insta::assert_snapshot!(super::super::samples::render(&mut super::Github));
    }
}
