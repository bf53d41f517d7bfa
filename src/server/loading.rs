//! Reading an RDB file into a fresh keyspace, in steps small enough that clients get their
//! `-LOADING` meanwhile.

use std::io;
use std::rc::Rc;

use super::files::{Failure, io_text};
use super::saver::Pace;
use super::shell::Shell;
use crate::codec::rdb::{Loader, RdbError};
use crate::env::{Disk, DiskReader, Env};
use crate::node::{LoadError, LoadedData, Node};

/// Bytes read from the disk at once.
const READ_BYTES: usize = 256 * 1024;
/// Longest file that is read as a whole.
const WHOLE_FILE_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Bytes decoded before others get their turn (a millisecond or so).
const STEP_BYTES: usize = 64 * 1024;

/// Loads a file for the node: at its start, or for `DEBUG RELOAD`.
pub(super) async fn load<E: Env>(shell: Rc<Shell<E>>, job: u64, path: String) {
    let result = load_file(&shell, &path).await;
    shell.awake().await;
    shell.with(|node, now| node.loaded(now, job, result));
}

/// A loader that fills a fresh keyspace of the node's.
pub(super) fn loader<E: Env>(shell: &Shell<E>) -> Loader {
    let (target, drop_expired) = shell.look(|node| node.load_target());
    Loader::new(target, drop_expired.then(|| shell.env.unix_ms()))
}

/// A refusal by the decoder.
pub(super) fn refused(error: RdbError) -> LoadError {
    LoadError::Refused(error.to_string())
}

/// Loads a file; the node's data is not touched.
pub(super) async fn load_file<E: Env>(
    shell: &Rc<Shell<E>>,
    path: &str,
) -> Result<LoadedData, LoadError> {
    let reader = match shell.env.disk().open(path).await {
        Ok(reader) => reader,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing),
        Err(error) => return Err(unreadable("opening", path, &error)),
    };
    let total_bytes = reader.len_bytes();
    shell.awake().await;
    let mut loader = loader(shell);
    let mut pace = Pace::new(shell.look(Node::load_delay_per_key));
    let mut offset = 0;
    loop {
        let bytes = reader
            .read_at(offset, READ_BYTES)
            .await
            .map_err(|error| unreadable("reading", path, &error))?;
        if bytes.is_empty() {
            return loader.finish().map_err(refused);
        }
        for step in bytes.chunks(STEP_BYTES) {
            shell.awake().await;
            let keys = loader.keys();
            loader.feed(step).map_err(refused)?;
            pace.keys(loader.keys() - keys).await;
            shell.awake().await;
            offset += step.len() as u64;
            shell.with(|node, now| node.load_progress(now, offset, total_bytes));
            tokio::task::yield_now().await;
        }
    }
}

/// Reads a whole file, and hands it to the node.
pub(super) async fn read_file<E: Env>(shell: Rc<Shell<E>>, job: u64, path: String) {
    let result = whole_file(&shell, &path).await.map_err(|error| io_text(&error));
    shell.awake().await;
    shell.with(|node, now| node.file_read(now, job, result));
}

async fn whole_file<E: Env>(shell: &Shell<E>, path: &str) -> io::Result<Vec<u8>> {
    let reader = shell.env.disk().open(path).await?;
    let mut contents = Vec::new();
    loop {
        let bytes = reader.read_at(contents.len() as u64, READ_BYTES).await?;
        if bytes.is_empty() {
            return Ok(contents);
        }
        if contents.len() + bytes.len() > WHOLE_FILE_MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        contents.extend_from_slice(&bytes);
    }
}

fn unreadable(what: &str, path: &str, error: &io::Error) -> LoadError {
    let failure = Failure::new(format_args!("Fatal error {what} the RDB file {path}"), error);
    LoadError::Refused(failure.to_string())
}
