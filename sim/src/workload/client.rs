//! A plain RESP2 client over any [`Env`]'s streams: sends commands, waits for whole replies.
//!
//! Must never: interpret a reply beyond finding its end.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use replisim::codec::resp::encode_command;
use replisim::env::Env;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Length of the first whole reply in `bytes`; `None` if it is not all there yet.
///
/// Errors on bytes that begin no RESP2 reply.
pub fn reply_len(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let header = &bytes[1..end];
    let after = end + 2;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a RESP2 reply");
    let count = || -> io::Result<i64> {
        std::str::from_utf8(header).ok().and_then(|text| text.parse().ok()).ok_or_else(bad)
    };
    match bytes[0] {
        b'+' | b'-' | b':' => Ok(Some(after)),
        b'$' => {
            let Ok(length) = usize::try_from(count()?) else { return Ok(Some(after)) };
            let whole = after + length + 2;
            Ok((bytes.len() >= whole).then_some(whole))
        }
        b'*' => {
            let mut whole = after;
            for _ in 0..count()?.max(0) {
                match bytes.get(whole..) {
                    None | Some([]) => return Ok(None),
                    Some(rest) => match reply_len(rest)? {
                        Some(length) => whole += length,
                        None => return Ok(None),
                    },
                }
            }
            Ok(Some(whole))
        }
        _ => Err(bad()),
    }
}

/// One connection to a node.
pub struct Client<E: Env> {
    stream: E::Stream,
    input: BytesMut,
    timeout: Duration,
}

impl<E: Env> Client<E> {
    /// Connects; gives up after `timeout`, which also bounds every later call.
    pub async fn connect(env: &E, host: &str, port: u16, timeout: Duration) -> io::Result<Self> {
        let connect = env.connect(host, port);
        let (stream, _) =
            tokio::time::timeout(timeout, connect).await.map_err(io::Error::from)??;
        Ok(Self { stream, input: BytesMut::new(), timeout })
    }

    /// Sends commands in one go and waits for all their replies.
    pub async fn pipeline(&mut self, commands: &[Vec<Vec<u8>>]) -> io::Result<Vec<Bytes>> {
        // Room for the arguments, and for their headers.
        let words = commands.iter().flatten();
        let room = words.map(|word| word.len() + 16).sum::<usize>() + 16 * commands.len();
        let mut out = BytesMut::with_capacity(room);
        for command in commands {
            let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            encode_command(&mut out, &args);
        }
        let timeout = self.timeout;
        let talk = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await?;
            let mut replies = Vec::with_capacity(commands.len());
            while replies.len() < commands.len() {
                replies.push(self.reply().await?);
            }
            Ok(replies)
        };
        tokio::time::timeout(timeout, talk).await.map_err(io::Error::from)?
    }

    /// Sends one command and waits for its reply.
    pub async fn call(&mut self, args: &[&[u8]]) -> io::Result<Bytes> {
        let command = args.iter().map(|arg| arg.to_vec()).collect();
        let mut replies = self.pipeline(&[command]).await?;
        replies.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn reply(&mut self) -> io::Result<Bytes> {
        loop {
            if !self.input.is_empty()
                && let Some(length) = reply_len(&self.input)?
            {
                let reply = Bytes::copy_from_slice(&self.input[..length]);
                self.input.advance(length);
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reply_len;

    #[test]
    fn a_reply_ends_where_it_ends() {
        for reply in ["+OK\r\n", "-ERR x\r\n", ":1\r\n", "$-1\r\n", "$3\r\na\r\n\r\n", "*-1\r\n"] {
            let len = reply_len(format!("{reply}+next\r\n").as_bytes()).expect("a reply");
            assert_eq!(len, Some(reply.len()), "{reply:?}");
        }
        let nested = "*2\r\n*1\r\n:5\r\n$1\r\nx\r\n";
        for cut in 1..nested.len() {
            assert_eq!(reply_len(&nested.as_bytes()[..cut]).expect("a prefix"), None);
        }
        assert_eq!(reply_len(nested.as_bytes()).expect("a reply"), Some(nested.len()));
        assert!(reply_len(b"what\r\n").is_err());
    }
}
