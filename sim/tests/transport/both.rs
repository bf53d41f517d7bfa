//! Rows of the contract that run on the simulated network and on real TCP, with one test body.
//!
//! A body is an async function over a [`Net`]: it connects to a server and asks for outages of
//! it. The server greets each connection with `hello`, reads what it is sent if it is told to,
//! and answers a `g` with [`PATTERN_BYTES`] bytes of a pattern.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use replisim::env::{Env, Listener};
use replisim_sim::env::SimEnv;
use replisim_sim::transport::{LinkConfig, LinkPolicy};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::{PORT, listen, ms, secs, sim};

const PATTERN_BYTES: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// Every connection is reset, and no new one is taken.
    Reset,
    /// The server process dies.
    Kill,
    /// The server process stops.
    Pause,
    /// It goes on.
    Resume,
    /// The server's side sends about 100 kB a second from now on.
    Slow,
}

/// A network with one server on it.
trait Net {
    type Stream: AsyncRead + AsyncWrite + Unpin;
    async fn connect(&self) -> io::Result<Self::Stream>;
    /// Makes an outage happen, and waits until it has.
    async fn outage(&self, outage: Outage);
}

fn pattern() -> Vec<u8> {
    (0..PATTERN_BYTES).map(|i| (i % 251) as u8).collect()
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut buf = [0; 64];
    match stream.read(&mut buf).await {
        Ok(0) => "end".into(),
        Ok(n) => String::from_utf8_lossy(&buf[..n]).into_owned(),
        Err(e) => format!("{:?}", e.kind()),
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin)) -> String {
    match stream.write(b"x").await {
        Ok(n) => format!("wrote {n}"),
        Err(e) => format!("{:?}", e.kind()),
    }
}

async fn connect_kind(net: &impl Net) -> Option<io::ErrorKind> {
    net.connect().await.err().map(|e| e.kind())
}

// ---- the bodies ----

async fn reset(net: impl Net) {
    let mut stream = net.connect().await.expect("a server");
    let mut writer = net.connect().await.expect("a server");
    sleep(ms(100)).await;
    net.outage(Outage::Reset).await;
    sleep(ms(100)).await;
    // What had arrived is read first; the error is reported once.
    let reads = [read(&mut stream).await, read(&mut stream).await, read(&mut stream).await];
    assert_eq!(reads, ["hello", "ConnectionReset", "end"]);
    assert_eq!(write(&mut stream).await, "BrokenPipe");
    // An end that writes first gets the error from its write.
    assert_eq!(write(&mut writer).await, "ConnectionReset");
    assert_eq!(write(&mut writer).await, "BrokenPipe");
    assert_eq!(connect_kind(&net).await, Some(io::ErrorKind::ConnectionRefused));
}

async fn kill_reading(net: impl Net) {
    let mut stream = net.connect().await.expect("a server");
    assert_eq!(write(&mut stream).await, "wrote 1");
    sleep(ms(100)).await;
    net.outage(Outage::Kill).await;
    sleep(ms(100)).await;
    assert_eq!([read(&mut stream).await, read(&mut stream).await], ["hello", "end"]);
    assert_eq!(write(&mut stream).await, "wrote 1");
    sleep(ms(100)).await;
    assert_eq!(write(&mut stream).await, "BrokenPipe");
    assert_eq!(read(&mut stream).await, "end");
    assert_eq!(connect_kind(&net).await, Some(io::ErrorKind::ConnectionRefused));
}

async fn kill_with_unread_data(net: impl Net) {
    let mut stream = net.connect().await.expect("a server");
    assert_eq!(write(&mut stream).await, "wrote 1");
    sleep(ms(100)).await;
    net.outage(Outage::Kill).await;
    sleep(ms(100)).await;
    let reads = [read(&mut stream).await, read(&mut stream).await, read(&mut stream).await];
    assert_eq!(reads, ["hello", "ConnectionReset", "end"]);
    assert_eq!(write(&mut stream).await, "BrokenPipe");
}

