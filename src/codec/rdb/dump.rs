//! One value as `DUMP` gives it and `RESTORE` takes it (cluster.c `createDumpPayload`).
//!
//! ```text
//! type  value  version (2, little endian)  crc64 of all before (8, little endian)
//! ```

use super::primitives::{Cursor, Stop};
use super::{VERSION_READ_MAX, VERSION_WRITTEN, value};
use crate::codec::crc64::Crc64;
use crate::keyspace::Value;

const FOOTER_BYTES: usize = 10;

/// Why a payload was not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreError {
    /// Its version is too new, or its checksum is not that of its bytes.
    Footer,
    /// It is whole, but no value, or none of a supported type.
    Content(String),
}

/// The value as a payload.
pub fn dump(stored: &Value, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    value::push_type(&mut out, stored);
    value::push(&mut out, stored, compress);
    out.extend_from_slice(&(VERSION_WRITTEN as u16).to_le_bytes());
    let mut checksum = Crc64::new();
    checksum.update(&out);
    out.extend_from_slice(&checksum.value().to_le_bytes());
    out
}

/// The value of a payload; `hash_seed` keys the tables inside of it.
pub fn restore(payload: &[u8], hash_seed: u64) -> Result<Value, RestoreError> {
    let body = payload.len().checked_sub(FOOTER_BYTES).ok_or(RestoreError::Footer)?;
    let (body, footer) = payload.split_at(body);
    let version = u32::from(u16::from_le_bytes([footer[0], footer[1]]));
    let mut checksum = Crc64::new();
    checksum.update(&payload[..body.len() + 2]);
    let computed = checksum.value().to_le_bytes();
    // Zero: made without a checksum.
    if version > VERSION_READ_MAX || (footer[2..] != computed && footer[2..] != [0; 8]) {
        return Err(RestoreError::Footer);
    }
    let mut cursor = Cursor::new(body);
    let loaded = cursor.byte().and_then(|kind| value::load(&mut cursor, kind, hash_seed));
    match loaded {
        Ok(value) if cursor.position() == body.len() => Ok(value),
        Ok(_) => Err(RestoreError::Content("bytes after the value".into())),
        Err(Stop::NeedBytes(_)) => Err(RestoreError::Content("it ends too early".into())),
        Err(Stop::Bad { message, .. }) => Err(RestoreError::Content(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SET k 10`, `DUMP k` of Redis 7.0.15.
    const TEN: &[u8] = b"\x00\xc0\x0a\x0a\x00\x6c\xef\x1e\x39\x8f\xf7\xc3\x5e";

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let payload = dump(&Value::string(b"some text"), true);
        assert_eq!(restore(&payload, 1), Ok(Value::string(b"some text")));
        for end in 0..payload.len() {
            assert!(restore(&payload[..end], 1).is_err(), "cut at {end}");
        }
        for bit in 0..payload.len() * 8 {
            let mut bad = payload.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(restore(&bad, 1).is_err(), "bit {bit}");
        }
        assert_eq!(dump(&Value::string(b"10"), true)[..5], TEN[..5]);
    }
}
