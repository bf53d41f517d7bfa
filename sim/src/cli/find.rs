//! Which files a command line means.

use std::path::{Path, PathBuf};

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
    for path in paths {
        let before = files.len();
        if path.is_dir() {
            collect(path, 0, &mut files)?;
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(missing(path));
        }
        if files.len() == before {
            return Err(format!("`{}` holds no scenario (*.toml)", path.display()));
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
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
