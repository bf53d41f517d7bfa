//! Codecs: RESP, RDB, LZF, CRC-64.
pub mod rdb;
pub mod resp;
