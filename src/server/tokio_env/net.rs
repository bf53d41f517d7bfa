//! Real sockets: TCP and unix.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::TokioOptions;
use crate::env::{ListenAddr, Listener, Peer};

/// Probes that may go unanswered before a connection counts as dead.
const KEEPALIVE_PROBES: u32 = 3;

/// A connection.
pub enum RealStream {
    /// By TCP.
    Tcp(TcpStream),
    /// Through a unix socket.
    Unix(UnixStream),
}

/// Idle time before the first probe, as it is set now.
pub(super) type Keepalive = Rc<Cell<Option<Duration>>>;

/// A listening socket.
pub enum RealListener {
    /// By TCP.
    Tcp {
        /// The socket.
        socket: TcpListener,
        /// For the connections accepted from now on.
        keepalive: Keepalive,
    },
    /// On a unix socket.
    Unix {
        /// The socket.
        socket: UnixListener,
        /// Its path.
        path: String,
    },
}

impl Drop for RealListener {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            // Left behind it would do no harm: the next start replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

pub(super) async fn listen(
    addr: &ListenAddr,
    options: &TokioOptions,
    keepalive: &Keepalive,
) -> io::Result<RealListener> {
    match addr {
        ListenAddr::Tcp { host, port } => Ok(RealListener::Tcp {
            socket: bind_tcp(resolve(host, *port).await?, options)?,
            keepalive: keepalive.clone(),
        }),
        ListenAddr::Unix { path, mode } => {
            // The socket of an earlier process; a file of any other kind is not ours to remove.
            if is_socket(path) {
                std::fs::remove_file(path)?;
            }
            let socket = UnixListener::bind(path)?;
            if let Some(mode) = mode {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode))?;
            }
            Ok(RealListener::Unix { socket, path: path.clone() })
        }
    }
}

fn is_socket(path: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket())
}

/// `*` is every IPv4 address, `::*` every IPv6 address.
async fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let ip = match host {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        name => match name.parse() {
            Ok(ip) => ip,
            Err(_) => {
                return tokio::net::lookup_host((name, port))
                    .await?
                    .next()
                    .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into());
            }
        },
    };
    Ok(SocketAddr::new(ip, port))
}

fn bind_tcp(addr: SocketAddr, options: &TokioOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // `*` has its own socket on the same port.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(options.tcp_backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

pub(super) async fn connect(
    host: &str,
    port: u16,
    source: Option<&str>,
    keepalive: &Keepalive,
) -> io::Result<(RealStream, Peer)> {
    let stream = match source {
        None => TcpStream::connect((host, port)).await?,
        Some(source) => connect_from(source, host, port).await?,
    };
    let peer = set_up(&stream, stream.peer_addr()?, keepalive.get())?;
    Ok((RealStream::Tcp(stream), peer))
}

/// Tries the addresses of `host` that are of the same family as one of `source`.
async fn connect_from(source: &str, host: &str, port: u16) -> io::Result<TcpStream> {
    let sources: Vec<SocketAddr> = tokio::net::lookup_host((source, 0)).await?.collect();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for addr in tokio::net::lookup_host((host, port)).await? {
        let Some(from) = sources.iter().find(|from| from.is_ipv4() == addr.is_ipv4()) else {
            continue;
        };
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(*from)?;
        match socket.connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// As Redis sets its connections up: no delay, and probes on silence.
fn set_up(stream: &TcpStream, addr: SocketAddr, keepalive: Option<Duration>) -> io::Result<Peer> {
    stream.set_nodelay(true)?;
    if let Some(idle) = keepalive {
        let interval = (idle / KEEPALIVE_PROBES).max(Duration::from_secs(1));
        let params = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(interval)
            .with_retries(KEEPALIVE_PROBES);
        SockRef::from(stream).set_tcp_keepalive(&params)?;
    }
    let ip = addr.ip().to_canonical();
    Ok(Peer {
        addr: addr.to_string(),
        laddr: stream.local_addr()?.to_string(),
        ip: ip.to_string(),
        loopback: ip.is_loopback(),
        unix: false,
    })
}

impl Listener for RealListener {
    type Stream = RealStream;

    async fn accept(&mut self) -> io::Result<(RealStream, Peer)> {
        match self {
            Self::Tcp { socket, keepalive } => loop {
                let (stream, addr) = socket.accept().await?;
                // A peer that is gone again already is no reason to pause.
                if let Ok(peer) = set_up(&stream, addr, keepalive.get()) {
                    return Ok((RealStream::Tcp(stream), peer));
                }
            },
            Self::Unix { socket, path } => {
                let (stream, _) = socket.accept().await?;
                let peer = Peer {
                    addr: format!("{path}:0"),
                    laddr: format!("{path}:0"),
                    ip: path.clone(),
                    loopback: true,
                    unix: true,
                };
                Ok((RealStream::Unix(stream), peer))
            }
        }
    }
}

impl AsyncRead for RealStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for RealStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::server::tokio_env::TokioEnv;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn run<F: Future>(test: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(test)
    }

    fn env() -> TokioEnv {
        TokioEnv::new(TokioOptions::default()).expect("a world")
    }

    #[test]
    fn bytes_pass_and_both_ends_know_each_other() {
        run(async {
            let env = env();
            let mut listener = env
                .listen(&ListenAddr::Tcp { host: "127.0.0.1".to_owned(), port: 0 })
                .await
                .expect("listening");
            let RealListener::Tcp { socket, .. } = &listener else {
                panic!("not TCP");
            };
            let port = socket.local_addr().expect("an address").port();
            let (mut ours, to_them) = env.connect("127.0.0.1", port).await.expect("connected");
            let (mut theirs, to_us) = listener.accept().await.expect("accepted");
            assert_eq!((&to_us.ip[..], to_us.loopback), ("127.0.0.1", true));
            assert_eq!(to_us.addr, to_them.laddr);
            assert_eq!(to_them.addr, format!("127.0.0.1:{port}"));
            ours.write_all(b"hello").await.expect("written");
            drop(ours);
            let mut read = String::new();
            theirs.read_to_string(&mut read).await.expect("read");
            assert_eq!(read, "hello");
        });
    }

    #[test]
    fn a_port_in_use_is_refused() {
        run(async {
            let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
            let port = taken.local_addr().expect("an address").port();
            let error = env()
                .listen(&ListenAddr::Tcp { host: "127.0.0.1".to_owned(), port })
                .await
                .err()
                .expect("refused");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        });
    }

    #[test]
    fn a_unix_socket_has_its_mode_and_replaces_only_sockets() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("socket").to_str().expect("UTF-8").to_owned();
        run(async {
            let addr = ListenAddr::Unix { path: path.clone(), mode: Some(0o700) };
            // As a killed process leaves it behind.
            drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
            let mut listener = env().listen(&addr).await.expect("listening");
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            let client = UnixStream::connect(&path).await.expect("connected");
            let (_, peer) = listener.accept().await.expect("accepted");
            assert!(peer.unix && peer.addr == format!("{path}:0"));
            drop((client, listener));
            assert!(!std::path::Path::new(&path).exists());
            std::fs::write(&path, "precious").expect("written");
            assert!(env().listen(&addr).await.is_err());
            assert_eq!(std::fs::read_to_string(&path).expect("read"), "precious");
        });
    }
}
