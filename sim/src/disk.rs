//! The disk of a simulated host: durability from turmoil, names as POSIX has them.
//!
//! turmoil's `unstable-fs` decides what of a file's content survives a power cut: what was
//! synced. It knows files by their path, though, so an open file would follow its name, and data
//! written before a rename is lost by a later sync of the folder. POSIX has inodes, so this layer
//! keeps them: every file is a file of turmoil's with a number for a name, and the folders that
//! lead to numbers are kept here twice, as the process sees them and as they are on the platter.
//! On top come what an operator meets: slow disks, full disks, errors of read, write and sync, and
//! power cuts in the middle of a write.
//!
//! A killed process loses nothing it has written: the page cache belongs to the kernel. A power
//! cut loses what was not synced; a torn one leaves some of it, in whole blocks.
//!
//! Must never: let anything survive a power cut that turmoil or `sync_dir` has not made durable,
//! but for the blocks that a torn one leaves.

mod queue;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use queue::{Queue, Ticket};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use replisim::env::{Disk, DiskFile, DiskReader};
use tokio::sync::Notify;
use turmoil::fs::FsHandle;
use turmoil::fs::shim::std::fs as carrier;

use crate::seed::Seed;
use crate::world::{HostId, World};

/// Folder that relative paths start from.
pub const HOME: &str = "/data";
/// turmoil's folder of numbered files.
const INODES: &str = "/inodes";
/// Appended bytes are gathered up to this size before turmoil gets them; its cost grows with
/// the number of writes that are not yet synced.
const GATHER_BYTES: usize = 256 * 1024;

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// How fast a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskConfig {
    /// Shortest and longest time of an operation beside its transfer, microseconds.
    pub operation_us: (u64, u64),
    /// Shortest and longest time of a sync beside its transfer, microseconds.
    pub sync_us: (u64, u64),
    /// Bytes a second that are read or written.
    pub bandwidth_bytes_per_s: u64,
}

impl Default for DiskConfig {
    /// A good SSD: operations at once, syncs in 0.5 to 2 ms, 500 MB a second.
    fn default() -> Self {
        Self { operation_us: (0, 0), sync_us: (500, 2_000), bandwidth_bytes_per_s: 500_000_000 }
    }
}

/// Which share of its operations fails with an I/O error: 0 none, 1 all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DiskErrors {
    /// Of opening and reading.
    pub read: f64,
    /// Of creating, appending, renaming and removing.
    pub write: f64,
    /// Of syncing files and folders.
    pub sync: f64,
}

/// What a power cut did to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Bytes of files that were not synced.
    pub unsynced_bytes: u64,
    /// Bytes of them that a torn write has left.
    pub left_bytes: u64,
}

type InodeId = u64;

#[derive(Debug, Default)]
struct Inode {
    /// Length as the process sees it.
    len: u64,
    /// The end of the content, not yet given to turmoil.
    gathered: Vec<u8>,
    /// Whether turmoil holds content that is not synced.
    dirty: bool,
    /// Length of the part that is synced.
    synced_len: u64,
    /// Open files.
    handles: usize,
}

/// Everything about one host's disk.
pub(crate) struct DiskState {
    config: DiskConfig,
    pub errors: DiskErrors,
    /// Bytes that can still be written, if the disk is limited.
    pub free_bytes: Option<u64>,
    queue: Queue,
    /// Told when the speed changes.
    changed: Rc<Notify>,
    /// How long operations take.
    rng: ChaCha8Rng,
    /// Which operations fail.
    error_rng: ChaCha8Rng,
    /// What a torn write leaves.
    tear_rng: ChaCha8Rng,
    /// Size of the blocks in which it does.
    block_bytes: u64,
    /// What the power cut under way leaves of each file beyond what was synced.
    torn: Vec<(InodeId, Vec<u8>)>,
    /// turmoil's own disk of this host; reaches it between steps too.
    fs: Option<FsHandle>,
    folders: BTreeSet<String>,
    live: BTreeMap<String, InodeId>,
    durable: BTreeMap<String, InodeId>,
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: InodeId,
}