async fn pause(net: impl Net) {
    let mut stream = net.connect().await.expect("a server");
    assert_eq!(read(&mut stream).await, "hello");
    net.outage(Outage::Pause).await;
    // The kernel takes connections and bytes, up to a limit.
    let mut late = timeout(secs(1), net.connect()).await.expect("at once").expect("a kernel");
    let chunk = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    while let Ok(written) = timeout(ms(300), stream.write(&chunk)).await {
        taken += written.expect("an open connection");
        assert!(taken < 1 << 30, "no limit");
    }
    assert!(taken >= 64 * 1024, "{taken}");
    assert!(timeout(ms(100), late.read_u8()).await.is_err(), "a greeting from nobody");
    net.outage(Outage::Resume).await;
    assert_eq!(read(&mut late).await, "hello");
    timeout(secs(5), stream.write_all(&chunk)).await.expect("room").expect("open");
}

async fn slow(net: impl Net) {
    let mut stream = net.connect().await.expect("a server");
    assert_eq!(read(&mut stream).await, "hello");
    net.outage(Outage::Slow).await;
    stream.write_all(b"g").await.expect("open");
    let begun = Instant::now();
    let (mut all, mut buf, mut reads) = (Vec::new(), vec![0; 64 * 1024], 0);
    while all.len() < PATTERN_BYTES {
        let n = stream.read(&mut buf).await.expect("open");
        assert!(n > 0, "an early end");
        all.extend_from_slice(&buf[..n]);
        reads += 1;
    }
    assert!(all == pattern(), "other bytes");
    // Many short reads, spread over a second.
    assert!(reads >= 20, "{reads}");
    assert!(begun.elapsed() >= ms(900), "{:?}", begun.elapsed());
}

// ---- the simulated network ----

struct Simulated {
    env: SimEnv,
    wanted: Rc<RefCell<Vec<Outage>>>,
}

impl Net for Simulated {
    type Stream = replisim_sim::transport::SimStream;

    async fn connect(&self) -> io::Result<Self::Stream> {
        Ok(self.env.connect("server", PORT).await?.0)
    }

    async fn outage(&self, outage: Outage) {
        self.wanted.borrow_mut().push(outage);
        while !self.wanted.borrow().is_empty() {
            sleep(ms(1)).await;
        }
    }
}

fn on_simulated<Fut: Future<Output = ()> + 'static>(reads: bool, body: impl Fn(Simulated) -> Fut) {
    let mut sim = sim(1);
    sim.add_host("server", move |env| async move {
        let mut listener = listen(&env).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::task::spawn_local(serve(stream, reads, Rc::default()));
        }
    });
    let wanted: Rc<RefCell<Vec<Outage>>> = Rc::default();
    let asked = wanted.clone();
    sim.add_client("client", |env| {
        let body = body(Simulated { env, wanted: asked });
        async move {
            body.await;
            Ok(())
        }
    });
    let slow =
        LinkConfig { bandwidth_bytes_per_s: 100_000, segment_bytes: 1460, ..LinkConfig::default() };
    for _ in 0..100_000 {
        let outages = std::mem::take(&mut *wanted.borrow_mut());
        for outage in outages {
            match outage {
                Outage::Reset => sim.set_links("client", "server", LinkPolicy::Reset),
                Outage::Kill => sim.kill("server"),
                Outage::Pause => sim.pause("server"),
                Outage::Resume => sim.resume("server"),
                Outage::Slow => sim.slow_link("server", "client", slow),
            }
            .expect("a fault that can be made");
        }
        if sim.step().expect("a step") {
            return;
        }
    }
    panic!("the body does not end");
}

/// The server's side of a connection, on either network.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reads: bool,
    pace: Rc<std::cell::Cell<bool>>,
) {
    if stream.write_all(b"hello").await.is_err() {
        return;
    }
    let mut buf = vec![0; 64 * 1024];
    if !reads {
        return std::future::pending().await;
    }
    loop {
        match stream.read(&mut buf).await {
            Ok(n) if n > 0 => {
                if buf[..n].contains(&b'g') {
                    for piece in pattern().chunks(1000) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        if pace.get() {
                            sleep(ms(10)).await;
                        }
                    }
                }
            }
            _ => return,
        }
    }
}

