//! Listening sockets: opened and closed as the node asks, each with a loop that accepts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::bell::Bell;
use super::connection;
use super::files::io_text;
use super::shell::Shell;
use crate::env::{Env, ListenAddr, Listener, LogLevel};

/// First and longest pause after a failed accept (out of file descriptors, most likely).
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Sets of addresses asked for, oldest first.
#[derive(Default)]
pub(super) struct ListenQueue {
    asked: RefCell<VecDeque<Vec<ListenAddr>>>,
    bell: Bell,
}

impl ListenQueue {
    /// One more set; it replaces the one before.
    pub(super) fn push(&self, addresses: Vec<ListenAddr>) {
        self.asked.borrow_mut().push_back(addresses);
        self.bell.ring();
    }

    async fn next(&self) -> Vec<ListenAddr> {
        loop {
            let asked = self.asked.borrow_mut().pop_front();
            match asked {
                Some(addresses) => return addresses,
                None => self.bell.wait().await,
            }
        }
    }
}

type Open = Vec<(ListenAddr, AbortHandle)>;

/// Brings what is listened on in line with what the node asks for, as long as the server runs.
pub(super) async fn run<E: Env>(shell: Rc<Shell<E>>) {
    let mut open = Open::new();
    loop {
        let wanted = shell.listen_queue.next().await;
        let result = change(&shell, &mut open, wanted).await;
        shell.awake().await;
        shell.with(|node, now| node.listening(now, result));
    }
}

/// On failure all is as it was before, as far as the addresses are still free.
async fn change<E: Env>(
    shell: &Rc<Shell<E>>,
    open: &mut Open,
    wanted: Vec<ListenAddr>,
) -> Result<(), String> {
    // Closed first: a new address may overlap an old one (`*` and `127.0.0.1`).
    let (kept, dropped): (Open, Open) =
        open.drain(..).partition(|(address, _)| wanted.contains(address));
    *open = kept;
    let mut closed = Vec::new();
    for (address, task) in dropped {
        close(&task).await;
        closed.push(address);
    }
    let mut opened = Open::new();
    let mut failure = None;
    for address in wanted {
        if open.iter().any(|(known, _)| *known == address) {
            continue;
        }
        match listen(shell, &address).await {
            Ok(Some(task)) => opened.push((address, task)),
            Ok(None) => {}
            Err(error) => {
                failure = Some((address, error));
                break;
            }
        }
    }
    let Some((address, error)) = failure else {
        open.append(&mut opened);
        return Ok(());
    };
    for (_, task) in opened {
        close(&task).await;
    }
    for address in closed {
        if let Ok(Some(task)) = listen(shell, &address).await {
            open.push((address, task));
        }
    }
    Err(describe(&address, &error))
}

fn describe(address: &ListenAddr, error: &io::Error) -> String {
    let error = io_text(error);
    match address {
        ListenAddr::Tcp { host, port } => {
            format!("Could not create server TCP listening socket {host}:{port}: bind: {error}")
        }
        ListenAddr::Unix { path, .. } => {
            format!("Failed opening Unix socket {path}: bind: {error}")
        }
    }
}

async fn close(task: &AbortHandle) {
    task.abort();
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
}

/// `Ok(None)`: an address marked optional (`-::1`) that this machine does not have.
async fn listen<E: Env>(
    shell: &Rc<Shell<E>>,
    address: &ListenAddr,
) -> io::Result<Option<AbortHandle>> {
    let (address, optional) = match address {
        ListenAddr::Tcp { host, port } => match host.strip_prefix('-') {
            Some(host) => (ListenAddr::Tcp { host: host.to_owned(), port: *port }, true),
            None => (address.clone(), false),
        },
        ListenAddr::Unix { .. } => (address.clone(), false),
    };
    match shell.env.listen(&address).await {
        Ok(listener) => Ok(Some(shell.spawn(accept_loop(shell.clone(), listener)))),
        Err(error) if optional && is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    /// `EPROTONOSUPPORT`, `EAFNOSUPPORT`, `ENOPROTOOPT`, `ESOCKTNOSUPPORT`, `EPFNOSUPPORT`.
    const UNSUPPORTED: [i32; 5] = [93, 97, 92, 94, 96];
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error().is_some_and(|code| UNSUPPORTED.contains(&code))
}

async fn accept_loop<E: Env>(shell: Rc<Shell<E>>, mut listener: E::Listener) {
    let mut back_off = BACK_OFF_MIN;
    loop {
        shell.awake().await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                shell.log(
                    LogLevel::Warning,
                    format!("Accepting client connection: {}", io_text(&error)),
                );
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(BACK_OFF_MAX);
                continue;
            }
        };
        back_off = BACK_OFF_MIN;
        shell.awake().await;
        match shell.with(|node, now| node.accept(now, peer)) {
            Ok(client) => {
                let mailbox = shell.register(client);
                shell.spawn(connection::serve(shell.clone(), client, mailbox, stream));
            }
            Err(error) => {
                shell.spawn(connection::refuse(stream, error));
            }
        }
    }
}
