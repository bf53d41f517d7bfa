//! Real files. Every call that may wait for a disk runs on tokio's blocking threads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::env::{Disk, DiskFile, DiskReader};

/// Appended bytes are collected up to this before they go to the system.
const BUFFER_BYTES: usize = 256 * 1024;

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
}

/// A file open for reading.
pub struct RealReader {
    file: Arc<File>,
    length_bytes: u64,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(io::Error::other("the process is ending")),
        },
    }
}

impl Disk for RealDisk {
    type File = RealFile;
    type Reader = RealReader;

    async fn create(&self, path: &str) -> io::Result<RealFile> {
        let path = path.to_owned();
        let file =
            blocking(move || OpenOptions::new().write(true).create(true).truncate(true).open(path))
                .await?;
        Ok(RealFile { file: Arc::new(file), buffer: Vec::new() })
    }

    async fn open(&self, path: &str) -> io::Result<RealReader> {
        let path = path.to_owned();
        blocking(move || {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(RealReader { length_bytes: about.len(), file: Arc::new(file) })
        })
        .await
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
    async fn write_out(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let file = self.file.clone();
        self.buffer = blocking(move || {
            (&*file).write_all(&buffer)?;
            buffer.clear();
            Ok(buffer)
        })
        .await?;
        Ok(())
    }
}

impl DiskFile for RealFile {
    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.write_out().await
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
        let file = self.file.clone();
        blocking(move || {
            let mut bytes = vec![0; max_bytes];
            let mut filled = 0;
            while filled < max_bytes {
                match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(filled);
            Ok(Bytes::from(bytes))
        })
        .await
    }
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
}
