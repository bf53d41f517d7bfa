//! The reader: bytes in pieces of any size, a fresh keyspace out (rdb.c `rdbLoadRio`).

use super::primitives::{Cursor, Stop};
use super::value::{Loading, Part, ValueLimits};
use super::{RdbError, VERSION_READ_MAX, functions, module, opcode};
use crate::codec::crc64::Crc64;
use crate::keyspace::{Keyspace, RecordedAccess, Value};
use crate::node::LoadedData;
use crate::replication::{Offset, ReplicationId, SavedPosition};

const MAGIC: &[u8] = b"REDIS";
/// First version with a checksum at its end.
const FIRST_CHECKSUMMED_VERSION: u32 = 5;

/// Incremental reader: feed bytes in pieces of any size, then `finish`.
///
/// Values are read an element at a time, so that every byte is looked at once; besides the data
/// it holds the bytes of one unfinished element. After an error it stays in error; the keyspace
/// it was filling is dropped with it.
pub struct Loader {
    target: Keyspace,
    limits: ValueLimits,
    drop_expired_ms: Option<u64>,
    /// Bytes that arrived and are not read.
    buffer: Vec<u8>,
    /// Offset in the file of the first byte of `buffer`.
    offset: u64,
    /// Bytes that `buffer` has to hold before another try makes sense.
    needed_bytes: usize,
    stage: Stage,
    version: u32,
    checksum: Crc64,
    db: u32,
    /// Deadline read for the next key.
    deadline_ms: Option<u64>,
    /// What is said of accesses to the next key.
    access: RecordedAccess,
    /// Whether something was read that belongs to a key to come.
    key_pending: bool,
    /// The key whose value is being read.
    open: Option<OpenKey>,
    /// Offset in the file of the item that is being read.
    item_offset: u64,
    position: PositionFields,
    keys: u64,
    expired: u64,
    empty: u64,
    failed: Option<RdbError>,
}

/// A key and what there is of its value.
struct OpenKey {
    key: Vec<u8>,
    value: Loading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    Items,
    Checksum,
    Done,
}

/// The aux fields about replication, as far as they were there.
#[derive(Default)]
struct PositionFields {
    id: Option<ReplicationId>,
    offset: Option<Offset>,
    stream_db: Option<u32>,
}

impl Loader {
    /// Loads into `target` (empty), with its limits of small forms; with `drop_expired_ms`, keys whose deadline is before it are
    /// dropped and counted.
    pub fn new(target: Keyspace, drop_expired_ms: Option<u64>) -> Self {
        Self {
            limits: ValueLimits::from(&target),
            target,
            drop_expired_ms,
            buffer: Vec::new(),
            offset: 0,
            needed_bytes: 0,
            stage: Stage::Header,
            version: 0,
            checksum: Crc64::new(),
            db: 0,
            deadline_ms: None,
            access: RecordedAccess::default(),
            key_pending: false,
            open: None,
            item_offset: 0,
            position: PositionFields::default(),
            keys: 0,
            expired: 0,
            empty: 0,
            failed: None,
        }
    }

