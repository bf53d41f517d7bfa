//! The snapshot that the master sends: collected in a file or loaded from memory, one step
//! after the other.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use super::bell::Bell;
use super::files::{self, Failure};
use super::saver::Pace;
use super::shell::Shell;
use super::{loading, saver};
use crate::codec::rdb::Loader;
use crate::env::{Disk, DiskFile, Env};
use crate::node::{LoadError, LoadedData, Node, Receive};

/// Bytes of a snapshot that may wait for the disk before the link to the master stops reading.
const HELD_BYTES: usize = 256 * 1024;

/// Bytes decoded at once; the node hears of each such step. Small, as a key may take long
/// (`key-load-delay`).
const DECODED_BYTES: usize = 16 * 1024;

/// The node's name for the load that ends a full sync.
const FULL_SYNC_JOB: u64 = 0;

/// Steps to be taken.
#[derive(Default)]
pub(super) struct Inbox {
    steps: RefCell<VecDeque<Receive>>,
    bell: Bell,
    stop: Bell,
    held_bytes: Cell<usize>,
    /// A snapshot is complete and not yet loaded or given up: what follows it has to wait.
    ending: Cell<bool>,
}

impl Inbox {
    /// One more step. `Receive::Abort` takes back those before it, the one under way included.
    pub(super) fn push(&self, step: Receive) {
        match &step {
            Receive::Begin { .. } => {}
            Receive::Data(bytes) => self.held_bytes.set(self.held_bytes.get() + bytes.len()),
            Receive::End => self.ending.set(true),
            Receive::Load { .. } => {}
            Receive::Abort => {
                self.steps.borrow_mut().clear();
                self.held_bytes.set(0);
                self.ending.set(false);
                self.stop.ring();
            }
        }
        self.steps.borrow_mut().push_back(step);
        self.bell.ring();
    }

    /// Whether the link to the master may read on.
    pub(super) fn wants_more(&self) -> bool {
        !self.ending.get() && self.held_bytes.get() < HELD_BYTES
    }

    async fn next(&self) -> Receive {
        loop {
            let step = self.steps.borrow_mut().pop_front();
            match step {
                Some(step) => return step,
                None => self.bell.wait().await,
            }
        }
    }
}

/// Takes the steps, for as long as the server runs.
pub(super) async fn run<E: Env>(shell: Rc<Shell<E>>) {
    let mut reception = Reception::default();
    loop {
        let step = shell.inbox.next().await;
        if matches!(step, Receive::Abort) {
            shell.inbox.stop.take();
            reception.discard(&shell).await;
            continue;
        }
        tokio::select! {
            biased;
            // `Abort` is the next step then, and cleans up.
            () = shell.inbox.stop.wait() => continue,
            () = reception.step(&shell, step) => {}
        }
        shell.wake_master_link();
    }
}

/// A snapshot on its way in.
struct Reception<E: Env> {
    sink: Sink<<E::Disk as Disk>::File>,
    /// The file to be removed if nothing comes of it.
    temp_path: Option<String>,
}

enum Sink<F> {
    /// No snapshot is expected.
    Nothing,
    /// It cannot be kept, for this reason: the rest is dropped.
    Failed(LoadError),
    File(F),
    Memory(Box<Loader>, Pace),
}

impl<E: Env> Default for Reception<E> {
    fn default() -> Self {
        Self { sink: Sink::Nothing, temp_path: None }
    }
}

impl<E: Env> Reception<E> {
    async fn step(&mut self, shell: &Rc<Shell<E>>, step: Receive) {
        match step {
            Receive::Begin { dir, temp_file, .. } => {
                if let Err(error) = self.begin(shell, &dir, temp_file).await {
                    self.fail(shell, error).await;
                }
            }
            Receive::Data(mut bytes) => {
                while !bytes.is_empty() {
                    let most = match self.sink {
                        Sink::Memory(..) => DECODED_BYTES,
                        _ => usize::MAX,
                    };
                    let part = bytes.split_to(bytes.len().min(most));
                    let length = part.len();
                    if let Err(error) = self.data(shell, part).await {
                        self.fail(shell, error).await;
                    }
                    let held = &shell.inbox.held_bytes;
                    held.set(held.get().saturating_sub(length));
                    shell.awake().await;
                    shell.with(|node, now| node.receiving(now));
                }
            }
            Receive::End => {
                let received = self.received();
                if received.is_err() {
                    self.discard(shell).await;
                    shell.inbox.ending.set(false);
                }
                shell.with(|node, now| node.received(now, received));
            }
            Receive::Load { dir, temp_file, file } => {
                let loaded = self.load(shell, &dir, &temp_file, &file).await;
                if loaded.is_err() {
                    self.discard(shell).await;
                }
                shell.awake().await;
                shell.inbox.ending.set(false);
                shell.with(|node, now| node.loaded(now, FULL_SYNC_JOB, loaded));
            }
            Receive::Abort => self.discard(shell).await,
        }
    }

