//! What survives what on a simulated disk, and how a disk fails.

use std::io;
use std::time::Duration;

use replisim::env::{Disk, DiskFile, DiskReader, Env};
use replisim_sim::disk::{DiskConfig, DiskErrors};
use replisim_sim::env::SimEnv;
use replisim_sim::seed::Seed;
use replisim_sim::simulation::{SimConfig, SimError, Simulation};

use crate::kit::{Diary, ms, secs, sim};

/// Runs `life` as the first life of a host; later ones only wait.
fn host<F, Fut>(sim: &mut Simulation, life: F)
where
    F: Fn(SimEnv) -> Fut + 'static,
    Fut: Future<Output = io::Result<()>> + 'static,
{
    let life = std::rc::Rc::new(life);
    sim.add_host("node", move |env| {
        let life = life.clone();
        async move {
            if env.world().life(env.host()) == 1 {
                life(env).await?;
            }
            std::future::pending().await
        }
    });
}

fn content(sim: &mut Simulation, path: &str) -> Option<String> {
    match sim.read_file("node", path) {
        Ok(bytes) => Some(String::from_utf8(bytes).expect("text")),
        Err(SimError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(other) => panic!("{other}"),
    }
}

/// A file saved and synced, appended to without a sync, and another one without anything; a
/// rename that is durable and one that is not; and data that was never synced under a name
/// that is durable.
async fn write_a_lot(env: SimEnv) -> io::Result<()> {
    let disk = env.disk();
    let mut file = disk.create("kept").await?;
    file.append(b"synced").await?;
    file.sync().await?;
    disk.create("old").await?.sync().await?;
    let mut old = disk.create("old").await?;
    old.append(b"old").await?;
    old.sync().await?;
    disk.sync_dir(".").await?;
    file.append(b" unsynced").await?;
    disk.create("unnamed").await?.append(b"x").await?;
    let mut new = disk.create("temp").await?;
    new.append(b"new").await?;
    new.sync().await?;
    disk.rename("temp", "old").await?;
    let mut lazy = disk.create("/lazy.tmp").await?;
    lazy.append(b"lazy").await?;
    disk.rename("/lazy.tmp", "/lazy").await?;
    disk.sync_dir("/").await
}

#[test]
fn kill_loses_nothing_that_was_written() -> Result<(), SimError> {
    let mut sim = sim(1);
    host(&mut sim, write_a_lot);
    sim.run_for(secs(1))?;
    for round in 0..2 {
        if round == 1 {
            sim.kill("node")?;
            sim.restart("node")?;
            sim.run_for(secs(1))?;
        }
        assert_eq!(content(&mut sim, "kept").as_deref(), Some("synced unsynced"));
        assert_eq!(content(&mut sim, "unnamed").as_deref(), Some("x"));
        assert_eq!(content(&mut sim, "old").as_deref(), Some("new"));
        assert_eq!(content(&mut sim, "temp"), None);
        assert_eq!(content(&mut sim, "/lazy").as_deref(), Some("lazy"));
    }
    Ok(())
}

#[test]
fn power_loss_loses_what_was_not_synced() -> Result<(), SimError> {
    let mut sim = sim(2);
    host(&mut sim, write_a_lot);
    sim.run_for(secs(1))?;
    sim.power_cut("node", false)?;
    sim.run_for(secs(1))?;
    sim.restart("node")?;
    sim.run_for(secs(1))?;
    assert_eq!(content(&mut sim, "kept").as_deref(), Some("synced"));
    assert_eq!(content(&mut sim, "unnamed"), None);
    // The rename was not durable: the old file is there, whole.
    assert_eq!(content(&mut sim, "old").as_deref(), Some("old"));
    // The name was durable, the content not.
    assert_eq!(content(&mut sim, "/lazy").as_deref(), Some(""));
    assert_eq!(sim.files("node")?, ["/data/kept", "/data/old", "/lazy"]);
    Ok(())
}

/// What is left of a file of which the first ten bytes were synced, for each of 20 seeds.
fn left_of_thirty_bytes(torn: bool) -> Result<std::collections::BTreeSet<usize>, SimError> {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let config = SimConfig { torn_block_bytes: 10, ..SimConfig::default() };
        let mut sim = Simulation::new(Seed(seed), config);
        host(&mut sim, |env| async move {
            let disk = env.disk();
            let mut file = disk.create("f").await?;
            file.append(b"0123456789").await?;
            file.sync().await?;
            disk.sync_dir(".").await?;
            file.append(b"abcdefghijABCDEFGH").await
        });
        sim.run_for(secs(1))?;
        sim.power_cut("node", torn)?;
        let left = content(&mut sim, "f").expect("a durable name");
        assert!("0123456789abcdefghijABCDEFGH".starts_with(&left));
        // A second cut finds on the platter what the first has left.
        sim.restart("node")?;
        sim.run_for(secs(1))?;
        sim.power_cut("node", torn)?;
        assert_eq!(content(&mut sim, "f"), Some(left.clone()));
        lengths.insert(left.len());
    }
    Ok(lengths)
}

