//! `cargo sim merge`: the results of several campaigns as those of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Stop, findings};
use crate::explore::campaign::Findings;
use crate::explore::profile::Profile;
use crate::explore::results::{Line, Merger};

#[derive(Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// Folders that `explore` or `merge` has written
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Where the joined results are written
    #[arg(long, value_name = "DIR", default_value = "target/sim/merged")]
    out: PathBuf,
}

/// All runs, by what names them.
type Lines = BTreeMap<(Profile, u64), Line>;

pub(super) fn merge(args: &MergeArgs) -> Result<ExitCode, Stop> {
    let (mut merger, mut lines, mut from) = (Merger::default(), Lines::new(), BTreeMap::new());
    for dir in &args.dirs {
        let mut each = |line: Line| {
            let key = (line.profile, line.run.seed.0);
            from.insert(key, dir.as_path());
            lines.insert(key, line);
            Ok(())
        };
        merger.read(dir, &mut each).map_err(Stop::Usage)?;
    }
    let mut all = Findings::default();
    let mut examples = BTreeMap::new();
    for (key, line) in &lines {
        if let Some(cause) = all.add(line.run.clone()) {
            examples.insert(cause, from[key]);
        }
    }
    for (cause, dir) in examples {
        copy(&findings::capsule(dir, &cause), &findings::capsule(&args.out, &cause))
            .map_err(Stop::Usage)?;
    }
    merger.write(&args.out, &lines)?;
    findings::publish(&all, &args.out)?;
    Ok(ExitCode::from(u8::from(all.groups.failures() > 0)))
}

/// Copies a capsule; one that is not there (its process was killed before) is no reason to stop.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let same = from.canonicalize().ok().is_some_and(|path| to.canonicalize().ok() == Some(path));
    if same || !from.exists() {
        return Ok(());
    }
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", to.display());
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::copy(from, to).map(|_| ()).map_err(fail)
}
