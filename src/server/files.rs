//! Paths, and the one way in which a file is written: whole or not at all.

use std::fmt;
use std::io;

use crate::env::{Disk, DiskFile};

/// `file` in `dir`; an absolute `file` stays what it is.
pub(super) fn join(dir: &str, file: &str) -> String {
    if file.starts_with('/') || dir.is_empty() {
        return file.to_owned();
    }
    if dir.ends_with('/') {
        return format!("{dir}{file}");
    }
    format!("{dir}/{file}")
}

/// The folder of a path, as `sync_dir` wants it.
pub(super) fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => ".",
    }
}

/// A step that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure(String);

impl Failure {
    /// `step` as in "Failed opening the file".
    pub(super) fn new(step: impl fmt::Display, error: &io::Error) -> Self {
        Self(format!("{step}: {}", io_text(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of an I/O error as the operating system words it, without the number.
pub(super) fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The last steps of an atomic write: durable under the temporary name, then under its own.
pub(super) async fn publish<D: Disk>(
    disk: &D,
    mut file: D::File,
    temp_path: &str,
    path: &str,
) -> Result<(), Failure> {
    file.sync()
        .await
        .map_err(|error| Failure::new(format_args!("Failed fsyncing {temp_path}"), &error))?;
    drop(file);
    disk.rename(temp_path, path).await.map_err(|error| {
        Failure::new(
            format_args!("Error moving temp file {temp_path} on the final destination {path}"),
            &error,
        )
    })?;
    let folder = folder(path);
    disk.sync_dir(folder)
        .await
        .map_err(|error| Failure::new(format_args!("Failed fsyncing the folder {folder}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_parted() {
        assert_eq!(join("/data", "dump.rdb"), "/data/dump.rdb");
        assert_eq!(join("/data/", "dump.rdb"), "/data/dump.rdb");
        assert_eq!(join("", "dump.rdb"), "dump.rdb");
        assert_eq!(join("/data", "/other/dump.rdb"), "/other/dump.rdb");
        assert_eq!(folder("/data/dump.rdb"), "/data");
        assert_eq!(folder("/dump.rdb"), "/");
        assert_eq!(folder("dump.rdb"), ".");
    }

    #[test]
    fn errors_lose_their_number() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(io_text(&error), "No such file or directory");
        assert_eq!(io_text(&io::Error::other("torn")), "torn");
    }
}
