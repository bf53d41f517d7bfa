//! One value as `DUMP` gives it and `RESTORE` takes it (cluster.c `createDumpPayload`).
//!
//! ```text
//! type  value  version (2, little endian)  crc64 of all before (8, little endian)
//! ```

use super::primitives::{Cursor, Stop};
use super::value::{Loading, Part};
use super::{VERSION_READ_MAX, VERSION_WRITTEN, ValueLimits, value};
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
    push_footer(&mut out);
    out
}

/// Ends a payload.
pub(super) fn push_footer(out: &mut Vec<u8>) {
    out.extend_from_slice(&(VERSION_WRITTEN as u16).to_le_bytes());
    let mut checksum = Crc64::new();
    checksum.update(out);
    out.extend_from_slice(&checksum.value().to_le_bytes());
}

/// What a payload holds, if its end is right (cluster.c `verifyDumpPayload`).
pub(super) fn without_footer(payload: &[u8]) -> Result<&[u8], RestoreError> {
    let body = payload.len().checked_sub(FOOTER_BYTES).ok_or(RestoreError::Footer)?;
    let (body, footer) = payload.split_at(body);
    let version = u32::from(u16::from_le_bytes([footer[0], footer[1]]));
    let mut checksum = Crc64::new();
    checksum.update(&payload[..body.len() + 2]);
    let computed = checksum.value().to_le_bytes();
    if version > VERSION_READ_MAX || footer[2..] != computed {
        return Err(RestoreError::Footer);
    }
    Ok(body)
}

/// The value of a payload, in a small form as far as `limits` allow.
pub fn restore(payload: &[u8], limits: &ValueLimits) -> Result<Value, RestoreError> {
    value_of(&mut Cursor::new(without_footer(payload)?), limits)
}

/// Reads the type byte and all parts; nothing may be left.
fn value_of(cursor: &mut Cursor<'_>, limits: &ValueLimits) -> Result<Value, RestoreError> {
    let refused = |stop| {
        RestoreError::Content(match stop {
            Stop::NeedBytes(_) => "it ends too early".into(),
            Stop::Bad { message, .. } | Stop::BadItem(message) => message,
        })
    };
    let kind = cursor.byte().map_err(refused)?;
    let mut loading = Loading::new(kind, limits).map_err(RestoreError::Content)?;
    loop {
        match loading.part(cursor).map_err(refused)? {
            Part::More => {}
            Part::Empty => return Err(RestoreError::Content("there is nothing in it".into())),
            Part::Whole(value) if cursor.is_at_end() => return Ok(value),
            Part::Whole(_) => return Err(RestoreError::Content("bytes after the value".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Keyspace;

    fn restored(payload: &[u8]) -> Result<Value, RestoreError> {
        restore(payload, &ValueLimits::from(&Keyspace::new(1, 1, false)))
    }

    /// `SET k 10`, `DUMP k` of Redis 7.0.15.
    const TEN: &[u8] = b"\x00\xc0\x0a\x0a\x00\x6c\xef\x1e\x39\x8f\xf7\xc3\x5e";

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let payload = dump(&Value::string(b"some text"), true);
        assert_eq!(restored(&payload), Ok(Value::string(b"some text")));
        for end in 0..payload.len() {
            assert!(restored(&payload[..end]).is_err(), "cut at {end}");
        }
        for bit in 0..payload.len() * 8 {
            let mut bad = payload.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(restored(&bad).is_err(), "bit {bit}");
        }
        assert_eq!(dump(&Value::string(b"10"), true)[..5], TEN[..5]);
    }
}
