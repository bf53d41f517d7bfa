//! Codecs: RESP (commands and replies), RDB (snapshot files), and what RDB is made of (LZF, CRC-64).
//!
//! Everything here turns bytes into values and back. Must never: do I/O, read a clock, keep more
//! memory than what really arrived, or panic on bytes from outside.

pub mod crc64;
pub mod lzf;
pub mod rdb;
pub mod resp;
