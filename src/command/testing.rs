//! A tiny harness: one command line in, its reply and its effects out.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::{Ctx, Effects, ExpiryView, Handler, subcommands, table};
use crate::codec::resp::{Reply, split_args};
use crate::env::Now;
use crate::keyspace::Keyspace;

/// A keyspace, a clock that stands still, and a point of view.
pub struct Bench {
    pub keyspace: Keyspace,
    pub now_ms: u64,
    pub db: u32,
    pub view: ExpiryView,
    pub effects: Effects,
    random: ChaCha8Rng,
}

impl Bench {
    /// At time 1,000,000,000,000 ms.
    pub fn new(view: ExpiryView) -> Self {
        Self {
            keyspace: Keyspace::new(16, 1, false),
            now_ms: 1_000_000_000_000,
            db: 0,
            view,
            effects: Effects::default(),
            random: ChaCha8Rng::seed_from_u64(1),
        }
    }

    /// Runs a line as typed; the reply with `\r\n` shown as spaces. Effects are those of this line.
    pub fn run(&mut self, line: &str) -> String {
        let args = split_args(line.as_bytes()).expect("balanced quotes");
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_ref()).collect();
        let text = String::from_utf8_lossy(&self.raw(&args)).replace("\r\n", " ");
        text.trim_end().to_owned()
    }

    /// Runs a command; the reply as it stands on the wire.
    pub fn raw(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let command = table::lookup(args[0]).expect("a command");
        assert!(command.accepts(args.len()), "arity of {}", command.name);
        let Handler::Data(handler) = command.handler else {
            panic!("{} needs a node", command.name);
        };
        self.effects = Effects::default();
        let mut reply = Reply::new();
        if let Err(refusal) = subcommands::check(command, args) {
            reply.error(refusal.to_string());
            return reply.as_bytes().to_vec();
        }
        self.keyspace.access.now_unix_ms = self.now_ms;
        let mut ctx = Ctx {
            now: Now { unix_ms: self.now_ms, ..Now::default() },
            keyspace: &mut self.keyspace,
            db: self.db,
            reply: &mut reply,
            view: self.view,
            effects: &mut self.effects,
            random: &mut self.random,
            ready_key: None,
        };
        handler(&mut ctx, args);
        reply.as_bytes().to_vec()
    }

    /// What the line just run puts on the stream, one command after another with `; ` between.
    pub fn stream(&self, line: &str) -> String {
        let effects = &self.effects;
        let mut stream: Vec<String> = Vec::new();
        for (_, key, _) in &effects.expired {
            stream.push(format!("DEL {}", String::from_utf8_lossy(key)));
        }
        for (_, args) in &effects.rewritten {
            stream.push(String::from_utf8_lossy(&args.join(&b' ')).into_owned());
        }
        if effects.rewritten.is_empty() && (effects.dirty > 0 || effects.force_propagation) {
            stream.push(line.to_owned());
        }
        stream.join("; ")
    }
}