    /// Number of keys read so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Reads on. After an error every later call gives the same error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), RdbError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < self.needed_bytes {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let (read, result) = self.read_items(&buffer);
        self.offset += read as u64;
        self.buffer = buffer;
        self.buffer.drain(..read);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// Fails unless the file was complete and its checksum right.
    pub fn finish(self) -> Result<LoadedData, RdbError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.stage != Stage::Done {
            return Err(RdbError {
                offset: self.offset + self.buffer.len() as u64,
                message: "unexpected end of file".to_owned(),
            });
        }
        Ok(LoadedData {
            keyspace: self.target,
            position: self.position.complete(),
            keys: self.keys,
            expired: self.expired,
            empty: self.empty,
        })
    }

    /// Reads all that is complete; returns how many bytes that took.
    fn read_items(&mut self, buffer: &[u8]) -> (usize, Result<(), RdbError>) {
        let (mut read, mut summed) = (0, 0);
        let result = loop {
            let rest = &buffer[read..];
            if rest.is_empty() {
                self.needed_bytes = 0;
                break Ok(());
            }
            if self.open.is_none() {
                self.item_offset = self.offset + read as u64;
            }
            if self.stage == Stage::Checksum {
                self.checksum.update(&buffer[summed..read]);
                summed = read;
            }
            let mut cursor = Cursor::new(rest);
            match self.read_item(&mut cursor) {
                Ok(()) => read += cursor.position(),
                Err(Stop::NeedBytes(needed)) => {
                    self.needed_bytes = needed;
                    break Ok(());
                }
                Err(Stop::Bad { at, message }) => {
                    let offset = self.offset + (read + at) as u64;
                    break Err(RdbError { offset, message });
                }
                Err(Stop::BadItem(message)) => {
                    break Err(RdbError { offset: self.item_offset, message });
                }
            }
        };
        if self.stage != Stage::Done {
            self.checksum.update(&buffer[summed..read]);
        }
        (read, result)
    }

    /// Reads one item, or one part of a value; nothing is applied unless all of it is there.
    fn read_item(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        match self.stage {
            Stage::Header => self.read_header(cursor),
            Stage::Items if self.open.is_some() => self.read_value(cursor),
            Stage::Items => self.read_opcode(cursor),
            Stage::Checksum => self.read_checksum(cursor),
            Stage::Done => Cursor::bad(0, "bytes after the end of the file"),
        }
    }

    fn read_header(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let header: [u8; 9] = cursor.array()?;
        let (magic, digits) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Cursor::bad(0, "wrong signature, this is not an RDB file");
        }
        let version = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        match version {
            Some(version @ 1..=VERSION_READ_MAX) => self.version = version,
            newer => {
                let shown = digits.escape_ascii();
                let whose = match newer {
                    Some(12) => " (of Redis 7.4 and 8)",
                    Some(80) => " (of Valkey 9)",
                    _ => "",
                };
                return Cursor::bad(
                    MAGIC.len(),
                    format!(
                        "cannot read RDB version {shown}{whose}: versions up to {VERSION_READ_MAX} are read"
                    ),
                );
            }
        }
        self.stage = Stage::Items;
        Ok(())
    }

    fn read_opcode(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let code = cursor.byte()?;
        match code {
            opcode::EXPIRE_TIME_MS => {
                self.deadline(i64::from_le_bytes(cursor.array()?));
            }
            opcode::EXPIRE_TIME => {
                let seconds = i64::from(i32::from_le_bytes(cursor.array()?));
                self.deadline(seconds * 1000);
            }
            opcode::FREQ => {
                self.access.frequency = Some(cursor.byte()?);
                self.key_pending = true;
            }
            opcode::IDLE => {
                self.access.idle_seconds = Some(cursor.length()?);
                self.key_pending = true;
            }
            opcode::AUX => {
                let name = cursor.string()?;
                let text = cursor.string()?;
                self.position.aux(&name, &text);
            }
            opcode::RESIZE_DB => {
                // Sizes for the hash tables; a hint that nothing here relies on.
                cursor.length()?;
                cursor.length()?;
            }
            opcode::SELECT_DB => self.select(cursor)?,
            opcode::EOF => self.end_of_items()?,
            opcode::FUNCTION2 | opcode::FUNCTION_PRE_GA => {
                functions::load(cursor, code, &mut self.target.libraries)?;
            }
            opcode::MODULE_AUX => module::refuse_aux(cursor)?,
            kind if module::KINDS.contains(&kind) => module::refuse_value(cursor, kind)?,
            kind => self.read_key(cursor, kind)?,
        }
        Ok(())
    }

    /// A deadline in ms. As in Redis -1 is none; one before 1970 has long passed.
    fn deadline(&mut self, deadline_ms: i64) {
        self.deadline_ms = (deadline_ms != -1).then(|| u64::try_from(deadline_ms).unwrap_or(0));
        self.key_pending = true;
    }

    fn select(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let db = cursor.length()?;
        let databases = self.target.databases();
        match u32::try_from(db) {
            Ok(db) if db < databases => self.db = db,
            _ => {
                return Cursor::bad(
                    0,
                    format!("database {db} does not exist here (databases is {databases})"),
                );
            }
        }
        Ok(())
    }

    fn read_key(&mut self, cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Stop> {
        let value = match Loading::new(kind, &self.limits) {
            Ok(value) => value,
            Err(refusal) => return Cursor::bad(0, refusal),
        };
        let key = cursor.string()?.into_owned();
        self.open = Some(OpenKey { key, value });
        Ok(())
    }

    /// Reads one part of the open key's value, and stores it once it is whole.
    fn read_value(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let value = match open.value.part(cursor)? {
            Part::More => return Ok(()),
            Part::Whole(value) => Some(value),
            Part::Empty => None,
        };
        let key = std::mem::take(&mut open.key);
        let stored = self.store(&key, value);
        self.open = None;
        stored
    }

    /// Stores a key, unless there is nothing to be stored or it has expired.
    fn store(&mut self, key: &[u8], value: Option<Value>) -> Result<(), Stop> {
        let deadline_ms = self.deadline_ms.take();
        let access = std::mem::take(&mut self.access);
        self.key_pending = false;
        let Some(value) = value else {
            self.empty += 1;
            return Ok(());
        };
        self.keys += 1;
        if let (Some(deadline_ms), Some(limit_ms)) = (deadline_ms, self.drop_expired_ms)
            && deadline_ms < limit_ms
        {
            self.expired += 1;
            return Ok(());
        }
        if self.target.set(self.db, key, value, deadline_ms) {
            let key = key.escape_ascii();
            return Stop::bad_item(format!("key '{key}' is twice in database {}", self.db));
        }
        if access != RecordedAccess::default() {
            self.target.set_recorded_access(self.db, key, access);
        }
        Ok(())
    }

    fn end_of_items(&mut self) -> Result<(), Stop> {
        if self.key_pending {
            return Cursor::bad(0, "end of file where a key was announced");
        }
        self.stage =
            if self.version >= FIRST_CHECKSUMMED_VERSION { Stage::Checksum } else { Stage::Done };
        Ok(())
    }

    fn read_checksum(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        let written = u64::from_le_bytes(cursor.array()?);
        let computed = self.checksum.value();
        // Zero: written with `rdbchecksum no`.
        if written != 0 && written != computed {
            return Cursor::bad(
                0,
                format!(
                    "RDB CRC error: the file says {written:016x}, its bytes give {computed:016x}"
                ),
            );
        }
        self.stage = Stage::Done;
        Ok(())
    }
}

