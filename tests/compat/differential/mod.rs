//! The same random script to a real Redis and to ours: the same replies, the same digest.
//!
//! A script is a list of commands drawn from the templates of [`families`], sent as one pipeline
//! to both servers after a `FLUSHALL`. The first difference in a reply, or a difference of
//! `DEBUG DIGEST` at the end, another stream to replicas, or other keyspace notifications, fails the test with the shortest
//! script that still shows it.
//!
//! Environment: `DIFFERENTIAL_SEED` another seed than the fixed one, `DIFFERENTIAL_SCRIPTS` how
//! many scripts a family.

mod compare;
mod families;
mod follower;
mod grammar;
mod listener;

use std::io::{BufReader, Write};
use std::net::TcpStream;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use redis::Value;

use crate::support::{Program, Server, redis_is_installed};
use compare::Order;
use families::Family;
use follower::Follower;
use grammar::Command;
use listener::Listener;

/// Commands in the longest script.
const SCRIPT_COMMANDS: usize = 60;
const DEFAULT_SEED: u64 = 1;
const DEFAULT_SCRIPTS: u32 = 100;

/// A server and a connection to it.
struct Side {
    _server: Server,
    stream: BufReader<TcpStream>,
    parser: redis::Parser,
    follower: Follower,
    listener: Listener,
}

impl Side {
    fn start(program: Program) -> Self {
        let server = Server::start(program, &[]);
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        stream.set_nodelay(true).expect("an option of TCP");
        let follower = Follower::of(server.port);
        let listener = Listener::of(server.port);
        Self {
            _server: server,
            stream: BufReader::new(stream),
            parser: redis::Parser::new(),
            follower,
            listener,
        }
    }

    /// Sends all commands at once and reads all replies.
    fn run(&mut self, script: &[Command]) -> Vec<Value> {
        let mut bytes = Vec::new();
        for command in script {
            bytes.extend_from_slice(&redis_command(&command.args));
        }
        self.stream.get_mut().write_all(&bytes).expect("sent");
        script.iter().map(|_| self.reply()).collect()
    }

    fn reply(&mut self) -> Value {
        self.parser.parse_value(&mut self.stream).expect("a reply")
    }
}

