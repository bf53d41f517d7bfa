//! A connected stream, held by a process; the world holds the connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    /// turmoil's own stream, from the handshake: nothing is sent over it but its end.
    _tcp: TcpStream,
}

impl SimStream {
    pub(crate) fn new(world: World, id: ConnId, side: usize, tcp: TcpStream) -> Self {
        Self { world, id, side, _tcp: tcp }
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
        match me.world.read(me.id, me.side, buf, cx.waker()) {
            Readable::Bytes(_) | Readable::End => Poll::Ready(Ok(())),
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
        match me.world.write(me.id, me.side, data, cx.waker()) {
            Writable::Room(written) => Poll::Ready(Ok(written)),
            Writable::Failed(kind) => Poll::Ready(Err(os_error(kind))),
            Writable::Wait => Poll::Pending,
        }
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
