//! One connection of a client or a replica.
//!
//! Reading and writing go on side by side, in one hand-written `poll`: a replica's ack is
//! handled while a large write is stuck. Replies are written once every connection that had
//! something to read has been read, as Redis does before it waits again: a client that is woken
//! by each reply in turn costs more than the commands do. What is left unwritten stays here, so
//! that nothing is lost or sent twice.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::bell::Bell;
use super::shell::Shell;
use super::transfer::{Piece, Transfer};
use crate::env::{Env, Now};
use crate::node::{ClientId, Output};

/// Room that there has to be before a read.
const READ_BYTES: usize = 16 * 1024;
/// Most room asked for at once, when a large value is on its way.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// What is read of a client whose input is not wanted now (it is blocked): enough to see it
/// close the connection.
const HELD_INPUT_BYTES: usize = 16 * 1024;
/// Room that a connection keeps for its next replies.
const KEPT_REPLY_BYTES: usize = 16 * 1024;
/// Rounds of reading and writing before the other connections get their turn.
const ROUNDS_PER_TURN: usize = 16;

/// What the rest of the shell may leave for a connection.
#[derive(Default)]
pub(super) struct Mailbox {
    /// Rung whenever there is something to look at.
    pub(super) bell: Bell,
    /// Drop the connection.
    pub(super) close: Cell<bool>,
    /// A snapshot to send, as soon as the replies before it are written.
    pub(super) transfer: RefCell<Option<Transfer>>,
}

/// Why a connection ended; all ends are the same to the node.
enum End {
    Closed,
    Failed,
}

struct Connection<E: Env> {
    shell: Rc<Shell<E>>,
    id: ClientId,
    mailbox: Rc<Mailbox>,
    stream: E::Stream,
    input: BytesMut,
    /// The input has held more than a shared buffer should keep.
    input_was_large: bool,
    /// Taken from the node, and how much of it has been written.
    replies: BytesMut,
    replies_written: usize,
    close_after: bool,
    /// Part of a snapshot, not yet written.
    piece: Bytes,
    /// The socket took no more of it.
    stalled: bool,
    /// The snapshot whose first byte has been taken: nothing else is written until it is over.
    transfer: Option<Transfer>,
    unflushed: bool,
    /// Input was given to the node, and what it answered has not been asked for.
    answered: bool,
    /// How often this one was first in line without a look at the sockets between.
    rounds: usize,
    /// The clocks as read in this turn: reading them costs more than most calls of the node.
    turn: Option<Now>,
    /// A piece of a snapshot was sent in this turn: the other connections come before the next.
    piece_sent: bool,
}

/// Serves a connection until it is gone.
pub(super) async fn serve<E: Env>(
    shell: Rc<Shell<E>>,
    id: ClientId,
    mailbox: Rc<Mailbox>,
    stream: E::Stream,
) {
    let mut connection = Connection {
        shell: shell.clone(),
        id,
        mailbox,
        stream,
        input: BytesMut::new(),
        input_was_large: false,
        replies: BytesMut::new(),
        replies_written: 0,
        close_after: false,
        piece: Bytes::new(),
        stalled: false,
        transfer: None,
        unflushed: false,
        answered: false,
        rounds: 0,
        turn: None,
        piece_sent: false,
    };
    let (End::Closed | End::Failed) = poll_fn(|cx| connection.poll(cx)).await;
    drop(connection);
    shell.awake().await;
    shell.gone(id);
}

/// Tells a connection that it is not let in, and closes it.
pub(super) async fn refuse<S: AsyncWrite + Unpin>(mut stream: S, error: Bytes) {
    use tokio::io::AsyncWriteExt;
    // Whether the peer reads why is its own affair.
    let _ = stream.write_all(&error).await;
    let _ = stream.shutdown().await;
}

enum Written {
    /// All there was.
    All,
    /// The socket takes no more now.
    Blocked,
    /// All, and the connection was closed after it.
    Closed,
}

enum Read {
    /// New bytes that the node wants.
    Fresh,
    /// New bytes that it does not want yet.
    Held,
    /// Nothing now.
    Nothing,
    /// The peer is done.
    Closed,
}

