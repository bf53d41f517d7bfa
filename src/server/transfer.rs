//! The queue between whoever reads a snapshot and the connection that sends it: bounded, so
//! that a snapshot is read no faster than its replica takes it.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::replication::SnapshotId;

/// Pieces on their way to one connection at most. A piece is about 64 KiB.
const PIECES: usize = 4;

/// What a connection is to send.
pub(super) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// All has been said. A queue that ends without it has failed, and the connection with it.
    End,
}

/// The end of the reader.
pub(super) type Pieces = mpsc::Sender<Piece>;

/// The end of the connection.
pub(super) struct Transfer {
    /// Which snapshot it is.
    pub(super) snapshot: SnapshotId,
    /// What to send.
    pub(super) pieces: mpsc::Receiver<Piece>,
}

/// A new queue.
pub(super) fn begin(snapshot: SnapshotId) -> (Pieces, Transfer) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (sender, Transfer { snapshot, pieces })
}
