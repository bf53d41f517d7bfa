//! Real files. Every call that may wait for a disk runs on tokio's blocking threads.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::env::{Disk, DiskFile, DiskReader, Part, Parts};

/// Appended bytes are collected up to this before they go to the system: each hop to another
/// thread and back moves threads between processors, and others wait meanwhile.
const BUFFER_BYTES: usize = 1024 * 1024;

/// Bytes of parts between two reports of progress: each wakes the event loop.
const REPORT_BYTES: usize = 1024 * 1024;
/// Reports of progress that may wait for the event loop; a thread whose reports no one takes
/// stands still after so many.
const REPORTS: usize = 64;

/// Bytes read at once, even if fewer are wanted, for the same reason.
const READ_AHEAD_BYTES: usize = 1024 * 1024;

/// Not a directory.
const ENOTDIR: i32 = 20;

/// The disk of this machine; relative paths are relative to the process's folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// A file open for appending. What was appended is in the file at the latest after
/// [`DiskFile::sync`]; an error may be told by a later call than the one it is about.
pub struct RealFile {
    file: Arc<File>,
    buffer: Vec<u8>,
    /// The buffer before it, on its way to the system while this one fills. At most one, as they
    /// have to arrive in order. Gives the buffer back, empty.
    writing: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

/// A file open for reading.
pub struct RealReader {
    file: Arc<File>,
    length_bytes: u64,
    ahead: RefCell<Ahead>,
}

/// What was read beyond what was asked for. Two buffers are used by turns, and again once nobody
/// has anything of them any more: fresh memory costs more than to read into it.
#[derive(Default)]
struct Ahead {
    /// Its place in the file.
    offset: u64,
    bytes: BytesMut,
    /// The buffer that is read into next.
    spare: BytesMut,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    outcome(tokio::task::spawn_blocking(work).await)
}

/// What came of work on another thread; a panic there goes on here.
fn outcome<T>(ended: Result<io::Result<T>, JoinError>) -> io::Result<T> {
    match ended {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(io::Error::other("the process is ending")),
        },
    }
}

/// Writes parts as they are made, and reports so many at a time, or each that was paused for.
/// Ends, with nothing to tell and no one to tell it to, when it is given up.
fn write_parts(
    mut file: &File,
    parts: Parts,
    reports: &mpsc::Sender<u64>,
    given_up: &Receiver<()>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let (mut units, mut unreported_bytes) = (0, 0);
    for Part { bytes, units: more, pause } in parts {
        let paused = !pause.is_zero();
        if paused && given_up.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        buffer.extend_from_slice(&bytes);
        units += more;
        unreported_bytes += bytes.len();
        if buffer.len() >= BUFFER_BYTES {
            file.write_all(&buffer)?;
            buffer.clear();
        }
        if unreported_bytes >= REPORT_BYTES || paused {
            unreported_bytes = 0;
            if reports.blocking_send(std::mem::take(&mut units)).is_err() {
                return Ok(());
            }
        }
    }
    file.write_all(&buffer)?;
    // Who has given up needs no report.
    let _ = reports.blocking_send(units);
    Ok(())
}

impl Disk for RealDisk {
    type File = RealFile;
    type Reader = RealReader;

    async fn create(&self, path: &str) -> io::Result<RealFile> {
        let path = path.to_owned();
        let file =
            blocking(move || OpenOptions::new().write(true).create(true).truncate(true).open(path))
                .await?;
        Ok(RealFile { file: Arc::new(file), buffer: Vec::new(), writing: None })
    }

    async fn open(&self, path: &str) -> io::Result<RealReader> {
        let path = path.to_owned();
        let (length_bytes, file) = blocking(move || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok((about.len(), file))
        })
        .await?;
        Ok(RealReader { file: Arc::new(file), length_bytes, ahead: RefCell::default() })
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        blocking(move || std::fs::rename(from, to)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let path = path.to_owned();
        blocking(move || std::fs::remove_file(path)).await
    }

    async fn sync_dir(&self, path: &str) -> io::Result<()> {
        let path = path.to_owned();
        blocking(move || {
            let folder = File::open(path)?;
            if !folder.metadata()?.is_dir() {
                return Err(io::Error::from_raw_os_error(ENOTDIR));
            }
            folder.sync_all()
        })
        .await
    }
}

impl RealFile {
    /// Waits until all that was given to the system is there. The buffer that was given is empty
    /// then. Nothing is lost if this is given up and called again.
    async fn written(&mut self) -> io::Result<Vec<u8>> {
        let Some(writing) = &mut self.writing else { return Ok(Vec::new()) };
        let ended = writing.await;
        self.writing = None;
        outcome(ended)
    }

    /// Gives the buffer to the system, after the one before it.
    async fn start_writing(&mut self) -> io::Result<()> {
        let empty = self.written().await?;
        let mut full = std::mem::replace(&mut self.buffer, empty);
        let file = self.file.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || {
            (&*file).write_all(&full)?;
            full.clear();
            Ok(full)
        }));
        Ok(())
    }

    async fn write_out(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.start_writing().await?;
        }
        self.written().await.map(drop)
    }
}

impl DiskFile for RealFile {
    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.start_writing().await
    }

    /// On one thread from the first part to the last: a hop through the event loop for each would
    /// make clients wait for the processor more often than the save itself does.
    async fn append_all(
        &mut self,
        parts: Parts,
        mut progress: impl AsyncFnMut(u64),
    ) -> io::Result<()> {
        self.write_out().await?;
        let file = self.file.clone();
        let (reports, mut reported) = mpsc::channel(REPORTS);
        // Closed when this future is dropped, which ends a pause.
        let (_going_on, given_up) = std::sync::mpsc::channel();
        let writer =
            tokio::task::spawn_blocking(move || write_parts(&file, parts, &reports, &given_up));
        while let Some(units) = reported.recv().await {
            progress(units).await;
        }
        outcome(writer.await)
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.write_out().await?;
        let file = self.file.clone();
        blocking(move || file.sync_all()).await
    }
}

