//! `cargo sim merge`: the results of several campaigns as those of one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Stop, findings};
use crate::explore::campaign::Findings;
use crate::explore::results::{self, Key, Merger};

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
    let origin = origin(&args.dirs, &args.out);
    keeps_all_of(&args.out, &merger, origin.as_ref()).map_err(Stop::Usage)?;
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
    let note = args.out.join(findings::ORIGIN);
    let written = merger.write(&args.out).and_then(|()| match &origin {
        Some(dirs) => {
            let lines = dirs.iter().map(|dir| format!("{dir}\n")).collect::<String>();
            std::fs::write(&note, lines)
        }
        None => findings::remove(&note),
    });
    written
        .map_err(|error| Stop::Usage(format!("cannot write to {}: {error}", args.out.display())))?;
    findings::publish(&all, &args.out)?;
    Ok(ExitCode::from(findings::exit_code(&all)))
}

/// The folders as they are named in the file [`findings::ORIGIN`], one a line; `None` if `out` is
/// one of them: then it cannot be made again of the others.
fn origin(dirs: &[PathBuf], out: &Path) -> Option<BTreeSet<String>> {
    let full = |dir: &Path| dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let all: BTreeSet<PathBuf> = dirs.iter().map(|dir| full(dir)).collect();
    let lines = all.iter().map(|dir| dir.display().to_string()).collect();
    (!all.contains(&full(out))).then_some(lines)
}

/// Nothing is written over results that none of the folders has, but for those that an earlier
/// merge has made of the same folders: they have changed since.
fn keeps_all_of(
    out: &Path,
    merger: &Merger,
    origin: Option<&BTreeSet<String>>,
) -> Result<(), String> {
    let path = out.join(results::FILE);
    if !path.exists() {
        return Ok(());
    }
    let before = std::fs::read_to_string(out.join(findings::ORIGIN)).ok();
    if let (Some(before), Some(now)) = (before, origin)
        && before.lines().all(|dir| now.contains(dir))
    {
        return Ok(());
    }
    let advice = "name that folder among those to join, or another --out, or remove it";
    let mut there = Merger::default();
    there.read(out, &mut |_| ()).map_err(|why| format!("{why}: {advice}"))?;
    let lost = there.lines.iter().filter(|(key, line)| merger.lines.get(key) != Some(line)).count();
    if lost > 0 {
        let runs = super::count(lost, "run");
        let path = path.display();
        return Err(format!("{path} has {runs} that none of the folders has: {advice}"));
    }
    Ok(())
}

/// Copies a file, if there is one. One that none of the folders has stays as it is: it may be the
/// only one there is.
fn bring(from: Option<&Path>, to: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot write {}: {error}", to.display());
    let Some(from) = from else { return Ok(()) };
    if from.canonicalize().ok().is_some_and(|path| to.canonicalize().ok() == Some(path)) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::copy(from, to).map(|_| ()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::explore::campaign::Result as Run;
    use crate::explore::group::Cause;
    use crate::explore::profile::Profile;
    use crate::explore::results::{Part, Writer};
    use crate::seed::Seed;

    fn cause() -> Cause {
        Cause { invariant: "psync".into(), shape: "a byte is missing".into(), state: "".into() }
    }

    /// A campaign of one run that failed, with its capsule or without.
    fn campaign(folder: &Path, seed: u64, capsule: Option<&str>) {
        let part = Part { profile: Profile::default(), guided: None };
        let mut writer = Writer::create(folder, part).expect("a folder");
        let run = Run {
            seed: Seed(seed),
            trace_hash: seed,
            sim_time: Duration::from_secs(1),
            marks: Vec::new(),
            failure: Some((cause(), "a byte is missing".to_owned(), 3)),
            parted: None,
        };
        writer.add(&run).and_then(|()| writer.finish()).expect("written");
        if let Some(text) = capsule {
            let file = findings::capsule(folder, &cause());
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, text).expect("written");
        }
    }

    fn join(dirs: &[&Path], out: &Path) -> Result<(), String> {
        let dirs = dirs.iter().map(|dir| dir.to_path_buf()).collect();
        match merge(&MergeArgs { dirs, out: out.to_owned() }) {
            Err(Stop::Usage(why)) => Err(why),
            Ok(_) => Ok(()),
            Err(_) => panic!("another end"),
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a folder of its own; no run sees its name")]
    fn nothing_is_lost_that_the_folders_do_not_have() {
        let base = std::env::temp_dir().join(format!("replisim-merge-{}", std::process::id()));
        let [a, b, x] = ["a", "b", "x"].map(|name| base.join(name));
        campaign(&a, 1, None);
        campaign(&b, 2, None);
        campaign(&x, 1, Some("the only one"));
        let capsule = || std::fs::read_to_string(findings::capsule(&x, &cause()));
        for _ in 0..2 {
            join(&[&a, &b], &x).expect("all of its runs are in the folders");
            assert_eq!(capsule().expect("it is there still"), "the only one");
        }
        // Now it has the runs of both: those of one are not all.
        let results = || std::fs::read(x.join(results::FILE)).expect("results");
        let before = results();
        let why = join(&[&a], &x).expect_err("a run would be lost");
        assert!(why.contains("1 run that none of the folders has"), "{why}");
        assert_eq!(results(), before);
        join(&[&a, &x], &x).expect("nothing is lost");
        assert_eq!(results(), before);
        // What was made of these folders is made again when they have changed.
        let y = base.join("y");
        join(&[&a, &b], &y).expect("a new folder");
        campaign(&a, 3, None);
        join(&[&a, &b], &y).expect("it was made of these");
        join(&[&b], &y).expect_err("and of more than this one");
        std::fs::remove_dir_all(&base).expect("removed");
    }
}
