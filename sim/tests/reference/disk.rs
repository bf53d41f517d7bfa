//! Steps about disks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kit::{Ran, passes, run_with};

/// One node with something to save, that is told to save every second.
fn saver(steps: &str) -> String {
    let mut text = String::from(
        "title = \"t\"\n[nodes.m1]\n[config]\nsave = \"\"\n[workload]\nrate = 100\nvalue-bytes = 1000\nstop = \"2s\"\n[run]\nduration = \"30s\"\n",
    );
    for second in 3..29 {
        text.push_str(&format!(
            "[[step]]\nat = \"{second}s\"\ncommand = {{ node = \"m1\", send = \"SAVE\" }}\n"
        ));
    }
    text + steps
}

/// The seconds in which a save failed; all others worked.
fn failed(ran: &Ran) -> Vec<u64> {
    let seconds = |name| ran.times("m1", name).into_iter().map(|ms| ms / 1000);
    let failed: Vec<u64> = seconds("snapshot-failed").collect();
    assert_eq!(seconds("snapshot-saved").count() + failed.len(), 26);
    failed
}

fn fault(text: &str) -> String {
    format!("[[step]]\nat = \"9900ms\"\n{text}\n")
}

#[test]
fn step_slow_disk() {
    let time = |steps: &str| {
        let ran = passes(&saver(steps));
        // When each snapshot was taken, and when it was safe.
        let took = |(taken, saved): (&u64, &u64)| saved - taken;
        let (taken, saved) = (ran.times("m1", "snapshot-taken"), ran.times("m1", "snapshot-saved"));
        taken.iter().zip(&saved).map(took).collect::<Vec<_>>()
    };
    let fast = time("");
    assert!(fast.len() == 26 && fast.iter().all(|ms| *ms < 50), "{fast:?}");
    // 100 to 200 KB at 200 KB a second.
    let slow =
        time(&fault("slow-disk = { node = \"m1\", bandwidth = \"200kb/s\", for = \"10s\" }"));
    assert!(slow.iter().any(|ms| *ms > 400), "{slow:?}");
    assert!(slow[slow.len() - 1] < 50, "it is fast again: {slow:?}");
    let late = time(&fault("slow-disk = { node = \"m1\", latency = \"30ms..40ms\" }"));
    assert!(
        late[..6].iter().all(|ms| *ms < 50) && late[8..].iter().all(|ms| *ms > 100),
        "{late:?}"
    );
}

#[test]
fn step_full_disk() {
    let ran = passes(&saver(&fault("full-disk = { node = \"m1\", for = \"3s\" }")));
    assert_eq!(failed(&ran), [10, 11, 12]);
    let room = fault("full-disk = { node = \"m1\", free = \"10MB\" }");
    // A file that takes the place of another gives its room back.
    assert_eq!(failed(&passes(&saver(&room))), [] as [u64; 0]);
    let little = fault("full-disk = { node = \"m1\", free = \"10kb\" }");
    assert_eq!(failed(&passes(&saver(&little))).len(), 19);
}

#[test]
fn step_disk_error() {
    let fails = |text: &str, seed: u64| {
        let ran = run_with(&saver(&fault(text)), seed);
        ran.report.assert_passed();
        failed(&ran)
    };
    for on in ["", "on = \"write\",", "on = \"sync\",", "on = \"any\","] {
        let text = format!("disk-error = {{ node = \"m1\", {on} for = \"3s\" }}");
        assert_eq!(fails(&text, 1), [10, 11, 12], "{on}");
    }
    assert_eq!(fails("disk-error = { node = \"m1\", on = \"read\" }", 1), [] as [u64; 0]);
    // A share of the operations: a save is some of them, and one that fails is enough.
    let some = "disk-error = { node = \"m1\", on = \"sync\", chance = 0.3 }";
    let failures: Vec<Vec<u64>> = (1..=3).map(|seed| fails(some, seed)).collect();
    assert!(failures.iter().all(|f| (3..=17).contains(&f.len())), "{failures:?}");
    assert_eq!(failures[0], fails(some, 1), "the same seed, the same failures");
    assert_ne!(failures[0], failures[1]);
    assert_eq!(fails("disk-error = { node = \"m1\", chance = 0 }", 1), [] as [u64; 0]);
}

#[test]
fn step_disk_ok() {
    let steps = fault("full-disk = \"m1\"")
        + &fault("disk-error = \"m1\"")
        + "[[step]]\nat = \"13900ms\"\ndisk-ok = \"m1\"\n";
    assert_eq!(failed(&passes(&saver(&steps))), [10, 11, 12, 13]);
}

#[test]
fn step_remove_rdb() {
    let text = |remove: &str| {
        format!(
            "title = \"t\"\n[nodes.m1]\n[workload]\nstop = \"2s\"\n[run]\nduration = \"8s\"
[[step]]\nat = \"3s\"\nshutdown = {{ node = \"m1\", save = true, for = \"2s\" }}\n{remove}"
        )
    };
    let loaded = |ran: &Ran| {
        ran.events("m1", "started").iter().map(|e| e["loaded"] == true).collect::<Vec<_>>()
    };
    assert_eq!(loaded(&passes(&text(""))), [false, true]);
    let remove = "[[step]]\nat = \"4s\"\nremove-rdb = \"m1\"\n";
    assert_eq!(loaded(&passes(&text(remove))), [false, false]);
}

/// What the world says of what was lost.
fn lost(ran: &Ran) -> Vec<String> {
    let text = |event: &&Value| event["text"].as_str().unwrap_or_default().to_owned();
    let all = ran.events("world", "world");
    all.iter().map(text).filter(|text| text.starts_with("the disk of")).collect()
}

#[test]
fn step_power_cut() {
    // In the middle of a save to a slow disk.
    let text = |torn: &str| {
        saver(&fault("slow-disk = { node = \"m1\", bandwidth = \"60kb/s\" }"))
            + &format!(
                "[[step]]\nat = \"11800ms\"\npower-cut = {{ node = \"m1\", {torn}for = \"4s\" }}\n"
            )
    };
    let whole = passes(&text(""));
    let starts = whole.times("m1", "started");
    assert!(starts.len() == 2 && (15_800..19_500).contains(&starts[1]), "{starts:?}");
    assert!(lost(&whole)[0].ends_with("bytes that were not synced"), "{:?}", lost(&whole));
    let torn: BTreeSet<String> = (1..=4)
        .flat_map(|seed| lost(&run_with(&text("torn = true, "), seed)))
        .map(|text| text.split(',').nth(1).unwrap_or("nothing is left").to_owned())
        .collect();
    assert!(torn.len() > 1, "each seed tears elsewhere: {torn:?}");
    // Peers are told nothing, other than by a process that is killed.
    let noticed = |action: &str| {
        let ran = passes(&format!(
            "{}repl-timeout = 8\n[[step]]\nat = \"5s\"\n{action}\n[run]\nduration = \"30s\"\n",
            crate::kit::PAIR
        ));
        let gone = ran.events("m1", "replica").into_iter().filter(|e| e["state"] == "Gone");
        gone.map(|e| e["t_us"].as_u64().expect("a time") / 1000).next().expect("it is gone")
    };
    assert!(noticed("kill = { node = \"r1\", for = \"15s\" }") < 5100);
    assert!(noticed("power-cut = { node = \"r1\", for = \"15s\" }") > 11_000);
}
