//! The writer of replies, and of whole commands.

use bytes::{BufMut, BytesMut};

/// Append-only writer of RESP2 replies.
///
/// What was written is one contiguous run of bytes. [`Reply::len`] before and
/// [`Reply::truncate`] after let a caller take back what a handler wrote.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reply {
    out: BytesMut,
    /// See [`Reply::set_limit`]; 0: none.
    limit_bytes: usize,
}

impl Reply {
    /// An empty writer; allocates nothing until the first reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// With more than so many bytes nobody will read it (0: no limit). It goes on being written:
    /// who can write without end looks at [`Reply::is_over_limit`].
    pub fn set_limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
    }

    /// Whether the connection will be closed for what is here.
    pub fn is_over_limit(&self) -> bool {
        self.limit_bytes > 0 && self.out.len() > self.limit_bytes
    }

    /// `+text`. Newlines in `text` become spaces.
    pub fn status(&mut self, text: impl AsRef<[u8]>) {
        self.line(b'+', text.as_ref());
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `-text`, where `text` begins with its code (`ERR ...`, `READONLY ...`). Trailing newlines
    /// are dropped and others become spaces, as networking.c `afterErrorReply` sends it.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let mut text = text.as_ref();
        while let [rest @ .., b'\r' | b'\n'] = text {
            text = rest;
        }
        self.line(b'-', text);
    }

    /// `:value`.
    pub fn integer(&mut self, value: i64) {
        self.header(b':', itoa::Buffer::new().format(value));
    }

    /// `$len`, then the bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        push_bulk(&mut self.out, bytes.as_ref());
    }

    /// `$-1`: no value.
    pub fn null_bulk(&mut self) {
        self.out.extend_from_slice(b"$-1\r\n");
    }

    /// `*-1`: no array (an aborted `EXEC`, a timed out blocking command).
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(b"*-1\r\n");
    }

    /// `*len`; the caller writes `len` replies next.
    pub fn array_header(&mut self, len: usize) {
        self.header(b'*', itoa::Buffer::new().format(len));
    }

    /// Bytes that are RESP already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Puts bytes that are RESP already after the first `at` bytes, or at the end.
    pub fn insert(&mut self, at: usize, bytes: &[u8]) {
        let rest = self.out.split_off(at.min(self.out.len()));
        self.out.extend_from_slice(bytes);
        self.out.unsplit(rest);
    }

    /// Number of bytes written and not yet taken.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What was written and not yet taken.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets everything after the first `len` bytes; nothing happens if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.out.clear();
    }

    /// Takes everything written so far into `bytes`, which is empty; the writer is empty afterwards
    /// and goes on in the room that `bytes` had.
    pub fn take(&mut self, bytes: &mut BytesMut) {
        debug_assert!(bytes.is_empty(), "what is there would be lost");
        std::mem::swap(&mut self.out, bytes);
    }

    fn header(&mut self, kind: u8, digits: &str) {
        self.out.reserve(digits.len() + 3);
        self.out.put_u8(kind);
        self.out.extend_from_slice(digits.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.put_u8(kind);
        let start = self.out.len();
        self.out.extend_from_slice(text);
        for byte in &mut self.out[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Most bytes around an argument: `$`, a length and two line ends.
const BULK_FRAME_BYTES: usize = 1 + 20 + 4;

fn push_bulk(out: &mut BytesMut, bytes: &[u8]) {
    let mut digits = itoa::Buffer::new();
    let len = digits.format(bytes.len());
    out.reserve(len.len() + bytes.len() + 5);
    out.put_u8(b'$');
    out.extend_from_slice(len.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a command as an array of bulk strings: the one form that travels on the stream.
pub fn encode_command<A: AsRef<[u8]>>(out: &mut BytesMut, args: &[A]) {
    // Room for all of it at once: arguments, and at most so many bytes around each.
    let room = args.iter().map(|arg| arg.as_ref().len() + BULK_FRAME_BYTES).sum::<usize>();
    out.reserve(BULK_FRAME_BYTES + room);
    out.put_u8(b'*');
    out.extend_from_slice(itoa::Buffer::new().format(args.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for arg in args {
        push_bulk(out, arg.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_its_form_on_the_wire() {
        let mut reply = Reply::new();
        assert!(reply.is_empty());
        reply.ok();
        reply.status("PONG");
        reply.integer(i64::MIN);
        reply.bulk(b"a\r\nb");
        reply.null_bulk();
        reply.null_array();
        reply.array_header(2);
        reply.raw(b":1\r\n");
        let expected =
            b"+OK\r\n+PONG\r\n:-9223372036854775808\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n";
        assert_eq!(reply.as_bytes(), expected);
        assert_eq!(reply.len(), expected.len());
        let mut taken = BytesMut::new();
        reply.take(&mut taken);
        assert_eq!(taken, expected[..]);
        assert!(reply.is_empty());
    }

    #[test]
    fn errors_stay_on_one_line() {
        let mut reply = Reply::new();
        reply.error("ERR one\r\ntwo\r\n");
        reply.error(b"ERR \xff");
        assert_eq!(reply.as_bytes(), b"-ERR one  two\r\n-ERR \xff\r\n");
    }

    #[test]
    fn a_reply_can_come_late() {
        let mut reply = Reply::new();
        reply.array_header(2);
        let place = reply.len();
        reply.integer(2);
        reply.insert(place, b":1\r\n");
        reply.insert(1000, b"+END\r\n");
        assert_eq!(reply.as_bytes(), b"*2\r\n:1\r\n:2\r\n+END\r\n");
    }

    #[test]
    fn truncate_takes_back() {
        let mut reply = Reply::new();
        reply.ok();
        let mark = reply.len();
        reply.integer(7);
        reply.truncate(mark);
        assert_eq!(reply.as_bytes(), b"+OK\r\n");
        reply.clear();
        assert!(reply.is_empty());
    }

    #[test]
    fn commands_are_arrays_of_bulks() {
        let mut out = BytesMut::new();
        encode_command(&mut out, &[b"SET".as_slice(), b"", b"v"]);
        assert_eq!(&out[..], b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\nv\r\n");
    }
}
