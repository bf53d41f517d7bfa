//! What is said of a campaign: the same for the same runs, whoever made them, and in what order.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::count;
use crate::explore::campaign::Findings;
use crate::explore::group::{Cause, Group};
use crate::explore::marks;

/// Name of the report in the folder of a campaign.
pub(super) const FILE: &str = "report.txt";

/// Where the capsule of a cause lies.
pub(super) fn capsule(folder: &Path, cause: &Cause) -> PathBuf {
    folder.join(cause.slug()).join("capsule.toml")
}

/// Marks, those never reached, and failures by what broke. Must never: show wall-clock time.
pub(super) fn write(to: &mut dyn Write, findings: &Findings, folder: &Path) -> io::Result<()> {
    writeln!(to, "marks (runs that reached it, times in all):")?;
    for (name, (runs, times)) in &findings.marks {
        writeln!(to, "  {name:42} {runs:>8} {times:>10}")?;
    }
    let never: Vec<&str> =
        marks::all().filter(|name| !findings.marks.contains_key(*name)).collect();
    if never.is_empty() {
        writeln!(to, "every mark was reached")?;
    } else {
        writeln!(to, "never reached: {}", never.join(", "))?;
    }
    let mut groups: Vec<(&Cause, &Group)> = findings.groups.by_cause.iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.runs));
    for (cause, group) in groups {
        writeln!(to, "\n{} x {} ({})", group.runs, cause.invariant, cause.slug())?;
        writeln!(to, "  {}", group.message.lines().next().unwrap_or_default())?;
        writeln!(
            to,
            "  seed {}, {}: cargo sim replay {}",
            group.example,
            count(group.steps, "step"),
            capsule(folder, cause).display()
        )?;
    }
    if findings.groups.beyond > 0 {
        writeln!(to, "\n{} failures more, in groups beyond the limit", findings.groups.beyond)?;
    }
    writeln!(to, "\n{}", totals(findings))
}

/// Runs, marks and failures in one line.
pub(super) fn totals(findings: &Findings) -> String {
    format!(
        "{}, {:.0} s simulated, {} of {} marks, {} in {}",
        count(findings.runs as usize, "run"),
        findings.sim_time.as_secs_f64(),
        findings.marks.len(),
        marks::all().count(),
        count(findings.groups.failures() as usize, "failure"),
        count(findings.groups.by_cause.len(), "group"),
    )
}

/// Writes the report to stdout and into the folder.
pub(super) fn publish(findings: &Findings, folder: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    write(&mut text, findings, folder)?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(FILE), &text)?;
    let mut out = anstream::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}
