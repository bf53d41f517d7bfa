//! The trace as lines that people read.

use super::*;

impl Cluster {
    /// Notes a line for the script, ids as `id1`, `id2` in order of appearance.
    pub(super) fn say(&mut self, line: String) {
        if self.silent {
            return;
        }
        let mut out = String::new();
        let mut rest = line.as_str();
        while let Some(at) =
            rest.as_bytes().windows(40).position(|w| w.iter().all(u8::is_ascii_hexdigit))
        {
            let id: ReplicationId = rest[at..at + 40].parse().expect("40 digits");
            let number = self.ids.iter().position(|known| *known == id);
            let number = number.unwrap_or_else(|| {
                self.ids.push(id);
                self.ids.len() - 1
            });
            out.push_str(&format!("{}id{}", &rest[..at], number + 1));
            rest = &rest[at + 40..];
        }
        out.push_str(rest);
        self.trace.push(out);
    }
}

/// Wire bytes as a line: whole commands as words, the rest escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut parser = CommandParser::new();
        let parsed = (rest[0] == b'*').then(|| parser.parse(rest, &ParseLimits::default()));
        if let Some(Ok(Parse::Command { consumed })) = parsed {
            let words: Vec<String> = parser.args(rest).iter().map(|w| brief(w)).collect();
            out.push(format!("[{}]", words.join(" ")));
            rest = &rest[consumed..];
            continue;
        }
        // A line of the handshake, or a snapshot: up to the next command.
        let end = rest[1..].windows(2).position(|w| w == b"\n*").map_or(rest.len(), |at| at + 2);
        out.push(format!("{}", rest[..end].escape_ascii()));
        rest = &rest[end..];
    }
    out.join(" ")
}

fn brief(word: &[u8]) -> String {
    match word.len() {
        0..=60 => word.escape_ascii().to_string(),
        n => format!("<{n} bytes>"),
    }
}