impl<E: Env> Connection<E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let mailbox = self.mailbox.clone();
        mailbox.bell.disarm();
        self.turn = None;
        self.piece_sent = false;
        if self.shell.exiting() {
            return self.poll_last_output(cx);
        }
        let result = self.poll_rounds(cx);
        if result.is_pending() {
            if self.input.is_empty() {
                self.give_input_back();
            }
            mailbox.bell.arm(cx);
        }
        result
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let mut fresh = false;
        while self.rounds < ROUNDS_PER_TURN {
            self.rounds += 1;
            // Asked every round: the command before may have been `DEBUG SLEEP` or `SHUTDOWN`.
            if self.shell.poll_awake(cx).is_pending() {
                // Input that was read must be looked at after the sleep.
                if fresh {
                    self.mailbox.bell.ring();
                }
                return self.poll_exit_output(cx);
            }
            let rung = self.mailbox.bell.take();
            if self.mailbox.close.get() {
                return Poll::Ready(End::Closed);
            }
            if (rung || fresh) && !self.input.is_empty() {
                self.process();
                if self.shell.poll_awake(cx).is_pending() {
                    // What was answered must be written after the sleep.
                    self.mailbox.bell.ring();
                    return self.poll_exit_output(cx);
                }
                if fresh {
                    // Behind all who are ready to be read.
                    self.answered = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            if rung || std::mem::take(&mut self.answered) || self.has_unwritten() {
                match self.write(cx) {
                    Ok(Written::All | Written::Blocked) => {}
                    Ok(Written::Closed) => return Poll::Ready(End::Closed),
                    Err(_) => return Poll::Ready(End::Failed),
                }
            }
            match self.read(cx) {
                Ok(Read::Fresh) => fresh = true,
                Ok(Read::Held) => fresh = false,
                Ok(Read::Nothing) if self.mailbox.bell.is_rung() => fresh = false,
                Ok(Read::Nothing) => {
                    self.rounds = 0;
                    return Poll::Pending;
                }
                Ok(Read::Closed) => return Poll::Ready(End::Closed),
                Err(_) => return Poll::Ready(End::Failed),
            }
        }
        self.rounds = 0;
        // `fresh` is not kept across turns: the bell stands for it.
        self.mailbox.bell.ring();
        yield_turn(cx);
        Poll::Pending
    }

    fn process(&mut self) {
        self.input_was_large |= self.input.len() > READ_BYTES_MAX;
        let now = self.now();
        let (shell, id, input) = (&self.shell, self.id, &mut self.input);
        shell.ask(|node| node.client_bytes(now, id, input));
    }

    /// The clocks, read once a turn.
    fn now(&mut self) -> Now {
        *self.turn.get_or_insert_with(|| self.shell.now())
    }

    // --- reading

    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Read> {
        if self.close_after {
            return Ok(Read::Nothing);
        }
        let wanted = self.shell.look(|node| node.wants_input(self.id));
        if !wanted && self.input.len() >= HELD_INPUT_BYTES {
            return Ok(Read::Nothing);
        }
        if self.input.capacity() == 0 {
            self.input = self.shell.lend_input();
        }
        // A large value is read in larger and larger pieces.
        let room = self.input.len().clamp(READ_BYTES, READ_BYTES_MAX);
        self.input.reserve(room);
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => Ok(Read::Nothing),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(0)) => Ok(Read::Closed),
            Poll::Ready(Ok(_)) if wanted => Ok(Read::Fresh),
            Poll::Ready(Ok(_)) => Ok(Read::Held),
        }
    }

    fn give_input_back(&mut self) {
        if self.input.capacity() == 0 {
            return;
        }
        let input = std::mem::take(&mut self.input);
        if !std::mem::take(&mut self.input_was_large) {
            self.shell.return_input(input);
        }
    }

    // --- writing

    /// Whether an earlier write has to go on, rung or not.
    fn has_unwritten(&self) -> bool {
        let taken = !self.replies.is_empty() || !self.piece.is_empty();
        taken || self.transfer.is_some() || self.close_after || self.unflushed
    }

    /// Writes until there is nothing more or the socket is full.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Written> {
        loop {
            if !self.write_replies(cx)? || !self.write_piece(cx)? {
                return Ok(Written::Blocked);
            }
            if self.close_after {
                return match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Pending => Ok(Written::Blocked),
                    // The peer may be gone already, which is what was asked for.
                    Poll::Ready(_) => Ok(Written::Closed),
                };
            }
            if !self.next_output(cx)? {
                return self.flush(cx);
            }
        }
    }

    /// Fetches what is to be written next; false if there is nothing now.
    fn next_output(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self.transfer.is_some() {
            return self.next_piece(cx);
        }
        let id = self.id;
        let replies = &mut self.replies;
        if let Some(output) = self.shell.ask(|node| node.take_output(id, replies)) {
            self.close_after = output == Output::Last;
            return Ok(true);
        }
        self.transfer = self.mailbox.transfer.take();
        Ok(self.transfer.is_some())
    }

    fn next_piece(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Some(transfer) = self.transfer.as_mut() else {
            return Ok(false);
        };
        if std::mem::replace(&mut self.piece_sent, true) {
            yield_turn(cx);
            return Ok(false);
        }
        match transfer.pieces.poll_recv(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Some(Piece::Bytes(piece))) => {
                self.piece = piece;
                Ok(true)
            }
            Poll::Ready(Some(Piece::End)) => {
                let (snapshot, id) = (transfer.snapshot, self.id);
                self.transfer = None;
                self.shell.with(|node, now| node.transfer_finished(now, snapshot, id));
                Ok(true)
            }
            // Half a snapshot was sent: the stream cannot go on behind it.
            Poll::Ready(None) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// False if the socket is full.
    fn write_replies(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        while self.replies_written < self.replies.len() {
            let rest = &self.replies[self.replies_written..];
            let Some(written) = poll_write(&mut self.stream, cx, rest)? else {
                return Ok(false);
            };
            self.unflushed = true;
            self.replies_written += written;
            let (now, id) = (self.now(), self.id);
            self.shell.ask(|node| node.wrote(now, id, written));
        }
        self.replies.clear();
        self.replies_written = 0;
        if self.replies.capacity() > KEPT_REPLY_BYTES {
            self.replies = BytesMut::new();
        }
        Ok(true)
    }

    /// False if the socket is full.
    fn write_piece(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = !self.stalled;
        while !self.piece.is_empty() {
            let Some(written) = poll_write(&mut self.stream, cx, &self.piece)? else {
                if moved {
                    self.stalled = true;
                    let (now, id) = (self.now(), self.id);
                    self.shell.ask(|node| node.transfer_stalled(now, id));
                }
                return Ok(false);
            };
            moved = true;
            self.unflushed = true;
            self.piece.advance(written);
        }
        if std::mem::take(&mut self.stalled) {
            let id = self.id;
            self.shell.ask(|node| node.transfer_flows(id));
        }
        Ok(true)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<Written> {
        if !self.unflushed {
            return Ok(Written::All);
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => Ok(Written::Blocked),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                Ok(Written::All)
            }
        }
    }

    // --- at the end of the process

    /// The node may not be called, and perhaps never will again.
    fn poll_exit_output(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.shell.exiting() {
            return self.poll_last_output(cx);
        }
        Poll::Pending
    }

    /// Writes what the socket takes; then there is nothing to do but wait for the end.
    fn poll_last_output(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // An error changes nothing: the process ends.
        let _ = self.write(cx);
        Poll::Pending
    }
}

/// Lets the others have their turn, new arrivals among them: a task that woke itself would be
/// polled dozens of times before the sockets are looked at.
fn yield_turn(cx: &mut Context<'_>) {
    // Its first poll does no more than to have the task woken after that look.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// Writes once. `None`: the socket is full, and the task will be woken.
pub(super) fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> io::Result<Option<usize>> {
    debug_assert!(!bytes.is_empty());
    match Pin::new(stream).poll_write(cx, bytes) {
        Poll::Pending => Ok(None),
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
        Poll::Ready(Ok(written)) => Ok(Some(written)),
        Poll::Ready(Err(error)) => Err(error),
    }
}
