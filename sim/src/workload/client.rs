//! A plain RESP2 client over any [`Env`]'s streams: sends commands, waits for whole replies.
//!
//! Must never: interpret a reply beyond finding its end.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use replisim::codec::resp::encode_command;
use replisim::env::Env;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep};

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

/// Commands to be sent in one go.
#[derive(Default)]
pub struct Pipeline {
    bytes: BytesMut,
    commands: usize,
}

impl Pipeline {
    /// Appends a command, name first.
    pub fn push<A: AsRef<[u8]>>(&mut self, command: &[A]) {
        encode_command(&mut self.bytes, command);
        self.commands += 1;
    }
}

/// How long a call waits.
pub struct Patience {
    timeout: Duration,
    /// Asked when the time is over: how much longer. Zero ends it; it is asked twice at most.
    longer: Option<Box<dyn Fn() -> Duration>>,
}

impl Patience {
    /// Asks `longer` when `timeout` is over: once for the way there and once for the way back, as
    /// on a link nothing overtakes what was sent before it.
    pub fn new(timeout: Duration, longer: Box<dyn Fn() -> Duration>) -> Self {
        Self { timeout, longer: Some(longer) }
    }
}

impl From<Duration> for Patience {
    fn from(timeout: Duration) -> Self {
        Self { timeout, longer: None }
    }
}

/// One connection to a node.
pub struct Client<E: Env> {
    stream: E::Stream,
    input: BytesMut,
    patience: Patience,
    /// When a call gives up; only looked at inside one.
    deadline: Pin<Box<Sleep>>,
}

impl<E: Env> Client<E> {
    /// Connects; gives up when `patience` ends, which also bounds every later call.
    pub async fn connect(
        env: &E,
        host: &str,
        port: u16,
        patience: impl Into<Patience>,
    ) -> io::Result<Self> {
        let patience = patience.into();
        let mut deadline = Box::pin(sleep(patience.timeout));
        let connected = before(deadline.as_mut(), &patience, env.connect(host, port)).await;
        let (stream, _) = connected?;
        Ok(Self { stream, input: BytesMut::new(), patience, deadline })
    }

    /// Sends commands and waits for all their replies.
    pub async fn send(&mut self, pipeline: &Pipeline) -> io::Result<Vec<Bytes>> {
        let Self { stream, input, patience, deadline } = self;
        deadline.as_mut().reset(Instant::now() + patience.timeout);
        let talk = async {
            stream.write_all(&pipeline.bytes).await?;
            stream.flush().await?;
            let mut replies = Vec::with_capacity(pipeline.commands);
            while replies.len() < pipeline.commands {
                replies.push(next_reply(stream, input).await?);
            }
            Ok(replies)
        };
        before(deadline.as_mut(), patience, talk).await
    }

    /// Sends one command and waits for its reply.
    pub async fn call(&mut self, args: &[&[u8]]) -> io::Result<Bytes> {
        let mut pipeline = Pipeline::default();
        pipeline.push(args);
        let mut replies = self.send(&pipeline).await?;
        replies.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// What comes of `work`, or that `deadline` came first. (One timer for all calls of a client: a
/// new one for each costs more than the calls do.)
async fn before<T>(
    mut deadline: Pin<&mut Sleep>,
    patience: &Patience,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut work = std::pin::pin!(work);
    let mut asked = 0;
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = &mut deadline => {}
        }
        let longer = patience.longer.as_ref().filter(|_| asked < 2);
        let longer = longer.map_or(Duration::ZERO, |longer| longer());
        if longer.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        asked += 1;
        deadline.as_mut().reset(Instant::now() + longer);
    }
}

async fn next_reply<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut BytesMut,
) -> io::Result<Bytes> {
    loop {
        if !input.is_empty()
            && let Some(length) = reply_len(input)?
        {
            let reply = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            return Ok(reply);
        }
        if stream.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
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