// ---- real TCP on loopback ----

struct Loopback {
    port: u16,
    orders: mpsc::UnboundedSender<(Outage, oneshot::Sender<()>)>,
    resume: std::sync::mpsc::Sender<()>,
}

impl Net for Loopback {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port)).await
    }

    async fn outage(&self, outage: Outage) {
        if outage == Outage::Resume {
            self.resume.send(()).expect("a paused server");
            return;
        }
        let (done, happened) = oneshot::channel();
        self.orders.send((outage, done)).expect("a server");
        happened.await.expect("a server");
    }
}

/// A server in a thread of its own, which stands for a process: a pause blocks the thread, a
/// kill drops everything it holds.
async fn loopback_server(
    listener: TcpListener,
    reads: bool,
    mut orders: mpsc::UnboundedReceiver<(Outage, oneshot::Sender<()>)>,
    resume: std::sync::mpsc::Receiver<()>,
) -> Option<oneshot::Sender<()>> {
    let pace = Rc::new(std::cell::Cell::new(false));
    let tasks = tokio::task::LocalSet::new();
    let linger = Rc::new(RefCell::new(Vec::new()));
    tasks
        .run_until(async {
            loop {
                tokio::select! {
                    biased;
                    order = orders.recv() => match order {
                        None => return None,
                        Some((Outage::Kill, done)) => return Some(done),
                        Some((Outage::Reset, done)) => {
                            for stream in linger.borrow_mut().drain(..) {
                                let stream: socket2::Socket = stream;
                                stream.set_linger(Some(Duration::ZERO)).expect("a socket");
                            }
                            return Some(done);
                        }
                        Some((Outage::Pause, done)) => {
                            done.send(()).expect("a waiting body");
                            // Blocks the thread on purpose: the process is stopped.
                            if resume.recv_timeout(secs(30)).is_err() {
                                return None;
                            }
                        }
                        Some((Outage::Slow | Outage::Resume, done)) => {
                            pace.set(true);
                            done.send(()).expect("a waiting body");
                        }
                    },
                    accepted = listener.accept() => {
                        let (stream, _) = accepted.expect("a connection");
                        let socket = socket2::SockRef::from(&stream).try_clone().expect("a socket");
                        linger.borrow_mut().push(socket);
                        tokio::task::spawn_local(serve(stream, reads, pace.clone()));
                    }
                }
            }
        })
        .await
}

fn on_loopback<Fut: Future<Output = ()>>(reads: bool, body: impl Fn(Loopback) -> Fut) {
    let (orders, taken) = mpsc::unbounded_channel();
    let (resume, resumed) = std::sync::mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    #[expect(clippy::disallowed_methods, reason = "the server stands for another process")]
    let server = std::thread::spawn(move || {
        let runtime = runtime();
        let done = runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loopback_server(listener, reads, taken, resumed).await
        });
        drop(runtime);
        if let Some(done) = done {
            done.send(()).expect("a waiting body");
        }
    });
    runtime().block_on(body(Loopback { port, orders, resume }));
    server.join().expect("no panic");
}

macro_rules! both {
    ($($body:ident, $reads:literal, $sim:ident, $real:ident;)*) => {$(
        #[test]
        fn $sim() {
            on_simulated($reads, $body);
        }

        #[test]
        fn $real() {
            on_loopback($reads, $body);
        }
    )*};
}

both! {
    reset, true, reset_on_simulated_network, reset_on_real_tcp;
    kill_reading, true, kill_on_simulated_network, kill_on_real_tcp;
    kill_with_unread_data, false, kill_with_unread_data_on_simulated_network, kill_with_unread_data_on_real_tcp;
    pause, true, pause_on_simulated_network, pause_on_real_tcp;
    slow, true, slow_on_simulated_network, slow_on_real_tcp;
}
