//! Which files a command line means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::scenario::Scenario;

/// The folder that is meant when none is named.
const ROOT: &str = "scenarios";
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;

/// Scenario files, sorted, each once. A path that means none is an error.
pub fn scenarios(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    if paths.is_empty() {
        let root = Path::new(ROOT);
        if !root.is_dir() {
            return Err(format!(
                "there is no folder `{ROOT}` here: name scenario files or folders, or go to the folder that holds it"
            ));
        }
        collect(root, 0, &mut files)?;
        if files.is_empty() {
            return Err(format!("there is no scenario below `{ROOT}`"));
        }
    }
    let mut wrong = Vec::new();
    for path in paths {
        let before = files.len();
        if path.is_dir() {
            collect(path, 0, &mut files)?;
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            wrong.push(missing(path));
            continue;
        }
        if files.len() == before {
            wrong.push(format!("`{}` holds no scenario (*.toml)", path.display()));
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n       "));
    }
    files.sort();
    files.dedup();
    // One file by two ways is one file.
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    Ok(files)
}

/// Gives scenarios of one name as many of the folders above their files as tell them apart: what
/// is kept of a run lies under the name of its scenario.
pub fn distinct(found: &mut [(PathBuf, Scenario)]) {
    let mut by_name = BTreeMap::<String, Vec<usize>>::new();
    for (index, (_, scenario)) in found.iter().enumerate() {
        by_name.entry(scenario.name.clone()).or_default().push(index);
    }
    for (name, same) in by_name.into_iter().filter(|(_, same)| same.len() > 1) {
        let full: Vec<PathBuf> = same
            .iter()
            .map(|index| &found[*index].0)
            .map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()).with_extension(""))
            .collect();
        let parts = |path: &PathBuf, count: usize| -> String {
            let names = path.components().filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy()),
                _ => None,
            });
            let mut last: Vec<_> = names.rev().take(count).collect();
            last.reverse();
            last.join("/")
        };
        let least = name.split('/').count() + 1;
        let most = full.iter().map(|path| path.components().count()).max().unwrap_or(least);
        let all_differ = |count: &usize| {
            full.iter().map(|path| parts(path, *count)).collect::<BTreeSet<_>>().len() == full.len()
        };
        let count = (least..=most).find(all_differ).unwrap_or(most);
        for (index, path) in same.into_iter().zip(&full) {
            found[index].1.name = parts(path, count);
        }
    }
}

fn missing(path: &Path) -> String {
    let mut all = Vec::new();
    let known = collect(Path::new(ROOT), 0, &mut all).map(|()| all).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    let written = path.display().to_string();
    for file in &known {
        let full = file.display().to_string();
        if full.ends_with(&format!("/{written}")) || full.ends_with(&format!("/{written}.toml")) {
            return format!("there is no file `{written}`; did you mean `{full}`?");
        }
        names.push(full);
    }
    match crate::scenario::diagnostic::closest(&written, names.iter().map(String::as_str)) {
        Some(name) => format!("there is no file `{written}`; did you mean `{name}`?"),
        None => format!("there is no file or folder `{written}`"),
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("cannot read the folder {}: {e}", folder.display());
    if depth > MAX_DEPTH {
        return Err(format!("{} lies too deep", folder.display()));
    }
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            collect(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_one_name_are_told_apart_by_their_folders() {
        let of = |path: &str, name: &str| {
            let scenario = Scenario::builder(name).node("m1").build().expect("a scenario");
            (PathBuf::from(path), scenario)
        };
        let mut found = [
            of("/x/one/cut.toml", "cut"),
            of("/x/two/cut.toml", "cut"),
            of("/x/one/other.toml", "other"),
            of("/p/scenarios/themes/a.toml", "themes/a"),
            of("/q/scenarios/themes/a.toml", "themes/a"),
        ];
        distinct(&mut found);
        let names = found.map(|(_, scenario)| scenario.name);
        let far = ["p/scenarios/themes/a", "q/scenarios/themes/a"];
        assert_eq!(names, ["one/cut", "two/cut", "other", far[0], far[1]]);
    }
}
