//! Clients that write and read while things happen to the nodes.
//!
//! A client behaves like a patient application: it sends commands at its rate, waits for the
//! replies, goes to another node when it is told that this one is read-only or when it gets no
//! answer, and never repeats a write whose fate it does not know. Whether the replies were right
//! is for the invariants, which see every command at the node that executes it.
//!
//! Must never: draw from any stream but its own, so that a change to one client moves no other.

pub mod client;
mod edges;
mod families;
mod generator;
mod others;

use std::io;
use std::pin::pin;
use std::time::Duration;

use replisim::env::Env;
use tokio::time::{Instant, sleep, sleep_until};

use client::{Client, Pipeline};
use generator::{Generator, Work};

use crate::scenario::WorkloadSpec;
use crate::seed::Seed;

/// How long a client waits for a connection or for replies before it gives up on a node.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most commands sent before the first reply is awaited, beside what a workload pipelines.
const MOST_AT_ONCE: usize = 32;
/// How far a client may fall behind its rate and still make up for it.
const MOST_BEHIND: Duration = Duration::from_millis(200);
/// How long it rests after a failure.
const REST: Duration = Duration::from_millis(100);

/// A node as a client knows it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What to authenticate with: user, if any, and password.
    pub auth: Option<(Option<String>, String)>,
    /// Whether the scenario starts it as a master.
    pub master: bool,
}

/// A connection to one of several nodes, whichever answers.
struct Route<E: Env> {
    targets: Vec<Target>,
    current: usize,
    client: Option<(u64, Client<E>)>,
}

impl<E: Env> Route<E> {
    fn new(targets: Vec<Target>, current: usize) -> Self {
        Self { targets, current, client: None }
    }

    /// Sends commands, each to its database, in one go. An error, or a reply that says "not
    /// here", moves on to the next node.
    async fn send(&mut self, env: &E, batch: &[Item]) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let result = self.try_send(env, batch).await;
        if !matches!(result, Ok(true)) {
            self.move_on();
        }
        result.map(|_| ())
    }

    fn move_on(&mut self) {
        self.client = None;
        self.current = (self.current + 1) % self.targets.len();
    }

    async fn try_send(&mut self, env: &E, batch: &[Item]) -> io::Result<bool> {
        let (mut selected, mut client) = match self.client.take() {
            Some(connected) => connected,
            None => (0, self.connect(env).await?),
        };
        let mut pipeline = Pipeline::default();
        for (db, command) in batch {
            if selected != *db {
                pipeline.push::<&[u8]>(&[b"SELECT", db.to_string().as_bytes()]);
                selected = *db;
            }
            pipeline.push(command);
        }
        let replies = client.send(&pipeline).await?;
        let elsewhere = replies.iter().any(|reply| reply.starts_with(b"-READONLY"));
        self.client = Some((selected, client));
        Ok(!elsewhere)
    }

    async fn connect(&self, env: &E) -> io::Result<Client<E>> {
        let target = &self.targets[self.current];
        let mut client = Client::connect(env, &target.host, target.port, PATIENCE).await?;
        if let Some((user, password)) = &target.auth {
            let mut command: Vec<&[u8]> = vec![b"AUTH"];
            command.extend(user.as_ref().map(|user| user.as_bytes()));
            command.push(password.as_bytes());
            client.call(&command).await?;
        }
        Ok(client)
    }
}

/// Runs one client of a workload until the workload's end.
///
/// `index` is its number among the workload's clients, `targets` all nodes.
pub async fn run<E: Env>(
    env: E,
    spec: WorkloadSpec,
    workload: usize,
    index: usize,
    targets: Vec<Target>,
    seed: Seed,
) {
    let name = format!("{workload}/{index}");
    let mut generator = Generator::new(&spec, seed.stream("workload", &name), &name);
    let writers: Vec<Target> = match &spec.to {
        Some(to) => targets.iter().filter(|target| target.host == *to).cloned().collect(),
        None => targets.clone(),
    };
    let readers: Vec<Target> = match &spec.read_from {
        Some(names) => targets.iter().filter(|t| names.contains(&t.host)).cloned().collect(),
        None => targets.iter().filter(|target| !target.master).cloned().collect(),
    };
    let first = writers.iter().position(|target| target.master).unwrap_or(0);
    let mut writes = Route::new(writers, first);
    let readers = if readers.is_empty() { targets } else { readers };
    let mut reads = Route::new(readers.clone(), index % readers.len());

    let begin = Instant::now();
    let mut stop = pin!(sleep(spec.stop));
    sleep(spec.start).await;
    let share = spec.rate.max(1) as f64 / spec.clients.len().max(1) as f64;
    let mut due = Instant::now();
    while begin.elapsed() < spec.stop {
        // What has become due while the last replies were awaited goes out together, so that
        // the rate is kept however long a round trip takes.
        let mut batch = Batch::default();
        while due <= Instant::now() && batch.len() < MOST_AT_ONCE {
            due += Duration::from_secs_f64(batch.add(generator.next()) as f64 / share);
        }
        let talk = async {
            writes.send(&env, &batch.writes).await?;
            reads.send(&env, &batch.reads).await
        };
        let talked = tokio::select! {
            biased;
            talked = talk => talked,
            // A client that is stopped while it waits hangs up, as an application would.
            () = &mut stop => break,
        };
        if talked.is_err() {
            sleep(REST).await;
            due = Instant::now(); // what it could not do meanwhile is not done twice as fast
        }
        // Further behind than this it is too slow for its rate, and stays so.
        due = due.max(Instant::now().checked_sub(MOST_BEHIND).unwrap_or(begin));
        sleep_until(due).await;
    }
}

/// A command, name first, and the database it is for.
type Item = (u64, Vec<Vec<u8>>);

/// What is sent in one go.
#[derive(Default)]
struct Batch {
    writes: Vec<Item>,
    reads: Vec<Item>,
}

impl Batch {
    fn len(&self) -> usize {
        self.writes.len() + self.reads.len()
    }

    /// Adds work; how many commands it counts for.
    fn add(&mut self, work: Work) -> usize {
        let count = work.commands();
        let (list, db, commands) = match work {
            Work::Read { db, commands } => (&mut self.reads, db, commands),
            Work::Write { db, commands } => (&mut self.writes, db, commands),
        };
        list.extend(commands.into_iter().map(|command| (db, command)));
        count
    }
}
