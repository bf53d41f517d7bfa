//! The README's reference of scenarios, key by key: each does what is said of it.
//!
//! A test is named after its section and its key; [`every_key_has_a_test`] compares with the README.

mod disk;
mod expect;
mod faults;
mod kit;
mod nodes;
mod operator;
mod workload;

/// Section of the README, prefix of its tests.
const SECTIONS: [(&str, &str); 6] = [
    ("### `[nodes.NAME]`", "nodes"),
    ("### `[network]`", "network"),
    ("### `[workload]`", "workload"),
    ("### `[[step]]`", "step"),
    ("### `[expect]`", "expect"),
    ("### `[run]`", "run"),
];

const TESTS: [&str; 6] = [
    include_str!("disk.rs"),
    include_str!("expect.rs"),
    include_str!("faults.rs"),
    include_str!("nodes.rs"),
    include_str!("operator.rs"),
    include_str!("workload.rs"),
];

/// The keys in the first column of the tables of a section.
fn keys<'a>(readme: &'a str, section: &str) -> Vec<&'a str> {
    let (_, text) = readme.split_once(section).unwrap_or_else(|| panic!("no {section}"));
    let text =
        ["\n### ", "\n## "].iter().fold(text, |text, next| text.split(next).next().unwrap_or(text));
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('|'));
    rows.flat_map(|(column, _)| column.split([',', '`', ' ']).filter(|key| !key.is_empty()))
        .collect()
}

#[test]
fn every_key_has_a_test() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let mut seen = 0;
    for (section, prefix) in SECTIONS {
        for key in keys(&readme, section) {
            let name = format!("fn {prefix}_{}()", key.replace('-', "_"));
            assert!(TESTS.iter().any(|text| text.contains(&name)), "{section} {key}: no {name}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} keys were found in the README");
}
