//! What is said of a campaign: the same for the same runs, whoever made them, and in what order.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::count;
use crate::explore::campaign::Findings;
use crate::explore::group::{Cause, Group};
use crate::explore::marks;

/// Name of the report in the folder of a campaign.
pub(super) const FILE: &str = "report.txt";

/// Name of the file in which a merge says of which folders it has made what lies beside it.
pub(super) const ORIGIN: &str = "merged-from.txt";

/// What may lie in the folder of a cause.
pub(super) const FILES_OF_A_GROUP: [&str; 4] =
    ["capsule.toml", "capsule.trace.jsonl", "shrunk.toml", "shrunk.trace.jsonl"];

/// Removes a file, if it is there.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How a campaign ends: a run that differed from itself is worse than one that failed.
pub(super) fn exit_code(findings: &Findings) -> u8 {
    if findings.parted_runs > 0 { 3 } else { u8::from(findings.groups.failures() > 0) }
}

/// Where the capsule of a cause lies.
pub(super) fn capsule(folder: &Path, cause: &Cause) -> PathBuf {
    folder.join(cause.slug()).join("capsule.toml")
}

/// Marks, those never reached, and failures by what broke. Must never: show wall-clock time.
pub(super) fn write(to: &mut dyn Write, findings: &Findings, folder: &Path) -> io::Result<()> {
    writeln!(to, "marks (runs that reached it, times in all):")?;
    let (mut never, mut defences) = (Vec::new(), Vec::new());
    let mut reached = Vec::new();
    for (id, name) in (0..).zip(marks::all()) {
        match findings.marks.get(&id) {
            Some((runs, times)) => reached.push((name, runs, times)),
            None if marks::DEFENCES.contains(&name) => defences.push(name),
            None => never.push(name),
        }
    }
    reached.sort_unstable();
    for (name, runs, times) in reached {
        writeln!(to, "  {name:42} {runs:>8} {times:>10}")?;
    }
    if never.is_empty() {
        writeln!(to, "every mark was reached that a cluster can reach")?;
    } else {
        writeln!(to, "never reached: {}", never.join(", "))?;
    }
    if !defences.is_empty() {
        let list = defences.join(", ");
        writeln!(
            to,
            "not reached, and only by peers that break the protocol or do not know it: {list}"
        )?;
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
        "{}, {:.0} s simulated, {} of {} marks, {} of them together, {} in {}",
        count(findings.runs as usize, "run"),
        findings.sim_time.as_secs_f64(),
        findings.marks.len(),
        marks::all().count(),
        count(findings.pairs.len(), "pair"),
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
