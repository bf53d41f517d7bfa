//! A connection: its bytes on their way, and what both ends can see.
//!
//! Decides when bytes may be read, when the other side has room for more, and when an end learns
//! that the other is gone. Every function is told the time and whether the link passes; none
//! looks anything up.
//!
//! Must never: wake anybody itself. Wakers are handed to the caller, who wakes them when nothing
//! is borrowed any more.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use smallvec::SmallVec;

use crate::world::HostId;

/// Number of a connection, never used twice in a simulation.
pub(crate) type ConnId = u64;

/// Wakers to be woken once the world is no longer borrowed.
pub(crate) type Wakers = SmallVec<[Waker; 2]>;

/// Index of the end that connected.
pub(crate) const CONNECTOR: usize = 0;
/// Index of the end that accepted.
pub(crate) const ACCEPTOR: usize = 1;

#[derive(Debug, Clone, Copy)]
struct Segment {
    len: usize,
    at: Duration,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// What has been written and not been read, as far as anybody will ever read it.
    bytes: BytesMut,
    /// How many bytes are in the receiver's buffer.
    arrived: usize,
    in_flight: VecDeque<Segment>,
    /// Bytes written for which the writer has seen no ack; limited by the window.
    unacked: usize,
    /// Bytes read whose acks cannot travel back now.
    acks_held: usize,
    /// When the end of the stream arrives.
    fin: Option<Duration>,
    fin_arrived: bool,
    /// When a reset arrives.
    rst: Option<Duration>,
    /// Dead for ever: a blackhole or a power cut swallowed a part of it.
    lost: bool,
    reader: Option<Waker>,
    /// When the reader is going to be woken, because something arrives.
    reader_due: Option<Duration>,
    writer: Option<Waker>,
}

impl Pipe {
    fn last_arrival(&self) -> Duration {
        self.in_flight.back().map_or(Duration::ZERO, |s| s.at)
    }

    /// Takes in what has arrived by `now`.
    fn absorb(&mut self, now: Duration, passes: bool) {
        if !passes || self.lost {
            return;
        }
        while let Some(segment) = self.in_flight.front()
            && segment.at <= now
        {
            self.arrived += segment.len;
            self.in_flight.pop_front();
        }
        if self.in_flight.is_empty() && self.fin.is_some_and(|at| at <= now) {
            self.fin_arrived = true;
        }
    }

    /// Whatever is still on its way never arrives.
    fn drop_in_flight(&mut self) {
        self.in_flight.clear();
        self.bytes.truncate(self.arrived);
        self.rst = None;
        if !self.fin_arrived {
            self.fin = None;
        }
    }

    /// Nobody reads what has arrived.
    fn discard_arrived(&mut self) {
        let unread = std::mem::take(&mut self.arrived);
        self.bytes.advance(unread.min(self.bytes.len()));
    }

    fn wake(&mut self, wakers: &mut Wakers) {
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub host: HostId,
    /// Whether a process holds this end.
    pub open: bool,
    /// The machine lost power: it knows nothing of the connection and has said nothing.
    forgotten: bool,
    shut_down: bool,
    /// The connection is over for this end.
    dead: bool,
    /// Error to be reported once, then reads end and writes break.
    error: Option<io::ErrorKind>,
}

impl End {
    pub fn new(host: HostId) -> Self {
        Self { host, open: true, forgotten: false, shut_down: false, dead: false, error: None }
    }

    fn fail(&mut self, kind: io::ErrorKind) {
        if !self.dead {
            self.dead = true;
            self.error = Some(kind);
        }
    }
}

/// What a reader is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Readable {
    /// So many bytes may be read.
    Bytes(usize),
    /// The stream has ended.
    End,
    /// The connection failed.
    Failed(io::ErrorKind),
    /// Nothing before this time.
    NotBefore(Duration),
    /// Nothing until somebody wakes the reader.
    Wait,
}

/// What a writer is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Writable {
    /// There is room for so many bytes.
    Room(usize),
    /// The connection failed.
    Failed(io::ErrorKind),
    /// Nothing until somebody wakes the writer.
    Wait,
}

/// A connection. `pipes[i]` carries what `ends[i]` writes.
#[derive(Debug)]
pub(crate) struct Conn {
    pub ends: [End; 2],
    pipes: [Pipe; 2],
}

impl Conn {
    pub fn new(connector: End, acceptor: End) -> Self {
        Self { ends: [connector, acceptor], pipes: [Pipe::default(), Pipe::default()] }
    }

    /// Hosts that `side`'s bytes travel from and to.
    pub fn route(&self, side: usize) -> (HostId, HostId) {
        (self.ends[side].host, self.ends[1 - side].host)
    }

    /// Whether both ends are held by processes.
    pub fn held_by_both(&self) -> bool {
        self.ends[0].open && self.ends[1].open
    }

    /// Whether exactly one end is held by a process.
    pub fn half_closed(&self) -> bool {
        self.ends[0].open != self.ends[1].open
    }

    /// Whether nobody holds an end.
    pub fn over(&self) -> bool {
        !self.ends[0].open && !self.ends[1].open
    }

