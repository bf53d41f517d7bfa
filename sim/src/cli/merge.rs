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
    // A run may be in several folders, and what was kept of it in some of them only.
    let (mut merger, mut from) = (Merger::default(), BTreeMap::<Key, Vec<&Path>>::new());
    for dir in &args.dirs {
        let mut seen = |key: &Key| from.entry(key.clone()).or_default().push(dir);
        merger.read(dir, &mut seen).map_err(Stop::Usage)?;
    }
    let mut all = Findings::default();
    let mut examples = BTreeMap::new();
    for (key, line) in &merger.lines {
        if let Some(cause) = all.add(line.run.clone()) {
            examples.insert(cause, &from[key]);
        }
    }
    for (cause, dirs) in examples {
        let to = findings::capsule(&args.out, &cause);
        for name in findings::FILES_OF_A_GROUP {
            let file = |dir: &&Path| findings::capsule(dir, &cause).with_file_name(name);
            let from = dirs.iter().map(file).find(|file| file.exists());
            bring(from.as_deref(), &to.with_file_name(name)).map_err(Stop::Usage)?;
        }
        if !to.exists() {
            let name = cause.slug();
            anstream::eprintln!(
                "no capsule of {name} in any of the folders: explore its seed again"
            );
        }
    }
    merger
        .write(&args.out)
        .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", args.out.display())))?;
    findings::publish(&all, &args.out)?;
    Ok(ExitCode::from(findings::exit_code(&all)))
}

/// Copies a file. Where there is none (its process was killed before), one of another run is not
/// left in its place.
fn bring(from: Option<&Path>, to: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", to.display());
    let Some(from) = from else {
        return findings::remove(to).map_err(fail);
    };
    if from.canonicalize().ok().is_some_and(|path| to.canonicalize().ok() == Some(path)) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::copy(from, to).map(|_| ()).map_err(fail)
}