    /// An empty `temp_file` means to load from memory.
    async fn begin(
        &mut self,
        shell: &Rc<Shell<E>>,
        dir: &str,
        temp_file: String,
    ) -> Result<(), LoadError> {
        self.discard(shell).await;
        if temp_file.is_empty() {
            let pace = Pace::new(shell.look(Node::load_delay_per_key));
            self.sink = Sink::Memory(Box::new(loading::loader(shell)), pace);
            return Ok(());
        }
        let path = files::join(dir, &temp_file);
        self.temp_path = Some(path.clone());
        let created = shell.env.disk().create(&path).await.map_err(|error| {
            LoadError::Refused(
                Failure::new(
                    format_args!(
                        "Opening the temp file needed for MASTER <-> REPLICA synchronization: {path}"
                    ),
                    &error,
                )
                .to_string(),
            )
        })?;
        self.sink = Sink::File(created);
        Ok(())
    }

    async fn data(&mut self, shell: &Rc<Shell<E>>, bytes: Bytes) -> Result<(), LoadError> {
        match &mut self.sink {
            Sink::Nothing | Sink::Failed(_) => Ok(()),
            Sink::File(file) => file.append(&bytes).await.map_err(|error| {
                let path = self.temp_path.as_deref().unwrap_or_default();
                LoadError::Refused(
                    Failure::new(
                        format_args!(
                            "Write error writing to the DB dump file needed for MASTER <-> REPLICA synchronization: {path}"
                        ),
                        &error,
                    )
                    .to_string(),
                )
            }),
            Sink::Memory(loader, pace) => {
                shell.awake().await;
                let keys = loader.keys();
                loader.feed(&bytes).map_err(loading::refused)?;
                pace.keys(loader.keys() - keys).await;
                Ok(())
            }
        }
    }

    /// Whether all of it is kept.
    fn received(&mut self) -> Result<(), LoadError> {
        match std::mem::replace(&mut self.sink, Sink::Nothing) {
            Sink::Nothing => Err(LoadError::Missing),
            Sink::Failed(error) => Err(error),
            kept => {
                self.sink = kept;
                Ok(())
            }
        }
    }

    async fn load(
        &mut self,
        shell: &Rc<Shell<E>>,
        dir: &str,
        temp_file: &str,
        file: &str,
    ) -> Result<LoadedData, LoadError> {
        match std::mem::replace(&mut self.sink, Sink::Nothing) {
            Sink::Nothing => Err(LoadError::Missing),
            Sink::Failed(error) => Err(error),
            Sink::Memory(loader, _) => {
                shell.awake().await;
                loader.finish().map_err(loading::refused)
            }
            Sink::File(received) => {
                let (temp_path, path) = (files::join(dir, temp_file), files::join(dir, file));
                files::publish(&shell.env.disk(), received, &temp_path, &path)
                    .await
                    .map_err(|failure| LoadError::Refused(failure.to_string()))?;
                self.temp_path = None;
                loading::load_file(shell, &path).await
            }
        }
    }

    /// What comes cannot be kept: there is no use in receiving the rest.
    async fn fail(&mut self, shell: &Rc<Shell<E>>, error: LoadError) {
        self.discard(shell).await;
        shell.drop_master_link(error.text());
        self.sink = Sink::Failed(error);
    }

    async fn discard(&mut self, shell: &Rc<Shell<E>>) {
        self.sink = Sink::Nothing;
        if let Some(path) = self.temp_path.take() {
            saver::remove_temp(shell, &path).await;
        }
    }
}