    /// Brings the state up to `now`. `passes[i]` is about the link that `ends[i]` sends over.
    pub fn advance(&mut self, now: Duration, passes: [bool; 2], wakers: &mut Wakers) {
        for (side, passes) in passes.into_iter().enumerate() {
            let receiver = 1 - side;
            self.pipes[side].absorb(now, passes);
            let pipe = &self.pipes[side];
            if pipe.rst.is_some_and(|at| at <= now)
                && passes
                && !pipe.lost
                && !self.ends[receiver].dead
            {
                // A reset after the peer's end of stream is a broken pipe, as on Linux.
                let kind = if pipe.fin_arrived {
                    io::ErrorKind::BrokenPipe
                } else {
                    io::ErrorKind::ConnectionReset
                };
                self.ends[receiver].fail(kind);
                self.pipes[0].wake(wakers);
                self.pipes[1].wake(wakers);
            }
        }
    }

    /// What `side` may read, at most `limit` bytes. The state is up to `now`.
    pub fn readable(&mut self, side: usize, limit: usize, passes: bool) -> Readable {
        let end = &mut self.ends[side];
        let pipe = &mut self.pipes[1 - side];
        if pipe.arrived > 0 {
            return Readable::Bytes(pipe.arrived.min(limit));
        }
        if pipe.fin_arrived {
            return Readable::End;
        }
        if let Some(kind) = end.error.take() {
            return Readable::Failed(kind);
        }
        if end.dead {
            return Readable::End;
        }
        if !passes || pipe.lost {
            return Readable::Wait;
        }
        let next = pipe.in_flight.front().map(|s| s.at);
        match [next, pipe.fin, pipe.rst].into_iter().flatten().min() {
            Some(at) => Readable::NotBefore(at),
            None => Readable::Wait,
        }
    }

    /// `side` reads `into.len()` bytes that have arrived; `acks_pass` is about the link it sends
    /// over.
    pub fn read(&mut self, side: usize, into: &mut [u8], acks_pass: bool, wakers: &mut Wakers) {
        let acks_lost = self.pipes[side].lost;
        let pipe = &mut self.pipes[1 - side];
        let len = into.len();
        assert!(len <= pipe.arrived, "read more than has arrived");
        into.copy_from_slice(&pipe.bytes[..len]);
        pipe.bytes.advance(len);
        pipe.arrived -= len;
        if acks_lost {
            return;
        }
        if acks_pass {
            pipe.unacked -= len;
            wakers.extend(pipe.writer.take());
        } else {
            pipe.acks_held += len;
        }
    }

    /// What `side` may write under a window of `window` bytes.
    pub fn writable(&mut self, side: usize, window: usize) -> Writable {
        let end = &mut self.ends[side];
        if let Some(kind) = end.error.take() {
            return Writable::Failed(kind);
        }
        if end.dead || end.shut_down {
            return Writable::Failed(io::ErrorKind::BrokenPipe);
        }
        let pipe = &self.pipes[side];
        if pipe.unacked >= window {
            return Writable::Wait;
        }
        Writable::Room(window - pipe.unacked)
    }

    /// `side` writes a segment that would arrive at `at`; `passes` is about the link it sends
    /// over. When the reader is to be woken, if it waits and that was not known.
    pub fn write(
        &mut self,
        side: usize,
        segment: &[u8],
        at: Duration,
        passes: bool,
    ) -> Option<Duration> {
        let carried = self.ends[1 - side].open;
        let pipe = &mut self.pipes[side];
        pipe.unacked += segment.len();
        if pipe.lost {
            return None;
        }
        let at = at.max(pipe.last_arrival());
        pipe.in_flight.push_back(Segment { len: segment.len(), at });
        if carried {
            pipe.bytes.extend_from_slice(segment);
        }
        if !passes || pipe.reader.is_none() {
            return None; // the heal wakes the reader; one that runs will ask
        }
        self.schedule(1 - side, at)
    }

    /// The reader at `side` is to be woken at `at`: that time, unless it will be woken by then.
    pub fn schedule(&mut self, side: usize, at: Duration) -> Option<Duration> {
        let pipe = &mut self.pipes[1 - side];
        if pipe.reader_due.is_some_and(|due| due <= at) {
            return None;
        }
        pipe.reader_due = Some(at);
        Some(at)
    }

    /// What was scheduled for the reader at `side` at `at` is due: who is to be woken, unless
    /// it has been scheduled anew since.
    pub fn due(&mut self, side: usize, at: Duration) -> Option<Waker> {
        let pipe = &mut self.pipes[1 - side];
        if pipe.reader_due != Some(at) {
            return None;
        }
        pipe.reader_due = None;
        pipe.reader.take()
    }

    /// `side` ends its stream; the news arrives at `at`.
    pub fn shut_down(&mut self, side: usize, at: Duration, wakers: &mut Wakers) {
        let end = &mut self.ends[side];
        if end.dead || end.shut_down {
            return;
        }
        end.shut_down = true;
        let pipe = &mut self.pipes[side];
        if !pipe.lost {
            pipe.fin = Some(at.max(pipe.last_arrival()));
        }
        wakers.extend(pipe.reader.take());
    }

