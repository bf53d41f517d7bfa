//! Why a command was refused, in the texts of Redis 7.0.15: clients and test suites compare them.

/// A refusal; its `Display` is the error reply after the `-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Options that do not exist, or not in this combination.
    #[error("ERR syntax error")]
    Syntax,
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// Not a 64-bit decimal integer in its one canonical form.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// An integer that does not fit into an `i32` where it has to.
    #[error("ERR value is out of range, value must between -2147483648 and 2147483647")]
    NotInt32,
    /// Not a number in the sense of `INCRBYFLOAT`.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The result leaves the range of an `i64`.
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// `DECRBY` by the one number that has no opposite.
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    /// `INCRBYFLOAT` past the largest number.
    #[error("ERR increment would produce NaN or Infinity")]
    NotFinite,
    /// A time to live of zero or less, or one that ends after the end of time. Holds the command.
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(String),
    /// Arity, found by a handler itself. Holds the command, `container|subcommand` if so.
    #[error("ERR wrong number of arguments for '{0}' command")]
    WrongArity(String),
    /// A container command does not have this subcommand.
    #[error("ERR unknown subcommand '{given}'. Try {container} HELP.")]
    UnknownSubcommand {
        /// As typed.
        given: String,
        /// In upper case.
        container: String,
    },
    /// There is no such database.
    #[error("ERR DB index is out of range")]
    DbIndex,
    /// `COPY` or `MOVE` onto itself.
    #[error("ERR source and destination objects are the same")]
    SameObject,
    /// `RENAME` of nothing.
    #[error("ERR no such key")]
    NoSuchKey,
    /// A negative offset.
    #[error("ERR offset is out of range")]
    Offset,
    /// A string longer than 512 MB.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    /// A cursor that `SCAN` never gave.
    #[error("ERR invalid cursor")]
    InvalidCursor,
    /// Not the id of an entry of a stream.
    #[error("ERR Invalid stream ID specified as stream command argument")]
    StreamId,
    /// Said in one place only, with a code of its own in front.
    #[error("{0}")]
    Coded(String),
    /// A string that no `PFADD` made.
    #[error("WRONGTYPE Key is not a valid HyperLogLog string value.")]
    NotHyperLogLog,
    /// A HyperLogLog whose registers cannot be read.
    #[error("INVALIDOBJ Corrupted HLL object detected")]
    CorruptHyperLogLog,
    /// Anything said in one place only.
    #[error("ERR {0}")]
    Other(String),
}

/// What a handler comes to; it has written its reply if this is `Ok`.
pub type Outcome = Result<(), CommandError>;

/// Bytes from a client, for use in an error text.
pub fn printable(bytes: &[u8]) -> String {
    /// Redis cuts quoted names at this length; so nobody is answered with their own megabytes.
    const QUOTED_BYTES: usize = 128;
    // A string of C: it ends at a NUL.
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(&text[..text.len().min(QUOTED_BYTES)]).into_owned()
}