impl DiskState {
    /// The disk of the host `name`.
    pub fn new(config: DiskConfig, block_bytes: u64, seed: Seed, name: &str) -> Self {
        Self {
            config,
            errors: DiskErrors::default(),
            free_bytes: None,
            queue: Queue::new(config.bandwidth_bytes_per_s),
            changed: Rc::new(Notify::new()),
            rng: seed.stream("disk", name),
            error_rng: seed.stream("disk-error", name),
            tear_rng: seed.stream("disk-tear", name),
            block_bytes: block_bytes.max(1),
            torn: Vec::new(),
            fs: None,
            folders: ["/".to_owned(), HOME.to_owned()].into(),
            live: BTreeMap::new(),
            durable: BTreeMap::new(),
            inodes: BTreeMap::new(),
            next_inode: 0,
        }
    }

    /// Takes hold of turmoil's disk; called at the start of every life, by the host itself.
    pub fn mount(&mut self) -> io::Result<()> {
        if !carrier::exists(INODES) {
            carrier::create_dir(INODES)?;
            carrier::sync_dir("/")?;
        }
        self.fs = Some(FsHandle::current());
        Ok(())
    }

    /// The process is killed: the kernel keeps what it has written. turmoil is about to throw
    /// away what is not synced, so everything is.
    pub fn before_kill(&mut self) -> io::Result<()> {
        self.flush_all(true)
    }

    /// The machine loses power, in the middle of a write if `torn`: turmoil gets what it may lose.
    pub fn before_power_cut(&mut self, torn: bool) -> io::Result<Lost> {
        self.flush_all(false)?;
        if torn {
            self.tear()?;
        }
        let dirty = self.inodes.values().filter(|inode| inode.dirty);
        let unsynced_bytes = dirty.map(|inode| inode.len - inode.synced_len).sum();
        let left = self.torn.iter().map(|(id, content)| {
            let synced_len = self.inodes.get(id).map_or(0, |inode| inode.synced_len);
            content.len() as u64 - synced_len
        });
        Ok(Lost { unsynced_bytes, left_bytes: left.sum() })
    }

    fn flush_all(&mut self, sync: bool) -> io::Result<()> {
        let Some(fs) = self.fs.take() else {
            return Ok(());
        };
        let guard = fs.enter();
        let ids: Vec<InodeId> = self.inodes.keys().copied().collect();
        for id in ids {
            self.flush(id)?;
            if sync {
                self.sync_inode(id)?;
            }
        }
        drop(guard);
        self.fs = Some(fs);
        Ok(())
    }

    /// Draws what is left of each file that is not synced: its synced part and so many whole
    /// blocks of the rest. A file is only ever appended to, or emptied first.
    fn tear(&mut self) -> io::Result<()> {
        let Some(fs) = self.fs.take() else {
            return Ok(());
        };
        let guard = fs.enter();
        for (id, inode) in self.inodes.iter().filter(|(_, inode)| inode.dirty) {
            let blocks = (inode.len - inode.synced_len).div_ceil(self.block_bytes);
            let left = self.tear_rng.random_range(0..=blocks);
            if left > 0 {
                let mut content = carrier::read(inode_path(*id))?;
                let end = (inode.synced_len + left * self.block_bytes).min(inode.len);
                content.truncate(end as usize);
                self.torn.push((*id, content));
            }
        }
        drop(guard);
        self.fs = Some(fs);
        Ok(())
    }

