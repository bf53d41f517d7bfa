//! What the tests share: hosts with simple manners, and a diary of what was seen when.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use replisim::env::{Env, ListenAddr, Listener};
use replisim_sim::env::SimEnv;
use replisim_sim::process::Exit;
use replisim_sim::seed::Seed;
use replisim_sim::simulation::{SimConfig, Simulation};
use replisim_sim::transport::{LinkConfig, SimListener, SimStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const PORT: u16 = 6379;

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn sim(seed: u64) -> Simulation {
    let config = SimConfig { tick: ms(1), ..SimConfig::default() };
    Simulation::new(Seed(seed), config)
}

pub fn link(latency_ms: u64) -> LinkConfig {
    LinkConfig {
        latency_min_us: latency_ms * 1000,
        latency_max_us: latency_ms * 1000,
        ..LinkConfig::default()
    }
}

/// What happened, when.
#[derive(Clone, Default)]
pub struct Diary(Rc<RefCell<Vec<(Duration, String)>>>);

impl Diary {
    pub fn note(&self, env: &SimEnv, what: impl Into<String>) {
        self.0.borrow_mut().push((env.world().now(), what.into()));
    }

    pub fn all(&self) -> Vec<(Duration, String)> {
        self.0.borrow().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(_, s)| s.clone()).collect()
    }

    /// When this was noted first.
    pub fn when(&self, what: &str) -> Option<Duration> {
        self.0.borrow().iter().find(|(_, s)| s == what).map(|(at, _)| *at)
    }

    pub fn has(&self, what: &str) -> bool {
        self.when(what).is_some()
    }
}

pub async fn listen(env: &SimEnv) -> io::Result<SimListener> {
    env.listen(&ListenAddr::Tcp { host: "0.0.0.0".into(), port: PORT }).await
}

pub fn outcome(result: io::Result<usize>) -> String {
    match result {
        Ok(0) => "end".into(),
        Ok(n) => format!("{n} bytes"),
        Err(e) => format!("{:?}", e.kind()),
    }
}

/// Accepts connections and sends back whatever arrives on them.
pub async fn echo(env: SimEnv) -> Exit {
    let mut listener = listen(&env).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            let mut buf = vec![0; 4096];
            while let Ok(n) = stream.read(&mut buf).await {
                if n == 0 || stream.write_all(&buf[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Accepts one connection after the other and notes what is read from it until it ends.
pub async fn read_all(env: SimEnv, diary: Diary) -> Exit {
    let mut listener = listen(&env).await?;
    diary.note(&env, "listening");
    loop {
        let (mut stream, _) = listener.accept().await?;
        diary.note(&env, "accepted");
        let (env, diary) = (env.clone(), diary.clone());
        tokio::task::spawn_local(async move { note_reads(&env, &diary, &mut stream).await });
    }
}

/// Notes every read of a stream up to its end, the text that was read included.
pub async fn note_reads(env: &SimEnv, diary: &Diary, stream: &mut SimStream) {
    let mut buf = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buf).await {
            Ok(n) if n > 0 => {
                diary.note(env, format!("read {}", String::from_utf8_lossy(&buf[..n])));
            }
            over => {
                diary.note(env, outcome(over));
                return;
            }
        }
    }
}

/// Writes until the stream takes no more for a second; how many bytes it took.
pub async fn fill(stream: &mut SimStream) -> usize {
    let chunk = vec![b'x'; 64 * 1024];
    let mut total = 0;
    while let Ok(Ok(n)) = tokio::time::timeout(secs(1), stream.write(&chunk)).await {
        total += n;
    }
    total
}
