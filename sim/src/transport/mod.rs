//! The transport contract: what a TCP connection does in each kind of outage.
//!
//! turmoil never retransmits, so that a lost segment is a gap for ever; its partitions drop, its
//! holds are lossless but freed by nothing but `release`, and it has neither bandwidth nor
//! segment sizes. So turmoil makes the handshakes over a network that is left whole and fast,
//! and this layer carries the bytes (sending them through turmoil as well took a tenth of a run
//! and decided nothing). It says *when* they may be read, and what both ends see if something
//! happens to the link, the process or the machine:
//!
//! | outage | what is seen |
//! |---|---|
//! | stall | nothing arrives, connects hang; after the heal all of it arrives, in order, an end of stream and a reset included |
//! | reset | both ends get `ECONNRESET` at once, after what had arrived; connects are refused |
//! | blackhole | connections that exist are dead for ever: reads wait, writes are taken until the window is full; connects hang until the heal |
//! | kill | the process is gone, its machine closes: an end of stream, or a reset if it had not read everything; a write to it is answered with a reset; connects are refused |
//! | power loss | silence; connects hang while the machine is off; once it is on again, what reaches an old connection is answered with a reset |
//! | pause | the kernel goes on: connects succeed, bytes are taken until the window is full |
//! | slow | latency from a range, bandwidth shared by a link's connections, segments of any size |
//!
//! One way, from host A to host B:
//! - *stall* and *blackhole* stop what A sends, and A's acks: B's bytes still reach A, until B's
//!   window is full. A connect in either direction needs both.
//! - *reset* is about connections that A made to B, as a firewall rule for A's packets to B's
//!   port is: those that B made to A live.
//! - *slow* is one-way by nature.
//!
//! What this does not model: congestion control, retransmission timers (a healed link delivers
//! after one latency, a waiting connect goes on at once) and the kernel giving up on a
//! connection by itself.
//!
//! `conn` is the state machine, [`link`] the timing, [`stream`] and [`listener`] the sockets.
//!
//! Must never: use turmoil's own partitions, holds or loss.

pub(crate) mod conn;
pub mod link;
pub mod listener;
pub mod stream;

pub use link::{LinkConfig, LinkPolicy};
pub use listener::SimListener;
pub use stream::SimStream;
