//! Files written part by part ([`DiskFile::append_all`]), on the simulated disk and on this
//! machine's, with one test body. What a disk does to them comes as the disk it is.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use replisim::env::{Disk, DiskFile, DiskReader, Env, Part, Parts};
use replisim::server::tokio_env::RealDisk;
use replisim_sim::simulation::SimError;
use tokio::sync::oneshot;

use crate::kit::{secs, sim};

/// More than either world gathers before it writes.
const PART_BYTES: usize = 300_000;
const AN_HOUR: Duration = Duration::from_secs(3600);

fn part(number: u64, pause: Duration) -> Part {
    Part { bytes: vec![number as u8; PART_BYTES].into(), units: number, pause }
}

/// Endless parts, the first after a short pause; and what resolves when they are let go.
fn endless(pause: Duration) -> (Parts, oneshot::Receiver<()>) {
    let (held, let_go) = oneshot::channel::<()>();
    let parts = (1..).map(move |number| {
        assert!(!held.is_closed(), "no one looks at parts that were let go");
        part(number, if number == 1 { Duration::from_millis(1) } else { pause })
    });
    (Box::new(parts), let_go)
}

/// All is appended, behind what was there, in order, and reported.
async fn all_parts_arrive<D: Disk>(disk: D, path: String) -> io::Result<()> {
    let mut file = disk.create(&path).await?;
    file.append(b"before").await?;
    let (mut reports, mut units) = (0, 0);
    let parts = (1..=9).map(|number| part(number, Duration::from_millis(number % 3)));
    let small = Part { bytes: Bytes::from_static(b"after"), units: 100, pause: Duration::ZERO };
    let parts: Parts = Box::new(parts.chain([small]));
    file.append_all(parts, async |more| {
        // The event loop is slower than the disk.
        tokio::time::sleep(Duration::from_millis(2)).await;
        reports += 1;
        units += more;
    })
    .await?;
    assert_eq!(units, (1..=9).sum::<u64>() + 100);
    assert!(reports > 5, "only {reports} reports");
    file.append(b", the end").await?;
    file.sync().await?;

    let mut wanted = b"before".to_vec();
    (1..=9).for_each(|number| wanted.extend_from_slice(&part(number, AN_HOUR).bytes));
    wanted.extend_from_slice(b"after, the end");
    let reader = disk.open(&path).await?;
    assert_eq!(reader.len_bytes(), wanted.len() as u64);
    let mut read = Vec::new();
    loop {
        let piece = reader.read_at(read.len() as u64, 70_000).await?;
        if piece.is_empty() {
            break;
        }
        assert!(piece.len() <= 70_000);
        read.extend_from_slice(&piece);
    }
    assert!(read == wanted);
    Ok(())
}

/// Work that is given up in the middle ends, and lets its parts go: while it writes, and while
/// it pauses for an hour.
async fn dropped_work_ends<D: Disk>(disk: D, path: String) -> io::Result<()> {
    for (pause, last) in [(Duration::ZERO, 10), (AN_HOUR, 1)] {
        let mut file = disk.create(&path).await?;
        let (parts, let_go) = endless(pause);
        let (enough, dropped) = oneshot::channel();
        let (mut enough, mut units) = (Some(enough), 0);
        let work = file.append_all(parts, async |more| {
            units += more;
            if units >= last
                && let Some(enough) = enough.take()
            {
                let _ = enough.send(());
            }
        });
        tokio::select! {
            biased;
            _ = dropped => {}
            result = work => panic!("endless work ended: {result:?}"),
        }
        let_go.await.expect_err("nothing is ever sent");
        disk.remove(&path).await?;
    }
    Ok(())
}

/// An error ends the work where it happens; the parts are let go.
async fn an_error_ends_it<D: Disk>(disk: D, path: String, kind: io::ErrorKind) -> io::Result<()> {
    let mut file = disk.create(&path).await?;
    let (parts, let_go) = endless(Duration::ZERO);
    let error = file.append_all(parts, async |_| {}).await.expect_err("no room for all of it");
    assert_eq!(error.kind(), kind);
    let_go.await.expect_err("nothing is ever sent");
    Ok(())
}

/// A panic of the maker is not the end of the file.
async fn a_panic_goes_on<D: Disk>(disk: D, path: String) -> io::Result<()> {
    let mut file = disk.create(&path).await?;
    let parts = (1..).map(|number| {
        assert!(number < 5, "half way");
        part(number, Duration::ZERO)
    });
    file.append_all(Box::new(parts), async |_| {}).await
}

// --- on this machine

fn real<Fut: Future<Output = io::Result<()>>>(life: impl FnOnce(RealDisk, String) -> Fut) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("file").to_str().expect("UTF-8").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(life(RealDisk, path)).expect("a disk that works");
}

#[test]
fn all_parts_arrive_on_a_real_disk() {
    real(all_parts_arrive);
}

#[test]
fn dropped_work_ends_on_a_real_disk() {
    real(dropped_work_ends);
}

#[test]
fn a_full_disk_ends_it_on_a_real_disk() {
    if std::path::Path::new("/dev/full").exists() {
        let full = "/dev/full".to_owned();
        real(|disk, _| an_error_ends_it(disk, full, io::ErrorKind::StorageFull));
    }
}

#[test]
#[should_panic(expected = "half way")]
fn a_panic_goes_on_on_a_real_disk() {
    real(a_panic_goes_on);
}

// --- on the simulated one

fn simulated<Fut>(
    free_bytes: Option<u64>,
    life: impl Fn(replisim_sim::disk::SimDisk, String) -> Fut + 'static,
) -> Result<(), SimError>
where
    Fut: Future<Output = io::Result<()>> + 'static,
{
    let mut sim = sim(1);
    let done = Rc::new(Cell::new(false));
    let (life, told) = (Rc::new(life), done.clone());
    sim.add_host("node", move |env| {
        let (life, told) = (life.clone(), told.clone());
        async move {
            life(env.disk(), "file".to_owned()).await?;
            told.set(true);
            std::future::pending().await
        }
    });
    sim.disk_full("node", free_bytes)?;
    sim.run_for(secs(2))?;
    assert!(done.get(), "still at it");
    Ok(())
}

#[test]
fn all_parts_arrive_on_a_simulated_disk() -> Result<(), SimError> {
    simulated(None, all_parts_arrive)
}

#[test]
fn dropped_work_ends_on_a_simulated_disk() -> Result<(), SimError> {
    simulated(None, dropped_work_ends)
}

#[test]
fn a_full_disk_ends_it_on_a_simulated_disk() -> Result<(), SimError> {
    let free_bytes = Some(5 * PART_BYTES as u64 + 1);
    simulated(free_bytes, |disk, path| an_error_ends_it(disk, path, io::ErrorKind::StorageFull))
}
