//! Writing files: RDB snapshots and redis.conf, whole or not at all.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use super::bell::Bell;
use super::files::{self, Failure};
use super::shell::Shell;
use crate::codec::rdb;
use crate::env::{Disk, DiskFile, Env, Part};
use crate::node::SnapshotJob;

/// `rdb-key-save-delay` is slept in pieces of at least this, the finest that a timer can do.
const MIN_NAP: Duration = Duration::from_millis(1);

/// Writes a snapshot, and tells the node how it went.
pub(super) async fn save<E: Env>(
    shell: Rc<Shell<E>>,
    stop: Rc<Bell>,
    job: u64,
    snapshot: SnapshotJob,
    dir: String,
    file: String,
) {
    let temp_path = files::join(&dir, &format!("temp-{}-{job}.rdb", shell.env.process_id()));
    let path = files::join(&dir, &file);
    let outcome = tokio::select! {
        biased;
        () = stop.wait() => None,
        outcome = write_snapshot(&shell, job, snapshot, &temp_path, &path) => {
            shell.awake().await;
            // Stopped after the last byte, while the process slept.
            (!stop.is_rung()).then_some(outcome)
        }
    };
    if !matches!(outcome, Some(Ok(_))) {
        remove_temp(&shell, &temp_path).await;
    }
    if let Some(outcome) = outcome {
        shell.awake().await;
        shell.save_ended(job);
        let outcome = outcome.map_err(|failure| failure.to_string());
        shell.with(|node, now| node.save_finished(now, job, outcome));
    }
}

async fn write_snapshot<E: Env>(
    shell: &Rc<Shell<E>>,
    job: u64,
    snapshot: SnapshotJob,
    temp_path: &str,
    path: &str,
) -> Result<u64, Failure> {
    let disk = shell.env.disk();
    let mut file = disk.create(temp_path).await.map_err(|error| {
        Failure::new(
            format_args!("Failed opening the temp RDB file {temp_path} for saving"),
            &error,
        )
    })?;
    let mut pace = Pace::new(snapshot.delay_per_key);
    let length_bytes = Arc::new(AtomicU64::new(0));
    let counted = length_bytes.clone();
    let parts = rdb::encode(snapshot).map(move |chunk| {
        counted.fetch_add(chunk.bytes.len() as u64, Ordering::Relaxed);
        Part { bytes: chunk.bytes, units: chunk.keys, pause: pace.owes(chunk.keys) }
    });
    let written = file.append_all(Box::new(parts), async |keys| {
        shell.awake().await;
        shell.with(|node, _| node.snapshot_progress(job, keys));
    });
    written.await.map_err(|error| {
        Failure::new(format_args!("Write error saving DB on disk to {temp_path}"), &error)
    })?;
    shell.opening.none().await;
    files::publish(&disk, file, temp_path, path).await?;
    Ok(length_bytes.load(Ordering::Relaxed))
}

/// Writes `contents` over `path`, and tells the node how it went.
pub(super) async fn write_file<E: Env>(
    shell: Rc<Shell<E>>,
    job: u64,
    path: String,
    contents: Vec<u8>,
) {
    let temp_path = format!("{path}.{}-{job}.tmp", shell.env.process_id());
    let disk = shell.env.disk();
    let outcome = async {
        let mut file = disk
            .create(&temp_path)
            .await
            .map_err(|error| Failure::new(format_args!("Failed opening {temp_path}"), &error))?;
        file.append(&contents)
            .await
            .map_err(|error| Failure::new(format_args!("Failed writing {temp_path}"), &error))?;
        files::publish(&disk, file, &temp_path, &path).await
    }
    .await;
    if outcome.is_err() {
        remove_temp(&shell, &temp_path).await;
    }
    shell.awake().await;
    let outcome = outcome.map_err(|failure| failure.to_string());
    shell.with(|node, now| node.file_written(now, job, outcome));
}

/// Tells the node whether a path is a folder, and if not why.
pub(super) async fn check_folder<E: Env>(shell: Rc<Shell<E>>, job: u64, path: String) {
    let result = shell.env.disk().sync_dir(&path).await.map_err(|error| files::io_text(&error));
    shell.awake().await;
    shell.with(|node, now| node.folder_checked(now, job, result));
}

/// Removes a temporary file, as far as that can be done.
pub(super) async fn remove_temp<E: Env>(shell: &Shell<E>, temp_path: &str) {
    // It may never have been created, or have been renamed already; on a broken disk it stays.
    let _ = shell.env.disk().remove(temp_path).await;
}

/// Slows a save or a load down by so much a key.
pub(super) struct Pace {
    per_key: Duration,
    owed: Duration,
}

impl Pace {
    /// Nothing is owed yet.
    pub(super) fn new(per_key: Duration) -> Self {
        Self { per_key, owed: Duration::ZERO }
    }

    /// Sleeps for this many keys, or owes it.
    pub(super) async fn keys(&mut self, keys: u64) {
        let nap = self.owes(keys);
        if !nap.is_zero() {
            tokio::time::sleep(nap).await;
        }
    }

    /// How long to sleep for this many keys and what was owed before; if zero, it is owed.
    fn owes(&mut self, keys: u64) -> Duration {
        let keys = u32::try_from(keys).unwrap_or(u32::MAX);
        self.owed = self.owed.saturating_add(self.per_key.saturating_mul(keys));
        if self.owed < MIN_NAP {
            return Duration::ZERO;
        }
        std::mem::take(&mut self.owed)
    }
}

/// Counts the transfers that still have to open the RDB file. While there are any, no other
/// file is renamed over it: they would send a snapshot that their replicas were not promised.
#[derive(Default)]
pub(super) struct Opening {
    count: Rc<Cell<usize>>,
    done: Rc<Bell>,
}

/// One that has to open the file; dropped when it has.
pub(super) struct OpeningGuard {
    count: Rc<Cell<usize>>,
    done: Rc<Bell>,
}

impl Opening {
    /// One more.
    pub(super) fn begin(&self) -> OpeningGuard {
        self.count.set(self.count.get() + 1);
        OpeningGuard { count: self.count.clone(), done: self.done.clone() }
    }

    /// Waits until there are none. One save at a time gets here, as the node runs no two.
    async fn none(&self) {
        poll_fn(|cx| {
            if self.count.get() == 0 {
                return Poll::Ready(());
            }
            self.done.arm(cx);
            Poll::Pending
        })
        .await;
    }
}

impl Drop for OpeningGuard {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.done.ring();
    }
}