impl PositionFields {
    /// Takes what it knows; all other names are information only.
    fn aux(&mut self, name: &[u8], text: &[u8]) {
        let text = std::str::from_utf8(text).unwrap_or_default();
        match name {
            b"repl-id" => self.id = text.parse().ok(),
            b"repl-offset" => self.offset = text.parse().ok().map(Offset),
            b"repl-stream-db" => self.stream_db = text.parse().ok(),
            _ => {}
        }
    }

    fn complete(self) -> Option<SavedPosition> {
        Some(SavedPosition { id: self.id?, offset: self.offset?, stream_db: self.stream_db })
    }
}

#[cfg(test)]
mod tests {
    use super::super::primitives::{push_length, push_string};
    use super::*;

    /// Nothing but the element that is not complete waits for the next piece, however long the
    /// value: so no byte is looked at twice.
    #[test]
    fn a_long_value_is_read_as_it_comes() {
        const ELEMENTS: u64 = 30_000;
        let score = 1.0_f64.to_le_bytes();
        // Type, and what stands behind each element's text.
        for (kind, behind) in [(1, &b""[..]), (2, b""), (4, b"\x01v"), (5, &score)] {
            let mut file = b"REDIS0010".to_vec();
            file.extend_from_slice(&[kind, 1, b'k']);
            push_length(&mut file, ELEMENTS);
            for at in 0..ELEMENTS {
                push_string(&mut file, format!("e{at}").as_bytes(), false);
                file.extend_from_slice(behind);
            }
            let mut loader = Loader::new(Keyspace::new(1, 7, false), None);
            for piece in file.chunks(100) {
                loader.feed(piece).expect("sound");
                assert!(loader.buffer.len() < 24, "{} bytes wait", loader.buffer.len());
            }
            assert_eq!((loader.keys, loader.target.len(0)), (1, 1));
        }
    }
}
