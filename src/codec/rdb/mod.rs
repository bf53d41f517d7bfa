//! RDB files: a whole dataset as bytes, on disk and in a full sync.
//!
//! ```text
//! "REDIS" "0010"                          magic and version
//! (AUX key value)*                        facts about the file: who wrote it, where in the stream
//! (FUNCTION2 text)*                       libraries of functions
//! (SELECTDB n  RESIZEDB keys expires
//!    ([EXPIRETIME_MS ms] type key value)*)*
//! EOF  crc64 (8 bytes, little endian; zeros: none)
//! ```
//!
//! The writer writes version 10, as Redis 7.0 does; the reader reads versions 1 to 11. What a file
//! may hold that is not supported here (modules, other value types) is refused by name. A file is
//! loaded whole or not at all. Keys without elements, which old servers have left in files, are
//! counted and skipped, as Redis does.
//!
//! One file a subject: `primitives` (lengths, strings, integers), `reader`, `writer`, and a
//! file a family of values in `value`, over the compact forms `listpack`, `ziplist`, `intset` and
//! `zipmap`; `functions` are their libraries; `dump` is a single value for `DUMP`. A new type of value is a file there and its line in
//! `value::load` and `value::save`.
//!
//! Must never: take memory for a length that a file merely claims, or skip what it does not know.

mod dump;
mod functions;
pub mod intset;
pub mod listpack;
mod module;
pub mod packed;
mod primitives;
mod reader;
mod value;
mod writer;
pub mod ziplist;
pub mod zipmap;

pub use dump::{RestoreError, dump, restore};
pub use functions::{FunctionsError, dump_functions, restore_functions};
pub use reader::Loader;
pub use value::ValueLimits;
pub use writer::encode;

/// The version that is written (`RDB_VERSION` of Redis 7.0).
pub const VERSION_WRITTEN: u32 = 10;
/// The newest version that is read (Redis 7.2, Valkey 8.0).
pub const VERSION_READ_MAX: u32 = 11;

/// A piece of an RDB file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of the file.
    pub bytes: bytes::Bytes,
    /// Number of keys in them (for `rdb-key-save-delay`); a key is counted where it begins.
    pub keys: u64,
}

/// A file that is not loaded, and where it went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at offset {offset}")]
pub struct RdbError {
    /// Byte offset in the file.
    pub offset: u64,
    /// What is wrong.
    pub message: String,
}

/// The bytes that stand in front of an item, other than types of values (rdb.h).
mod opcode {
    pub const FUNCTION2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZE_DB: u8 = 251;
    pub const EXPIRE_TIME_MS: u8 = 252;
    pub const EXPIRE_TIME: u8 = 253;
    pub const SELECT_DB: u8 = 254;
    pub const EOF: u8 = 255;
}

#[cfg(test)]
mod encoding_tests;
#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod tests;
