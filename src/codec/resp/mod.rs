//! RESP2, the protocol of clients and of the replication stream: a writer of replies, an
//! incremental parser of commands, and the encoder of commands.
//!
//! The parser reports the exact number of raw bytes of each command, since replication offsets
//! count them and replicas pass them on verbatim. Must never: rewrite what it parsed.

mod command;
mod inline;
mod reply;

pub use command::{CommandParser, Parse, ParseLimits, ProtocolError};
pub use inline::{quote, split_args};
pub use reply::{Reply, encode_command};