    /// Puts on the platter what the power cut has left of files that were not synced.
    fn leave_torn(&mut self) -> io::Result<()> {
        for (id, content) in std::mem::take(&mut self.torn) {
            let mut file = carrier::File::create(inode_path(id))?;
            file.write_all(&content)?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// After turmoil's crash following a kill: the files are there, nobody has them open.
    pub fn after_kill(&mut self) -> io::Result<()> {
        self.reopen()
    }

    /// After turmoil's crash of a power cut: names are what the platter has.
    pub fn after_power_cut(&mut self) -> io::Result<()> {
        self.live = self.durable.clone();
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.queue.clear();
        let Some(fs) = self.fs.take() else {
            return Ok(());
        };
        let guard = fs.enter();
        self.leave_torn()?;
        for (id, inode) in &mut self.inodes {
            inode.gathered.clear();
            inode.handles = 0;
            inode.dirty = false;
            inode.len = carrier::metadata(inode_path(*id))?.len();
            inode.synced_len = inode.len;
        }
        let result = self.collect();
        drop(guard);
        self.fs = Some(fs);
        result
    }

    /// Removes files that have neither a name nor a reader.
    fn collect(&mut self) -> io::Result<()> {
        let named: BTreeSet<InodeId> =
            self.live.values().chain(self.durable.values()).copied().collect();
        let unused: Vec<InodeId> = self
            .inodes
            .iter()
            .filter(|(id, inode)| inode.handles == 0 && !named.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        for id in unused {
            self.inodes.remove(&id);
            carrier::remove_file(inode_path(id))?;
        }
        carrier::sync_dir(INODES)
    }

    /// The content of a file as the process would see it; works between steps too.
    pub fn read_all(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let id = self.lookup(&absolute(path))?;
        let fs = self.fs.take();
        let guard = fs.as_ref().map(FsHandle::enter);
        let content = self.flush(id).and_then(|()| carrier::read(inode_path(id)));
        drop(guard);
        self.fs = fs;
        content
    }

    /// Removes a file for good, as an operator would on a machine whose server is down.
    /// Works between steps too.
    pub fn remove_durably(&mut self, path: &str) -> io::Result<()> {
        let path = absolute(path);
        self.durable.remove(&path);
        if !self.live.contains_key(&path) {
            return Ok(());
        }
        let fs = self.fs.take();
        let guard = fs.as_ref().map(FsHandle::enter);
        let removed = self.remove(&path);
        drop(guard);
        self.fs = fs;
        removed
    }

    pub fn names(&self) -> Vec<String> {
        self.live.keys().cloned().collect()
    }

    /// Files that no process has open.
    pub fn unopened(&self) -> Vec<String> {
        let is_open = |id| self.inodes.get(id).is_some_and(|inode| inode.handles > 0);
        self.live.iter().filter(|(_, id)| !is_open(id)).map(|(name, _)| name.clone()).collect()
    }

    pub fn add_folder(&mut self, path: &str) {
        let mut path = absolute(path);
        loop {
            self.folders.insert(path.clone());
            match parent(&path) {
                "/" => return,
                up => path = up.to_owned(),
            }
        }
    }

    fn lookup(&self, path: &str) -> io::Result<InodeId> {
        self.live.get(path).copied().ok_or_else(|| errno(ENOENT))
    }

    fn inode(&mut self, id: InodeId) -> &mut Inode {
        self.inodes.entry(id).or_default()
    }

    fn flush(&mut self, id: InodeId) -> io::Result<()> {
        let inode = self.inode(id);
        if inode.gathered.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut inode.gathered);
        inode.dirty = true;
        let mut file = carrier::OpenOptions::new().append(true).open(inode_path(id))?;
        file.write_all(&bytes)
    }

    fn sync_inode(&mut self, id: InodeId) -> io::Result<()> {
        self.flush(id)?;
        if self.inode(id).dirty {
            carrier::File::open(inode_path(id))?.sync_all()?;
            let inode = self.inode(id);
            (inode.dirty, inode.synced_len) = (false, inode.len);
        }
        Ok(())
    }

    fn create(&mut self, path: &str) -> io::Result<InodeId> {
        if !self.folders.contains(parent(path)) {
            return Err(errno(ENOENT));
        }
        let id = match self.live.get(path) {
            // The same file, emptied, as `O_TRUNC` does.
            Some(id) => {
                let id = *id;
                let inode = self.inode(id);
                inode.gathered.clear();
                (inode.dirty, inode.synced_len) = (true, 0);
                let freed = std::mem::take(&mut inode.len);
                self.give_back(freed);
                carrier::File::create(inode_path(id))?;
                id
            }
            None => {
                let id = self.next_inode;
                self.next_inode += 1;
                carrier::File::create(inode_path(id))?;
                // The number is durable at once; whether a name leads to it is kept here.
                carrier::sync_dir(INODES)?;
                self.inodes.insert(id, Inode::default());
                self.live.insert(path.to_owned(), id);
                id
            }
        };
        self.inode(id).handles += 1;
        Ok(id)
    }

    fn append(&mut self, id: InodeId, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        if let Some(free) = &mut self.free_bytes {
            *free = free.checked_sub(len).ok_or_else(|| errno(ENOSPC))?;
        }
        let inode = self.inode(id);
        inode.len += len;
        inode.gathered.extend_from_slice(bytes);
        if inode.gathered.len() >= GATHER_BYTES {
            self.flush(id)?;
        }
        Ok(())
    }

    fn read_at(&mut self, id: InodeId, offset: u64, len: usize) -> io::Result<Bytes> {
        self.flush(id)?;
        let mut file = carrier::File::open(inode_path(id))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut buf = vec![0; len];
        let mut got = 0;
        while got < len {
            match file.read(&mut buf[got..])? {
                0 => break,
                n => got += n,
            }
        }
        buf.truncate(got);
        Ok(buf.into())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let id = self.lookup(from)?;
        if !self.folders.contains(parent(to)) {
            return Err(errno(ENOENT));
        }
        self.live.remove(from);
        if let Some(old) = self.live.insert(to.to_owned(), id) {
            let freed = self.inode(old).len;
            self.give_back(freed);
        }
        self.collect()
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let id = self.lookup(path)?;
        self.live.remove(path);
        let freed = self.inode(id).len;
        self.give_back(freed);
        self.collect()
    }

    fn sync_dir(&mut self, path: &str) -> io::Result<()> {
        if !self.folders.contains(path) {
            return Err(errno(ENOENT));
        }
        self.durable.retain(|name, _| parent(name) != path);
        for (name, id) in &self.live {
            if parent(name) == path {
                self.durable.insert(name.clone(), *id);
            }
        }
        self.collect()
    }

    fn give_back(&mut self, bytes: u64) {
        if let Some(free) = &mut self.free_bytes {
            *free = free.saturating_add(bytes);
        }
    }

    /// Changes how fast it is, for what is under way too.
    pub fn set_speed(&mut self, now: Duration, config: DiskConfig) {
        self.config = config;
        self.queue.set_speed(now, config.bandwidth_bytes_per_s);
        self.changed.notify_waiters();
    }

    /// Takes an operation that starts now and moves `bytes`.
    fn occupy(&mut self, now: Duration, bytes: usize, sync: bool) -> Ticket {
        let (min, max) = if sync { self.config.sync_us } else { self.config.operation_us };
        let beside = if max > min { self.rng.random_range(min..=max) } else { min };
        self.queue.push(now, bytes, Duration::from_micros(beside))
    }

    /// Whether an operation fails; a disk that never or always does draws nothing.
    fn fails(&mut self, kind: Kind) -> bool {
        let share = match kind {
            Kind::Read => self.errors.read,
            Kind::Write => self.errors.write,
            Kind::Sync => self.errors.sync,
        };
        share >= 1.0 || (share > 0.0 && self.error_rng.random::<f64>() < share)
    }

    fn close(&mut self, id: InodeId) {
        let inode = self.inode(id);
        inode.handles = inode.handles.saturating_sub(1);
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

fn inode_path(id: InodeId) -> String {
    format!("{INODES}/{id}")
}

/// The path from the root, without `.`, `..` and doubled slashes.
fn absolute(path: &str) -> String {
    let full = if path.starts_with('/') { path.to_owned() } else { format!("{HOME}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Sync,
}

/// The disk of a host, as its process sees it.
#[derive(Clone)]
pub struct SimDisk {
    world: World,
    state: Rc<RefCell<DiskState>>,
}

impl SimDisk {
    pub(crate) fn new(world: World, host: HostId) -> Self {
        let state = world.with_host(host, |h| h.disk.clone());
        Self { world, state }
    }

    /// Takes the time of an operation, and fails if the disk fails.
    async fn work(&self, kind: Kind, bytes: usize) -> io::Result<()> {
        let now = self.world.now();
        let ticket = self.state.borrow_mut().occupy(now, bytes, kind == Kind::Sync);
        let changed = self.state.borrow().changed.clone();
        loop {
            let changed = changed.notified();
            let wait = self.state.borrow().queue.wait(self.world.now(), ticket);
            // Timers have a grain of a millisecond; shorter times add up in the queue.
            if wait < Duration::from_millis(1) {
                break;
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep(wait) => break,
            }
        }
        if self.state.borrow_mut().fails(kind) { Err(errno(EIO)) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Reader = SimReader;

    async fn create(&self, path: &str) -> io::Result<SimFile> {
        self.work(Kind::Write, 0).await?;
        let inode = self.state.borrow_mut().create(&absolute(path))?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    async fn open(&self, path: &str) -> io::Result<SimReader> {
        self.work(Kind::Read, 0).await?;
        let mut state = self.state.borrow_mut();
        let inode = state.lookup(&absolute(path))?;
        state.inode(inode).handles += 1;
        let len = state.inode(inode).len;
        drop(state);
        Ok(SimReader { disk: self.clone(), inode, len })
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.work(Kind::Write, 0).await?;
        self.state.borrow_mut().rename(&absolute(from), &absolute(to))
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.work(Kind::Write, 0).await?;
        self.state.borrow_mut().remove(&absolute(path))
    }

    async fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.work(Kind::Sync, 0).await?;
        self.state.borrow_mut().sync_dir(&absolute(path))
    }
}

/// A file open for appending.
pub struct SimFile {
    disk: SimDisk,
    inode: InodeId,
}

impl DiskFile for SimFile {
    async fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.work(Kind::Write, bytes.len()).await?;
        self.disk.state.borrow_mut().append(self.inode, bytes)
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.disk.work(Kind::Sync, 0).await?;
        self.disk.state.borrow_mut().sync_inode(self.inode)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state.borrow_mut().close(self.inode);
    }
}

/// A file open for reading.
pub struct SimReader {
    disk: SimDisk,
    inode: InodeId,
    len: u64,
}

impl DiskReader for SimReader {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    async fn read_at(&self, offset: u64, max_bytes: usize) -> io::Result<Bytes> {
        let left = self.len.saturating_sub(offset);
        let len = max_bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(Bytes::new());
        }
        self.disk.work(Kind::Read, len).await?;
        self.disk.state.borrow_mut().read_at(self.inode, offset, len)
    }
}

impl Drop for SimReader {
    fn drop(&mut self) {
        self.disk.state.borrow_mut().close(self.inode);
    }
}

#[cfg(test)]
mod tests {
    use super::{absolute, parent};

    #[test]
    fn paths() {
        assert_eq!(absolute("dump.rdb"), "/data/dump.rdb");
        assert_eq!(absolute("./a//b"), "/data/a/b");
        assert_eq!(absolute("/x/../y/./z"), "/y/z");
        assert_eq!(absolute("."), "/data");
        assert_eq!(absolute("../.."), "/");
        assert_eq!(parent("/data/dump.rdb"), "/data");
        assert_eq!(parent("/dump.rdb"), "/");
    }
}
