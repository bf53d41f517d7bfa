//! Replies: making them, and reading what a node answered where it had a choice.

/// What the model says of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The reply must be exactly this RESP.
    Exactly(Vec<u8>),
    /// The command line is none: it must be refused, in whatever words.
    Refused,
    /// The model does not know this command.
    Unknown,
}

pub(super) fn integer(number: i64) -> Answer {
    Answer::Exactly(format!(":{number}\r\n").into_bytes())
}

/// As an integer reply.
pub(super) fn count(number: usize) -> Answer {
    integer(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn ok() -> Answer {
    status("OK")
}

pub(super) fn status(text: &str) -> Answer {
    Answer::Exactly(format!("+{text}\r\n").into_bytes())
}

pub(super) fn error(text: &str) -> Answer {
    Answer::Exactly(format!("-{text}\r\n").into_bytes())
}

pub(super) fn wrong_type() -> Answer {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

pub(super) fn push_bulk(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        None => out.extend_from_slice(b"$-1\r\n"),
    }
}

pub(super) fn bulk(value: Option<&[u8]>) -> Answer {
    let mut out = Vec::new();
    push_bulk(&mut out, value);
    Answer::Exactly(out)
}

pub(super) fn null_array() -> Answer {
    Answer::Exactly(b"*-1\r\n".to_vec())
}

/// An array of bulk strings.
pub(super) fn array<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Answer {
    let (mut out, mut length) = (Vec::new(), 0);
    for value in values {
        push_bulk(&mut out, Some(value.as_ref()));
        length += 1;
    }
    let mut whole = format!("*{length}\r\n").into_bytes();
    whole.append(&mut out);
    Answer::Exactly(whole)
}

/// A key, and what was taken from it.
pub(super) fn taken_from(key: &[u8], taken: &Answer) -> Answer {
    let Answer::Exactly(taken) = taken else { return Answer::Unknown };
    let mut out = b"*2\r\n".to_vec();
    push_bulk(&mut out, Some(key));
    out.extend_from_slice(taken);
    Answer::Exactly(out)
}

/// The first bulk string of an array.
pub(super) fn first_bulk(reply: &[u8]) -> Option<&[u8]> {
    let begin = reply.iter().position(|byte| *byte == b'\n')? + 1;
    let length = crate::workload::client::reply_len(reply.get(begin..)?).ok().flatten()?;
    bulks(reply.get(begin..begin + length)?)?.first().copied()
}

/// The same as an array, in whatever order the node gave its values.
pub(super) fn in_any_order<V: AsRef<[u8]>>(values: &[V], reply: &[u8]) -> Answer {
    let mut given = bulks(reply).unwrap_or_default();
    let mut wanted: Vec<&[u8]> = values.iter().map(AsRef::as_ref).collect();
    given.sort_unstable();
    wanted.sort_unstable();
    match given == wanted {
        true => Answer::Exactly(reply.to_vec()),
        false => array(wanted),
    }
}

/// The bulk strings of a reply that is one, or an array of them.
pub(super) fn bulks(reply: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = match reply.first()? {
        b'*' => &reply[reply.iter().position(|byte| *byte == b'\n')? + 1..],
        _ => reply,
    };
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let header = rest.get(1..end.checked_sub(1)?)?;
        let length = usize::try_from(number(header)?).ok().filter(|_| rest[0] == b'$')?;
        found.push(rest.get(end + 1..end + 1 + length)?);
        rest = rest.get(end + 1 + length + 2..)?;
    }
    Some(found)
}

/// An integer written in the only way that Redis writes it.
pub(super) fn number(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A number with a fraction. The workload uses only those that a double holds exactly.
pub(super) fn real(bytes: &[u8]) -> Option<f64> {
    std::str::from_utf8(bytes).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether these add up to what Redis makes of them, which reckons with more digits.
pub(super) fn is_exact(a: f64, b: f64) -> bool {
    const QUARTERS: f64 = (1_u64 << 50) as f64;
    [a, b, a + b].iter().all(|number| number.abs() < QUARTERS)
}

/// As Redis writes it, for the numbers that the workload uses.
pub(super) fn real_text(number: f64) -> Vec<u8> {
    format!("{number}").into_bytes()
}

/// The elements from `start` to `stop`, both included and counted from the end where negative.
pub(super) fn span(length: usize, start: i64, stop: i64) -> std::ops::Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from = if start < 0 { (length + start).max(0) } else { start };
    let to = if stop < 0 { length + stop } else { stop.min(length - 1) };
    if from > to || from >= length {
        return 0..0;
    }
    usize::try_from(from).unwrap_or(0)..usize::try_from(to + 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_and_spans_counted() {
        assert_eq!(bulks(b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n"), Some(vec![&b"a"[..], b"bc"]));
        assert_eq!(bulks(b"$0\r\n\r\n"), Some(vec![&b""[..]]));
        assert_eq!(bulks(b":1\r\n"), None);
        assert_eq!(bulks(b"*1\r\n$9\r\na\r\n"), None);
        assert_eq!((span(4, 0, -1), span(4, -2, 9), span(4, 3, 1)), (0..4, 2..4, 0..0));
        assert_eq!((span(0, 0, -1), span(4, -9, 0), span(4, 4, 5)), (0..0, 0..1, 0..0));
    }
}