fn redis_command(args: &[Vec<u8>]) -> Vec<u8> {
    let mut cmd = redis::Cmd::new();
    for arg in args {
        cmd.arg(arg.as_slice());
    }
    cmd.get_packed_command()
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Sends random scripts of these families to both servers.
fn compare_families(name: &str, families: &[&Family]) {
    if !redis_is_installed(name) {
        return;
    }
    let seed = number_from("DIFFERENTIAL_SEED").unwrap_or(DEFAULT_SEED);
    let scripts = number_from("DIFFERENTIAL_SCRIPTS").map_or(DEFAULT_SCRIPTS, |n| n as u32);
    let mut sides = (Side::start(Program::Redis), Side::start(Program::Ours));
    let config = Config {
        cases: scripts,
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy = prop::collection::vec(grammar::any_command(families), 1..SCRIPT_COMMANDS);
    let sides = std::cell::RefCell::new(&mut sides);
    let outcome = runner.run(&strategy, |script| {
        let mut sides = sides.borrow_mut();
        let (redis, ours) = &mut **sides;
        same_on_both(redis, ours, script)
    });
    if let Err(failure) = outcome {
        panic!("{name}, DIFFERENTIAL_SEED={seed}: {failure}");
    }
}

/// One script on both sides, between a `FLUSHALL` and a `DEBUG DIGEST`.
fn same_on_both(
    redis: &mut Side,
    ours: &mut Side,
    script: Vec<Command>,
) -> Result<(), TestCaseError> {
    let mut whole = vec![Command::plain("DISCARD"), Command::plain("FLUSHALL")];
    whole.extend(script);
    // A transaction may be open at the end.
    whole.push(Command::plain("DISCARD"));
    whole.push(Command::plain("DEBUG DIGEST"));
    whole.push(Command::plain("PUBLISH end-of-script x"));
    let theirs = redis.run(&whole);
    let mine = ours.run(&whole);
    let mut queued: Vec<Order> = Vec::new();
    // Whether the first and the last DISCARD have something to discard says nothing.
    let last_discard = whole.len() - 3;
    let compared = (1..whole.len()).filter(|at| *at != last_discard);
    for at in compared {
        let (command, wanted, got) = (&whole[at], &theirs[at], &mine[at]);
        let same = match (wanted, got) {
            (Value::Array(wanted), Value::Array(got)) if command.is("EXEC") => {
                compare::each_equal(&queued, wanted, got)
            }
            _ => compare::equal(command.order, wanted, got),
        };
        match wanted {
            Value::SimpleString(text) if text == "QUEUED" => queued.push(command.order),
            Value::Okay if command.is("MULTI") => queued.clear(),
            _ => {}
        }
        if !same && !compare::is_meant(&command.args, &whole[..at]) {
            let story: Vec<String> = whole[2..=at.min(last_discard)]
                .iter()
                .map(|command| format!("    {command}"))
                .collect();
            return Err(TestCaseError::fail(format!(
                "after\n{}\n  {command}\n  redis: {}\n  ours:  {}\n  ",
                story.join("\n"),
                compare::show(wanted),
                compare::show(got),
            )));
        }
    }
    same_streams(redis, ours, &whole[2..last_discard])?;
    same_notifications(redis, ours, &whole[2..last_discard])
}

/// What both put on their streams for a script.
fn same_streams(
    redis: &mut Side,
    ours: &mut Side,
    script: &[Command],
) -> Result<(), TestCaseError> {
    let [theirs, mine] = [redis, ours].map(|side| {
        side.follower.acknowledge();
        let sent = side.follower.until(b"end-of-script");
        let told = sent.iter().filter(|command| !follower::is_meant(command));
        told.map(follower::show).collect::<Vec<String>>()
    });
    same_lists("streams", script, &theirs, &mine)
}

/// What both told those who listen of a script.
fn same_notifications(
    redis: &mut Side,
    ours: &mut Side,
    script: &[Command],
) -> Result<(), TestCaseError> {
    let [theirs, mine] = [redis, ours].map(|side| side.listener.until("end-of-script"));
    // What is no command on the stream there is no event either.
    if script.iter().any(|command| follower::is_meant(&command.args)) {
        return Ok(());
    }
    same_lists("notifications", script, &theirs, &mine)
}

fn same_lists(
    what: &str,
    script: &[Command],
    theirs: &[String],
    mine: &[String],
) -> Result<(), TestCaseError> {
    if theirs == mine {
        return Ok(());
    }
    let story: Vec<String> = script.iter().map(|command| format!("    {command}")).collect();
    Err(TestCaseError::fail(format!(
        "the {what} differ after\n{}\n  redis: {}\n  ours:  {}\n  ",
        story.join("\n"),
        theirs.join("; "),
        mine.join("; "),
    )))
}

macro_rules! families {
    ($($test:ident: $($family:ident)+;)*) => {
        $(
            #[test]
            fn $test() {
                compare_families(stringify!($test), &[$(&families::$family),+]);
            }
        )*
    };
}

families! {
    strings_are_the_same: STRINGS KEYS;
    keys_and_deadlines_are_the_same: KEYS STRINGS TRANSACTIONS;
    lists_are_the_same: LISTS KEYS;
    sets_are_the_same: SETS KEYS;
    sorting_is_the_same: SORTS KEYS;
    hashes_are_the_same: HASHES KEYS;
    sorted_sets_are_the_same: SORTED_SETS SETS KEYS;
    bitmaps_are_the_same: BITMAPS STRINGS;
    hyperloglogs_are_the_same: HYPERLOGLOGS;
    positions_are_the_same: POSITIONS;
    streams_are_the_same: STREAMS KEYS;
    everything_is_the_same: STRINGS KEYS TRANSACTIONS LISTS SETS HASHES SORTED_SETS BITMAPS
        HYPERLOGLOGS POSITIONS STREAMS SORTS;
}