#[test]
fn only_a_torn_write_survives_in_part_and_in_blocks() -> Result<(), SimError> {
    assert_eq!(left_of_thirty_bytes(false)?, [10].into());
    assert_eq!(left_of_thirty_bytes(true)?, [10, 20, 28].into());
    Ok(())
}

#[test]
fn a_file_emptied_and_torn_has_old_content_or_the_beginning_of_new() -> Result<(), SimError> {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let config = SimConfig { torn_block_bytes: 2, ..SimConfig::default() };
        let mut sim = Simulation::new(Seed(seed), config);
        host(&mut sim, |env| async move {
            let disk = env.disk();
            let mut file = disk.create("f").await?;
            file.append(b"old").await?;
            file.sync().await?;
            disk.sync_dir(".").await?;
            disk.create("f").await?.append(b"new!").await
        });
        sim.run_for(secs(1))?;
        sim.power_cut("node", true)?;
        seen.extend(content(&mut sim, "f"));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["ne", "new!", "old"]);
    Ok(())
}

#[test]
fn an_open_file_stays_what_it_was() -> Result<(), SimError> {
    let mut sim = sim(3);
    let diary = Diary::default();
    let d = diary.clone();
    host(&mut sim, move |env| {
        let d = d.clone();
        async move {
            let disk = env.disk();
            disk.create("f").await?.append(b"first").await?;
            let first = disk.open("f").await?;
            assert_eq!(first.len_bytes(), 5);
            disk.create("t").await?.append(b"second").await?;
            disk.rename("t", "f").await?;
            assert_eq!(first.read_at(0, 100).await?, "first");
            assert_eq!(disk.open("f").await?.read_at(3, 100).await?, "ond");
            disk.remove("f").await?;
            assert_eq!(first.read_at(1, 2).await?, "ir");
            assert_eq!(first.read_at(5, 2).await?, "");
            let gone = disk.open("f").await.map(|_| ()).map_err(|e| e.kind());
            assert_eq!(gone, Err(io::ErrorKind::NotFound));
            let nowhere = disk.create("/no/such").await.map(|_| ());
            assert_eq!(nowhere.map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
            d.note(&env, "done");
            Ok(())
        }
    });
    sim.run_for(secs(1))?;
    assert!(diary.has("done"));
    Ok(())
}

#[test]
fn a_large_file_is_what_was_written() -> Result<(), SimError> {
    let mut sim = sim(4);
    host(&mut sim, |env| async move {
        let disk = env.disk();
        let mut file = disk.create("f").await?;
        for i in 0..200_000_u32 {
            file.append(&i.to_be_bytes()).await?;
        }
        let read = disk.open("f").await?;
        assert_eq!(read.read_at(4 * 150_000, 4).await?[..], 150_000_u32.to_be_bytes());
        file.sync().await
    });
    sim.run_for(secs(1))?;
    let bytes = sim.read_file("node", "f")?;
    assert_eq!(bytes.len(), 800_000);
    assert!(bytes.chunks(4).zip(0_u32..).all(|(b, i)| b == i.to_be_bytes()));
    Ok(())
}

/// Notes the outcome of an append and a sync each second.
fn saver(sim: &mut Simulation) -> Diary {
    let diary = Diary::default();
    let d = diary.clone();
    host(sim, move |env| {
        let d = d.clone();
        async move {
            let disk = env.disk();
            let mut file = disk.create("f").await?;
            loop {
                tokio::time::sleep(secs(1)).await;
                let begun = env.world().now();
                let result = match file.append(&[0; 1000]).await {
                    Ok(()) => file.sync().await,
                    error => error,
                };
                let took = env.world().now() - begun;
                match result {
                    Ok(()) if took > ms(50) => d.note(&env, "slow"),
                    Ok(()) => d.note(&env, "ok"),
                    Err(e) => d.note(&env, e.to_string()),
                }
            }
        }
    });
    diary
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() -> Result<(), SimError> {
    let mut sim = sim(5);
    let diary = saver(&mut sim);
    sim.disk_full("node", Some(2500))?;
    sim.run_for(ms(3500))?;
    sim.disk_full("node", None)?;
    sim.run_for(ms(1000))?;
    let full = "No space left on device (os error 28)";
    assert_eq!(diary.texts(), ["ok", "ok", full, "ok"]);
    assert_eq!(sim.read_file("node", "f")?.len(), 3000);
    Ok(())
}

#[test]
fn a_disk_fails_as_it_is_told() -> Result<(), SimError> {
    let error = "Input/output error (os error 5)";
    let (write, sync) = (
        DiskErrors { write: 1.0, ..DiskErrors::default() },
        DiskErrors { sync: 1.0, ..DiskErrors::default() },
    );
    for errors in [write, sync] {
        let mut sim = sim(6);
        let diary = saver(&mut sim);
        sim.run_for(ms(1500))?;
        sim.disk_error("node", errors)?;
        sim.run_for(ms(1000))?;
        sim.disk_error("node", DiskErrors::default())?;
        sim.run_for(ms(1000))?;
        assert_eq!(diary.texts(), ["ok", error, "ok"], "{errors:?}");
    }
    Ok(())
}

#[test]
fn a_disk_fails_as_often_as_it_is_told() -> Result<(), SimError> {
    let failures = |seed: u64, chance: f64| {
        let mut sim = sim(seed);
        let diary = saver(&mut sim);
        sim.disk_error("node", DiskErrors { write: chance, ..DiskErrors::default() })?;
        sim.run_for(ms(200_500))?;
        let failed: Vec<Duration> =
            diary.all().iter().filter(|(_, text)| text != "ok").map(|(at, _)| *at).collect();
        Ok::<_, SimError>(failed)
    };
    let quarter = failures(8, 0.25)?;
    // 50 of 200 on average, with a standard deviation of 6.
    assert!((25..=75).contains(&quarter.len()), "{}", quarter.len());
    assert_eq!(quarter, failures(8, 0.25)?, "the same seed, the same failures");
    assert_ne!(quarter, failures(9, 0.25)?, "another seed, others");
    assert_eq!(failures(8, 0.0)?.len(), 0);
    Ok(())
}

#[test]
fn a_slow_disk_takes_its_time() -> Result<(), SimError> {
    let mut sim = sim(7);
    let diary = saver(&mut sim);
    sim.run_for(ms(1500))?;
    let config = DiskConfig { bandwidth_bytes_per_s: 10_000, ..DiskConfig::default() };
    sim.slow_disk("node", config)?;
    sim.run_for(ms(1000))?;
    assert_eq!(diary.texts(), ["ok", "slow"]);
    // 1000 bytes at 10 kB a second, and a sync of at most 2 ms.
    let took = diary.all()[1].0 - diary.all()[0].0 - secs(1);
    assert!(took >= ms(99) && took <= Duration::from_millis(104), "{took:?}");
    Ok(())
}

#[test]
fn what_a_slow_disk_has_begun_goes_on_faster_once_it_works_again() -> Result<(), SimError> {
    let mut sim = sim(7);
    let diary = saver(&mut sim);
    // 1000 bytes at 100 bytes a second: 10 s, but for the disk's getting well.
    let config = DiskConfig { bandwidth_bytes_per_s: 100, ..DiskConfig::default() };
    sim.slow_disk("node", config)?;
    sim.run_for(ms(2000))?;
    assert_eq!(diary.texts().len(), 0);
    sim.slow_disk("node", DiskConfig::default())?;
    sim.run_for(ms(100))?;
    assert_eq!(diary.texts(), ["slow"]);
    Ok(())
}
