//! From a file to a [`Scenario`], or to every mistake in it.

use std::collections::BTreeSet;
use std::path::Path;

use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Problems};
use super::{Scenario, sound, structure, validate};

/// Largest scenario file, in bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Reads and checks one file.
///
/// # Errors
/// All the mistakes found, each with its place.
pub fn load(path: &Path) -> Result<Scenario, Problems> {
    let shown = path.display().to_string();
    let fail = |message: String| Problems {
        path: shown.clone(),
        source: String::new(),
        list: vec![Diagnostic::whole(message)],
    };
    let size = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?.len();
    if size > MAX_FILE {
        return Err(fail(format!(
            "{size} bytes is too long for a scenario; the limit is {MAX_FILE}"
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let source = String::from_utf8(bytes)
        .map_err(|e| fail(format!("is not UTF-8: byte {}", e.utf8_error().valid_up_to())))?;
    parse(&name_of(path), &shown, &source)
}

/// The name of a scenario: its path below the last folder called `scenarios`, without ending.
pub fn name_of(path: &Path) -> String {
    let plain = path.with_extension("");
    let parts: Vec<_> = plain.iter().map(|part| part.to_string_lossy()).collect();
    let below = match parts.iter().rposition(|part| part == "scenarios") {
        Some(root) => &parts[root + 1..],
        None => &parts[parts.len().saturating_sub(1)..],
    };
    below.join("/")
}

/// Checks the text of one file. `path` is only shown.
///
/// # Errors
/// All the mistakes found, each with its place.
pub fn parse(name: &str, path: &str, source: &str) -> Result<Scenario, Problems> {
    let fail = |mut list: Vec<Diagnostic>| {
        list.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        Problems { path: path.to_owned(), source: source.to_owned(), list }
    };
    let (document, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        return Err(fail(not_toml(source, &errors)));
    }
    let mut problems = structure::check(&document);
    if !problems.is_empty() {
        problems.extend(sound::mistakes(document, &problems));
        return Err(fail(problems));
    }
    let mut scenario: Scenario =
        toml::from_str(source).map_err(|error| fail(vec![from_toml(&error)]))?;
    name.clone_into(&mut scenario.name);
    let problems = validate::validate(&scenario);
    if problems.is_empty() { Ok(scenario) } else { Err(fail(problems)) }
}

/// What keeps a text from being TOML: the first of each line, for the others come of it.
fn not_toml(source: &str, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let mut lines = BTreeSet::new();
    let mut line_of = |problem: &Diagnostic| {
        let before = problem.span.as_ref().and_then(|span| source.get(..span.start));
        lines.insert(before.map(|text| text.matches('\n').count()))
    };
    errors.iter().map(from_toml).filter(|problem| line_of(problem)).collect()
}

fn from_toml(error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim();
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    match error.span() {
        Some(span) => Diagnostic::new(first, span, rest),
        None => Diagnostic::whole(message),
    }
}