    /// The process at `side` lets go of its end, by closing it or by dying. What it has not read
    /// makes that a reset (RFC 9293, 3.10.4), otherwise it is an end of stream.
    pub fn close(&mut self, side: usize, at: Duration, wakers: &mut Wakers) {
        if !self.ends[side].open {
            return;
        }
        self.ends[side].open = false;
        let unread = self.pipes[1 - side].arrived > 0;
        self.pipes[1 - side].discard_arrived();
        if unread {
            self.reset_peer(side, at, wakers);
        } else {
            self.shut_down(side, at, wakers);
        }
    }

    fn reset_peer(&mut self, side: usize, at: Duration, wakers: &mut Wakers) {
        let pipe = &mut self.pipes[side];
        if self.ends[side].dead || pipe.lost || pipe.rst.is_some() {
            return;
        }
        let after = pipe.last_arrival().max(pipe.fin.unwrap_or(Duration::ZERO));
        pipe.rst = Some(at.max(after));
        wakers.extend(pipe.reader.take());
    }

    /// The machine at `side` loses power. What it sent before is on the wire and arrives.
    pub fn forget(&mut self, side: usize) {
        let end = &mut self.ends[side];
        if end.open {
            end.open = false;
            end.forgotten = true;
            self.pipes[1 - side].discard_arrived();
        }
    }

    /// Whether something has reached an end that nobody holds, which its machine answers with a
    /// reset. `up` says whether that machine runs, `passes` is about the link towards it.
    pub fn knocks(&mut self, closed: usize, now: Duration, up: bool, passes: bool) -> bool {
        let forgotten = self.ends[closed].forgotten;
        let pipe = &mut self.pipes[1 - closed];
        if !up || !passes || pipe.lost || self.ends[closed].open {
            return false;
        }
        let data = pipe.in_flight.front().is_some_and(|s| s.at <= now) || pipe.arrived > 0;
        let fin = forgotten && pipe.fin.is_some_and(|at| at <= now);
        if data || fin {
            pipe.in_flight.clear();
            pipe.arrived = 0;
            pipe.bytes.clear();
            pipe.fin = None;
        }
        data || fin
    }

    /// The machine at `closed` answers such a segment; the answer arrives at `at`.
    pub fn refuse_segment(&mut self, closed: usize, at: Duration, wakers: &mut Wakers) {
        self.reset_peer(closed, at, wakers);
    }

    /// Both ends are reset, now. What has arrived may still be read, as on Linux.
    pub fn abort(&mut self, wakers: &mut Wakers) {
        for side in 0..2 {
            self.ends[side].fail(io::ErrorKind::ConnectionReset);
            self.pipes[side].drop_in_flight();
            self.pipes[side].wake(wakers);
        }
    }

    /// The direction of `side` is dead from now on. The state is up to date.
    pub fn lose(&mut self, side: usize) {
        let pipe = &mut self.pipes[side];
        pipe.drop_in_flight();
        pipe.lost = true;
    }

    /// The link that `side` sends over passes again; what waited arrives at `at` or later.
    pub fn heal(&mut self, side: usize, at: Duration, wakers: &mut Wakers) {
        let pipe = &mut self.pipes[side];
        if pipe.lost {
            return;
        }
        for segment in &mut pipe.in_flight {
            segment.at = segment.at.max(at);
        }
        pipe.rst = pipe.rst.map(|t| t.max(at));
        if !pipe.fin_arrived {
            pipe.fin = pipe.fin.map(|t| t.max(at));
        }
        pipe.wake(wakers);
        // The acks of what came the other way.
        let back = &mut self.pipes[1 - side];
        back.unacked -= std::mem::take(&mut back.acks_held);
        back.wake(wakers);
    }

    /// The link that `side` sends over changed its speed: `carry` says when so many bytes, given
    /// to it now, arrive.
    pub fn retime(
        &mut self,
        side: usize,
        now: Duration,
        mut carry: impl FnMut(usize) -> Duration,
        wakers: &mut Wakers,
    ) {
        let pipe = &mut self.pipes[side];
        let mut last = now;
        for segment in &mut pipe.in_flight {
            last = last.max(carry(segment.len));
            segment.at = last;
        }
        if !pipe.fin_arrived && pipe.fin.is_some() {
            last = last.max(carry(0));
            pipe.fin = Some(last);
        }
        if pipe.rst.is_some_and(|at| at > now) {
            pipe.rst = Some(last.max(carry(0)));
        }
        pipe.wake(wakers);
    }

    /// Who is to be woken when `side` may read.
    pub fn wait_readable(&mut self, side: usize, waker: &Waker) {
        set_waker(&mut self.pipes[1 - side].reader, waker);
    }

    /// Who is to be woken when `side` may write.
    pub fn wait_writable(&mut self, side: usize, waker: &Waker) {
        set_waker(&mut self.pipes[side].writer, waker);
    }
}

fn set_waker(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(old) => old.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}
