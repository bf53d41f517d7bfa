//! The rare states that a campaign should reach, by name.
//!
//! The node says when it is in one. Must never: miss one that the node knows; a test compares.

/// Names of all marks, sorted.
pub const MARKS: &[&str] = &[
    "ack-beyond-our-offset",
    "all-replicas-closed",
    "backlog-expired",
    "cached-master-discarded",
    "continue-at-end",
    "continue-at-first-backlog-byte",
    "continue-under-a-new-id",
    "cut-in-handshake",
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
    "snapshot-shared",
    "stream-broken",
    "waited-for-next-snapshot",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn read(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                for call in [".mark(\"", "marks.push(\""] {
                    let names = text.split(call).skip(1);
                    found
                        .extend(names.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
                }
            }
        }
    }

    #[test]
    fn the_list_is_that_of_the_node() {
        let mut found = BTreeSet::new();
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"), &mut found);
        let listed: BTreeSet<String> = MARKS.iter().map(ToString::to_string).collect();
        assert_eq!(found, listed);
    }
}