impl DiskReader for RealReader {
    fn len_bytes(&self) -> u64 {
        self.length_bytes
    }

    async fn read_at(&self, offset: u64, max_bytes: usize) -> io::Result<Bytes> {
        if let Some(bytes) = self.take_ahead(offset, max_bytes) {
            return Ok(bytes);
        }
        let file = self.file.clone();
        let mut buffer = self.ahead.borrow_mut().next_buffer();
        let length = max_bytes.max(READ_AHEAD_BYTES);
        let bytes = blocking(move || {
            fill(&mut buffer, &file, offset, length)?;
            Ok(buffer)
        })
        .await?;
        let mut ahead = self.ahead.borrow_mut();
        ahead.offset = offset;
        ahead.bytes = bytes;
        Ok(ahead.take(max_bytes))
    }
}

impl Ahead {
    /// The buffer whose turn it is, empty.
    fn next_buffer(&mut self) -> BytesMut {
        self.bytes.clear();
        let used = std::mem::take(&mut self.bytes);
        std::mem::replace(&mut self.spare, used)
    }

    fn take(&mut self, max_bytes: usize) -> Bytes {
        let taken = self.bytes.split_to(self.bytes.len().min(max_bytes));
        self.offset += taken.len() as u64;
        taken.freeze()
    }
}

impl RealReader {
    /// What of an earlier reading begins at `offset`, if any.
    fn take_ahead(&self, offset: u64, max_bytes: usize) -> Option<Bytes> {
        let mut ahead = self.ahead.borrow_mut();
        if ahead.offset != offset || ahead.bytes.is_empty() || max_bytes == 0 {
            return None;
        }
        Some(ahead.take(max_bytes))
    }
}

/// Reads so many bytes into an empty buffer, fewer only at the end of the file.
fn fill(bytes: &mut BytesMut, file: &File, offset: u64, length: usize) -> io::Result<()> {
    bytes.resize(length, 0);
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test)
    }

    fn path(dir: &tempfile::TempDir, name: &str) -> String {
        dir.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    async fn write(path: &str, bytes: &[u8]) {
        let mut file = RealDisk.create(path).await.expect("created");
        file.append(bytes).await.expect("appended");
        file.sync().await.expect("synced");
    }

    #[test]
    fn what_is_appended_is_read_back_in_pieces() {
        let dir = tempfile::tempdir().expect("a folder");
        run(async {
            let path = path(&dir, "file");
            let content: Vec<u8> = (0..BUFFER_BYTES * 2 + 77).map(|at| at as u8).collect();
            let mut file = RealDisk.create(&path).await.expect("created");
            for piece in content.chunks(1000) {
                file.append(piece).await.expect("appended");
            }
            file.sync().await.expect("synced");
            let reader = RealDisk.open(&path).await.expect("opened");
            assert_eq!(reader.len_bytes(), content.len() as u64);
            let mut read = Vec::new();
            loop {
                let piece = reader.read_at(read.len() as u64, 100_000).await.expect("read");
                if piece.is_empty() {
                    break;
                }
                read.extend_from_slice(&piece);
            }
            assert!(read == content);
        });
    }

    #[test]
    fn an_open_file_stays_the_same_when_another_takes_its_name() {
        let dir = tempfile::tempdir().expect("a folder");
        run(async {
            let (old, new) = (path(&dir, "dump.rdb"), path(&dir, "temp.rdb"));
            write(&old, b"old").await;
            write(&new, b"brand new").await;
            let reader = RealDisk.open(&old).await.expect("opened");
            RealDisk.rename(&new, &old).await.expect("renamed");
            let folder = dir.path().to_str().expect("UTF-8");
            RealDisk.sync_dir(folder).await.expect("synced");
            assert_eq!(&reader.read_at(0, 100).await.expect("read")[..], b"old");
            let reader = RealDisk.open(&old).await.expect("opened");
            assert_eq!(&reader.read_at(0, 100).await.expect("read")[..], b"brand new");
            assert_eq!(&reader.read_at(6, 100).await.expect("read")[..], b"new");
            RealDisk.remove(&old).await.expect("removed");
            assert_eq!(&reader.read_at(6, 2).await.expect("read")[..], b"ne");
        });
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        run(async {
            let missing = RealDisk.open(&path(&dir, "none")).await.err();
            assert_eq!(missing.expect("an error").kind(), io::ErrorKind::NotFound);
            let folder = RealDisk.open(dir.path().to_str().expect("UTF-8")).await.err();
            assert_eq!(folder.expect("an error").kind(), io::ErrorKind::IsADirectory);
            assert!(RealDisk.create(&path(&dir, "no/file")).await.is_err());
            assert!(RealDisk.remove(&path(&dir, "none")).await.is_err());
        });
    }

    #[test]
    fn a_full_disk_is_told() {
        if !std::path::Path::new("/dev/full").exists() {
            return;
        }
        run(async {
            let mut file = RealDisk.create("/dev/full").await.expect("opened");
            file.append(b"x").await.expect("buffered");
            let error = file.sync().await.expect_err("no room");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        });
    }

    #[test]
    fn a_disk_that_fills_meanwhile_is_told_by_the_next_piece() {
        if !std::path::Path::new("/dev/full").exists() {
            return;
        }
        run(async {
            let mut file = RealDisk.create("/dev/full").await.expect("opened");
            let piece = vec![0; BUFFER_BYTES];
            file.append(&piece).await.expect("on its way");
            let error = file.append(&piece).await.expect_err("no room for the one before");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        });
    }
}
