//! `cargo sim merge`: the results of several campaigns as those of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Stop, findings};
use crate::explore::campaign::Findings;
use crate::explore::results::{Key, Merger};

#[derive(Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// Folders that `explore` or `merge` has written
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Where the joined results are written
    #[arg(long, value_name = "DIR", default_value = "target/sim/merged")]
    out: PathBuf,
}

pub(super) fn merge(args: &MergeArgs) -> Result<ExitCode, Stop> {
    let (mut merger, mut from) = (Merger::default(), BTreeMap::new());
    for dir in &args.dirs {
        let mut new = |key: &Key| {
            from.insert(key.clone(), dir.as_path());
        };
        merger.read(dir, &mut new).map_err(Stop::Usage)?;
    }
    let mut all = Findings::default();
    let mut examples = BTreeMap::new();
    for (key, line) in &merger.lines {
        if let Some(cause) = all.add(line.run.clone()) {
            examples.insert(cause, from[key]);
        }
    }
    for (cause, dir) in examples {
        let to = findings::capsule(&args.out, &cause);
        for name in findings::FILES_OF_A_GROUP {
            let from = findings::capsule(dir, &cause).with_file_name(name);
            copy(&from, &to.with_file_name(name)).map_err(Stop::Usage)?;
        }
    }
    merger
        .write(&args.out)
        .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", args.out.display())))?;
    findings::publish(&all, &args.out)?;
    Ok(ExitCode::from(findings::exit_code(&all)))
}

/// Copies a file; one that is not there (its process was killed before) is no reason to stop.
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
