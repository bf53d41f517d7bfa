//! The rare states that a campaign should reach, by name.
//!
//! The node says when it is in one. Must never: miss one that the node knows; a test compares.

/// All marks: the node's and the simulator's own.
pub fn all() -> impl Iterator<Item = &'static str> {
    MARKS.iter().chain(crate::witness::MARKS).copied()
}

/// Place of a mark among [`all`]: short where a name would be kept a hundred thousand times.
pub type MarkId = u16;

/// The name of a mark.
pub fn name(id: MarkId) -> &'static str {
    all().nth(usize::from(id)).unwrap_or("unknown")
}

/// Marks with their numbers, in their order. One that is not listed is left out: the test below
/// keeps the list whole.
pub fn numbered(marks: &[(String, u64)]) -> Vec<(MarkId, u64)> {
    let times = |name: &str| marks.iter().find(|(other, _)| other == name).map(|(_, times)| *times);
    (0..).zip(all()).filter_map(|(id, name)| Some((id, times(name)?))).collect()
}

/// Every two of them.
pub fn pairs(marks: &[(MarkId, u64)]) -> impl Iterator<Item = (MarkId, MarkId)> + '_ {
    marks.iter().enumerate().flat_map(move |(index, (first, _))| {
        marks[index + 1..].iter().map(move |(second, _)| (*first, *second))
    })
}

/// Names of the node's marks, sorted.
pub const MARKS: &[&str] = &[
    "ack-beyond-our-offset",
    "all-replicas-closed",
    "backlog-expired",
    "cached-master-discarded",
    "command-cut",
    "continue-at-end",
    "continue-at-first-backlog-byte",
    "continue-under-a-new-id",
    "cut-in-handshake",
    "cut-in-loading",
    "cut-in-transfer",
    "failover-aborted",
    "failover-answer-lost",
    "failover-completed",
    "failover-forced",
    "failover-refused-by-auth",
    "failover-target-was-promoted-already",
    "fallback-to-sync",
    "getack-answered",
    "joined-running-snapshot",
    "load-of-full-sync-failed",
    "master-gone-while-loading",
    "master-timed-out",
    "output-limit-hit",
    "promoted-by-failover-request",
    "promotion-during-full-sync",
    "psync-to-be-tried-later",
    "refused-no-backlog",
    "refused-one-byte-too-new",
    "refused-one-byte-too-old",
    "replica-gone-during-its-snapshot",
    "replica-timed-out",
    "second-id-accepted",
    "second-id-accepted-at-its-limit",
    "second-id-refused-past-offset",
    "snapshot-aborted-for-want-of-replicas",
    "snapshot-delayed-by-another-save",
    "snapshot-failed",
    "snapshot-mark-across-reads",
    "snapshot-not-kept",
    "snapshot-shared",
    "soft-output-limit-hit",
    "stream-broken",
    "transaction-cut",
    "waited-for-next-snapshot",
];

/// Those of them to which only a peer brings a node that breaks the protocol or is older than
/// `PSYNC`; the nodes of a cluster do not, so that no campaign can be expected to come there.
///
/// Nobody acknowledges what he has not received, or sends what is no command; and while a node
/// loads, nobody can tell it to follow another.
pub const DEFENCES: &[&str] =
    &["ack-beyond-our-offset", "cut-in-loading", "fallback-to-sync", "stream-broken"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn read(folder: &Path, texts: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, texts);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                texts.push_str(&std::fs::read_to_string(&path).expect("a file"));
            }
        }
    }

    #[test]
    fn the_list_is_that_of_the_node() {
        let mut text = String::new();
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut text);
        let listed: BTreeSet<&str> = MARKS.iter().copied().collect();
        for call in [".mark(\"", "marks.push(\""] {
            for name in text.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(listed.contains(name), "{name} is not listed");
            }
        }
        assert!(DEFENCES.iter().all(|name| listed.contains(name)));
        for name in &listed {
            assert!(text.contains(&format!("\"{name}\"")), "the node knows no {name}");
        }
    }

    #[test]
    fn numbers_and_pairs() {
        let marks = [("transaction-cut".to_owned(), 3), ("backlog-expired".to_owned(), 2)];
        let numbered = numbered(&marks);
        assert_eq!(numbered.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(name(numbered[0].0), "backlog-expired");
        assert_eq!(pairs(&numbered).collect::<Vec<_>>(), [(numbered[0].0, numbered[1].0)]);
        assert_eq!(pairs(&numbered[..1]).count(), 0);
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: BTreeSet<&str> = all().collect();
        assert_eq!(names.len(), MARKS.len() + crate::witness::MARKS.len());
        assert!(names.len() > 40);
    }
}
