//! RESP2.

/// Append-only writer of RESP2 replies (stub).
pub struct Reply(());
