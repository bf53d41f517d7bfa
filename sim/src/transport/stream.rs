//! A connected stream: turmoil carries the bytes, the world says when.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use replisim::env::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

use super::conn::{ConnId, Readable, Writable};
use crate::world::World;

/// One end of a connection, held by a process. Dropping it closes it.
pub struct SimStream {
    world: World,
    id: ConnId,
    side: usize,
    tcp: TcpStream,
}

impl SimStream {
    pub(crate) fn new(world: World, id: ConnId, side: usize, tcp: TcpStream) -> Self {
        Self { world, id, side, tcp }
    }

    /// Reads at most `len` bytes that have arrived, across turmoil's messages.
    fn poll_carrier(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(len));
        while part.remaining() > 0 {
            let before = part.filled().len();
            match Pin::new(&mut self.tcp).poll_read(cx, &mut part) {
                Poll::Ready(Ok(())) if part.filled().len() > before => {}
                Poll::Ready(Ok(())) => {
                    return Poll::Ready(Err(io::Error::other("turmoil lost bytes of a stream")));
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                // Sent in this tick, and the receiver's turn came first: turmoil delivers at
                // the start of its next one, and wakes us.
                Poll::Pending => break,
            }
        }
        let got = part.filled().len();
        if got == 0 {
            return Poll::Pending;
        }
        buf.advance(got);
        Poll::Ready(Ok(got))
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match me.world.readable(me.id, me.side, buf.remaining(), cx.waker()) {
            Readable::Bytes(len) => {
                let got = ready!(me.poll_carrier(cx, buf, len))?;
                me.world.consumed(me.id, me.side, got);
                Poll::Ready(Ok(()))
            }
            Readable::End => Poll::Ready(Ok(())),
            Readable::Failed(kind) => Poll::Ready(Err(os_error(kind))),
            Readable::NotBefore(_) | Readable::Wait => Poll::Pending,
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let (answer, segment) = me.world.writable(me.id, me.side, cx.waker());
        let (room, carried) = match answer {
            Writable::Room { bytes, carried } => (bytes, carried),
            Writable::Failed(kind) => return Poll::Ready(Err(os_error(kind))),
            Writable::Wait => return Poll::Pending,
        };
        let mut done = 0;
        for chunk in data[..data.len().min(room)].chunks(segment) {
            if carried {
                match Pin::new(&mut me.tcp).poll_write(cx, chunk) {
                    Poll::Ready(Ok(n)) => debug_assert_eq!(n, chunk.len()),
                    Poll::Ready(Err(e)) if done == 0 => return Poll::Ready(Err(e)),
                    Poll::Pending if done == 0 => return Poll::Pending,
                    Poll::Ready(Err(_)) | Poll::Pending => break,
                }
            }
            me.world.wrote(me.id, me.side, chunk.len());
            done += chunk.len();
        }
        Poll::Ready(Ok(done))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.shut_down(self.id, self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.world.close(self.id, self.side);
    }
}

/// The error as the operating system would give it, text and all.
pub(crate) fn os_error(kind: io::ErrorKind) -> io::Error {
    let errno = match kind {
        io::ErrorKind::ConnectionReset => 104,
        io::ErrorKind::ConnectionRefused => 111,
        io::ErrorKind::BrokenPipe => 32,
        io::ErrorKind::AddrInUse => 98,
        other => return other.into(),
    };
    io::Error::from_raw_os_error(errno)
}

/// How an end sees the other one.
pub(crate) fn peer(local: SocketAddr, remote: SocketAddr) -> Peer {
    Peer {
        addr: remote.to_string(),
        laddr: local.to_string(),
        ip: remote.ip().to_string(),
        loopback: remote.ip().is_loopback() || remote.ip() == local.ip(),
        unix: false,
    }
}
