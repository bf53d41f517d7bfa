//! Bytes that go on a stream: commands as RESP arrays, `SELECT`, `MULTI` and `EXEC`.
//!
//! Must never: know who receives them.

use bytes::BytesMut;

use crate::codec::resp::encode_command;

use super::output::Write;

/// A master's sign of life on its stream.
pub(super) const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";
/// A master asks for acks at once.
pub(super) const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Appends a write: `SELECT` if the stream has another database selected, placed before `MULTI`
/// so that the transaction does not begin with it. Returns the database selected afterwards.
pub(super) fn encode_write(into: &mut BytesMut, selected: Option<u32>, write: &Write<'_>) -> u32 {
    if selected != Some(write.db) {
        let mut digits = itoa::Buffer::new();
        encode_command::<&[u8]>(into, &[b"SELECT", digits.format(write.db).as_bytes()]);
    }
    let mut db = write.db;
    if write.transaction {
        into.extend_from_slice(MULTI);
    }
    for command in write.commands {
        encode_command(into, command);
        db = selected_by(command).unwrap_or(db);
    }
    if write.transaction {
        into.extend_from_slice(EXEC);
    }
    db
}

/// The database that a `SELECT` selects; `None` for any other command.
pub(super) fn selected_by<A: AsRef<[u8]>>(command: &[A]) -> Option<u32> {
    match command {
        [name, db] if name.as_ref().eq_ignore_ascii_case(b"select") => {
            std::str::from_utf8(db.as_ref()).ok()?.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_comes_before_multi_and_only_when_the_database_changes() {
        let write = Write { db: 3, commands: &[&[b"set", b"k", b"v"]], transaction: true };
        let mut bytes = BytesMut::new();
        assert_eq!(encode_write(&mut bytes, None, &write), 3);
        assert_eq!(
            &bytes[..],
            &b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$5\r\nMULTI\r\n\
              *3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n*1\r\n$4\r\nEXEC\r\n"[..]
        );
        bytes.clear();
        encode_write(&mut bytes, Some(3), &write);
        assert!(bytes.starts_with(MULTI));
    }

    #[test]
    fn a_select_inside_a_transaction_is_noticed() {
        let write = Write {
            db: 0,
            commands: &[&[b"set", b"k", b"v"], &[b"SELECT", b"7"], &[b"del", b"k"]],
            transaction: true,
        };
        assert_eq!(encode_write(&mut BytesMut::new(), Some(0), &write), 7);
    }
}
