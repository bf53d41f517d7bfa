//! The connection to the master: bytes both ways, and no reading while a received snapshot
//! waits for the disk or is being loaded.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::bell::Bell;
use super::connection::poll_write;
use super::files::io_text;
use super::shell::Shell;
use crate::env::Env;
use crate::node::Node;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;
/// Rounds of reading and writing before others get their turn.
const ROUNDS_PER_TURN: usize = 16;

/// What the rest of the shell may tell a link.
#[derive(Default)]
pub(super) struct LinkBox {
    /// Rung whenever there is something to look at.
    pub(super) bell: Bell,
    /// Another link counts from now on, or none: end, and tell no one.
    pub(super) closed: Cell<bool>,
    /// The link is of no use any more, for this reason.
    pub(super) failed: RefCell<Option<String>>,
}

/// Connects, and follows the master until the link is lost or taken back.
pub(super) async fn run<E: Env>(
    shell: Rc<Shell<E>>,
    link: Rc<LinkBox>,
    attempt: u64,
    host: String,
    port: u16,
) {
    let mut connecting = pin!(shell.env.connect(&host, port));
    let connected = poll_fn(|cx| {
        link.bell.take();
        if link.closed.get() {
            return Poll::Ready(None);
        }
        link.bell.arm(cx);
        connecting.as_mut().poll(cx).map(Some)
    })
    .await;
    shell.awake().await;
    let (stream, peer) = match connected {
        None => return,
        Some(_) if link.closed.get() => return,
        Some(Err(error)) => {
            shell.with(|node, now| node.master_closed(now, attempt, &io_text(&error)));
            return;
        }
        Some(Ok(connected)) => connected,
    };
    shell.with(|node, now| node.master_connected(now, attempt, peer));
    let mut open = Link {
        shell: shell.clone(),
        link,
        attempt,
        stream,
        input: BytesMut::with_capacity(READ_BYTES),
        output: BytesMut::new(),
        unflushed: false,
    };
    let lost = poll_fn(|cx| open.poll(cx)).await;
    let closed = open.link.clone();
    drop(open);
    if let Some(reason) = lost {
        shell.awake().await;
        if !closed.closed.get() {
            shell.with(|node, now| node.master_closed(now, attempt, &reason));
        }
    }
}

struct Link<E: Env> {
    shell: Rc<Shell<E>>,
    link: Rc<LinkBox>,
    attempt: u64,
    stream: E::Stream,
    input: BytesMut,
    output: BytesMut,
    unflushed: bool,
}

impl<E: Env> Link<E> {
    /// `None`: taken back by the node. `Some`: lost, and why.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.link.bell.disarm();
        let result = self.poll_rounds(cx);
        if result.is_pending() {
            self.link.bell.arm(cx);
        }
        result
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        for _ in 0..ROUNDS_PER_TURN {
            if self.shell.poll_awake(cx).is_pending() {
                return Poll::Pending;
            }
            self.link.bell.take();
            if self.link.closed.get() {
                return Poll::Ready(None);
            }
            if let Some(reason) = self.link.failed.take() {
                return Poll::Ready(Some(reason));
            }
            if let Err(error) = self.write(cx) {
                return Poll::Ready(Some(io_text(&error)));
            }
            match self.read(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    return Poll::Ready(Some("Connection with master lost.".to_owned()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Some(io_text(&error))),
                Poll::Pending if self.link.bell.is_rung() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready with false at the end of the stream.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.shell.inbox.wants_more() || !self.shell.look(Node::reads_master) {
            return Poll::Pending;
        }
        self.input.clear();
        self.input.reserve(READ_BYTES);
        let read = std::task::ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if read == 0 {
            return Poll::Ready(Ok(false));
        }
        let (shell, attempt, input) = (&self.shell, self.attempt, &self.input);
        shell.with(|node, now| node.master_bytes(now, attempt, input));
        Poll::Ready(Ok(true))
    }

    /// Writes until there is nothing more or the socket is full.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            while !self.output.is_empty() {
                let Some(written) = poll_write(&mut self.stream, cx, &self.output)? else {
                    return Ok(());
                };
                self.unflushed = true;
                self.output.advance(written);
            }
            match self.shell.ask(Node::take_master_output) {
                Some(output) if !output.is_empty() => self.output = output,
                Some(_) | None => break,
            }
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }
}
