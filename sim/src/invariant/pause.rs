//! *pause*: while `CLIENT PAUSE` or a hand-over holds writes back, the stream stands still: nothing
//! expires into it, no replica is asked for an ack, and during a hand-over not even a ping goes out;
//! and once nothing holds them back any more clients go on
//! (replication.c `replicationCron`, server.c `isPausedActions`, networking.c `unpauseActions`).
//!
//! Must never: take the end of a pause for later than it may be.

use std::collections::BTreeMap;
use std::time::Duration;

use replisim::event::{Event, Origin};

use super::{CLOCK_LAG, Found, Invariant, Sight};
use crate::cluster::{Cluster, NodeIndex};

/// A ping on the stream. Under `CLIENT PAUSE` they go on.
const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";

/// How soon clients go on.
const SOON: Duration = Duration::from_secs(1);

/// See the module's text.
#[derive(Default)]
pub(super) struct Pause {
    nodes: BTreeMap<NodeIndex, Held>,
}

/// What holds the writes of a node back.
#[derive(Default)]
struct Held {
    /// `CLIENT PAUSE`, and until when.
    paused: Option<Duration>,
    /// It was told to hand over, and has neither done so nor given it up.
    hands_over: bool,
    /// The same, and it has not come to an end as a replica of the new master either.
    failover_open: bool,
    /// A client waits for its `SAVE`.
    saves: bool,
    /// It loads its file again: until that is over nobody is served.
    reloads: bool,
    /// It is to end, and may be waiting for replicas.
    ends: bool,
    /// Since when clients are held back though nothing is known to do that.
    held_for_nothing: Option<Duration>,
    /// What was written meanwhile, and when. In the moment of a hand-over's end the stream is
    /// shown first.
    accused: Option<(Duration, String)>,
}

impl Held {
    fn note(&mut self, sight: &Sight<'_>) {
        match sight.event {
            Event::Started { .. } => *self = Self::default(),
            Event::Mark("failover-aborted") | Event::Identity { .. } => {
                self.hands_over = false;
                self.accused.take_if(|(at, _)| *at == sight.at);
            }
            Event::Mark("failover-completed") => self.failover_open = false,
            Event::Loaded { .. } | Event::LoadFailed { .. } => self.reloads = false,
            Event::SnapshotSaved { .. } => self.saves = false,
            // That of a replica's snapshot ends nothing.
            Event::SnapshotFailed { in_background: false, .. } => self.save_failed(),
            Event::Executed { args, reply: b"+OK\r\n", .. } => self.ordered(sight.at, args),
            Event::Executed { args, reply: b"", .. } => self.ordered(sight.at, args),
            _ => {}
        }
        if matches!(sight.event, Event::Mark("failover-aborted")) {
            self.failover_open = false;
        }
    }

    /// A save for which somebody waits has failed, and with it what it was for.
    fn save_failed(&mut self) {
        if self.saves {
            self.saves = false;
        } else if self.reloads {
            self.reloads = false;
        } else {
            self.ends = false;
        }
    }

    /// Whether so many clients have been held back for too long, with nothing to do that.
    fn holds_for_nothing(&mut self, at: Duration, held_back: usize) -> bool {
        let paused = self.paused.is_some_and(|until| at < until);
        if held_back == 0 || paused || self.failover_open || self.reloads || self.ends {
            self.held_for_nothing = None;
            return false;
        }
        at > *self.held_for_nothing.get_or_insert(at) + SOON
    }

    fn ordered(&mut self, at: Duration, args: &[&[u8]]) {
        const ORDERS: [&[u8]; 5] = [b"failover", b"shutdown", b"save", b"debug", b"client"];
        if !ORDERS.iter().any(|order| order.eq_ignore_ascii_case(args[0])) {
            return;
        }
        let words: Vec<String> =
            args.iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["failover", options @ ..] => {
                self.hands_over = !options.contains(&"abort");
                self.failover_open = self.hands_over;
            }
            ["shutdown", options @ ..] => self.ends = !options.contains(&"abort"),
            ["save"] => self.saves = true,
            ["debug", "reload", ..] => self.reloads = true,
            ["client", "unpause"] => self.paused = None,
            ["client", "pause", ms, ..] => {
                let until =
                    ms.parse().ok().and_then(|ms| at.checked_add(Duration::from_millis(ms)));
                // A shorter one does not end a longer one.
                self.paused = self.paused.max(until);
            }
            _ => {}
        }
    }

    /// Why these bytes should not be on the stream, if so.
    fn forbids(&self, at: Duration, bytes: &[u8]) -> Option<&'static str> {
        if self.hands_over {
            return Some("a hand-over holds");
        }
        let paused = self.paused.is_some_and(|until| at + CLOCK_LAG < until);
        let pings =
            bytes.len().is_multiple_of(PING.len()) && bytes.chunks(PING.len()).all(|c| c == PING);
        (paused && !pings).then_some("CLIENT PAUSE holds")
    }
}

impl Invariant for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn observe(&mut self, cluster: &Cluster, sight: &Sight<'_>, found: &mut Found<'_>) {
        let held = self.nodes.entry(sight.node).or_default();
        held.note(sight);
        if let Event::StreamAdvanced { bytes, origin: Origin::Written, .. } = sight.event
            && let Some(who) = held.forbids(sight.at, bytes)
        {
            let text = format!("{} bytes were written though {who} writes back", bytes.len());
            held.accused.get_or_insert((sight.at, text));
        }
        if let Event::Buffers { held_back, .. } = sight.event
            && held.holds_for_nothing(sight.at, *held_back)
        {
            held.held_for_nothing = None;
            let text = format!("{held_back} client(s) are held back, and nothing says why");
            found.violation(&cluster.nodes[sight.node].name, text);
        }
        if let Some((_, text)) = held.accused.take_if(|(at, _)| *at < sight.at) {
            found.violation(&cluster.nodes[sight.node].name, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use replisim::event::Role;
    use replisim::replication::Offset;

    use super::super::testing::{World, executed, id, tick, written};
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

    fn told<'a>(args: &'a [&'a [u8]]) -> Event<'a> {
        executed(args, b"+OK\r\n")
    }

    fn wrote(bytes: &[u8]) -> Event<'_> {
        written(100, bytes)
    }

    /// How much is found wrong with these events of one node, at these milliseconds.
    fn found(events: &[(u64, Event<'_>)]) -> usize {
        World::new(Pause::default()).found(events).len()
    }

    #[test]
    fn while_clients_are_paused_only_pings_go_out() {
        let pause: &[&[u8]] = &[b"CLIENT", b"PAUSE", b"1000", b"WRITE"];
        let later = || (2000, Event::Mark("later"));
        assert_eq!(found(&[(0, told(pause)), (500, wrote(SET)), later()]), 1);
        assert_eq!(found(&[(0, told(pause)), (500, wrote(PING)), later()]), 0);
        assert_eq!(found(&[(0, told(pause)), (1000, wrote(SET)), later()]), 0);
        let unpause: &[&[u8]] = &[b"client", b"unpause"];
        let events = [(0, told(pause)), (100, told(unpause)), (500, wrote(SET)), later()];
        assert_eq!(found(&events), 0);
    }

    #[test]
    fn who_is_held_back_for_nothing_is_seen() {
        let held = |ms, held_back| (ms, tick(&[], held_back));
        assert_eq!(found(&[held(0, 1), held(900, 1), held(1100, 1)]), 1);
        assert_eq!(found(&[held(0, 1), held(900, 0), held(1100, 1)]), 0);
        let pause: &[&[u8]] = &[b"CLIENT", b"PAUSE", b"5000", b"WRITE"];
        assert_eq!(found(&[(0, told(pause)), held(100, 1), held(4900, 1)]), 0);
        assert_eq!(found(&[(0, told(pause)), held(5000, 1), held(6100, 1)]), 1);
        let failover: &[&[u8]] = &[b"FAILOVER"];
        let aborted = (100, Event::Mark("failover-aborted"));
        let events = [(0, told(failover)), aborted, held(200, 1), held(1300, 1)];
        assert_eq!(found(&events), 1);
    }

    #[test]
    fn during_a_hand_over_nothing_goes_out() {
        let failover: &[&[u8]] = &[b"FAILOVER"];
        let later = || (900, Event::Mark("later"));
        let aborted = || Event::Mark("failover-aborted");
        assert_eq!(found(&[(0, told(failover)), (500, wrote(PING)), later()]), 1);
        // It ended in the moment in which that was written, or before.
        let events = [(0, told(failover)), (500, wrote(PING)), (500, aborted()), later()];
        assert_eq!(found(&events), 0);
        let demoted = Event::Identity {
            role: Role::Replica,
            id: id(1),
            second: None,
            offset: Offset(100),
            cause: "demoted",
        };
        assert_eq!(found(&[(0, told(failover)), (9, demoted), (500, wrote(SET)), later()]), 0);
    }

    #[test]
    fn a_save_that_fails_ends_no_wait_for_replicas() {
        let failed = |ms| {
            let (error, in_background) = ("full".into(), false);
            (ms, Event::SnapshotFailed { error, in_background })
        };
        let told = |ms, args| (ms, executed(args, b""));
        let held = |ms| (ms, tick(&[], 1));
        let shutdown: &[&[u8]] = &[b"SHUTDOWN"];
        let end = [told(0, shutdown), failed(100), held(200), held(1300)];
        assert_eq!(found(&end), 1, "the final save has failed, and nobody ends");
        let events = [told(0, shutdown), told(50, &[b"SAVE"]), failed(100), held(200), held(1300)];
        assert_eq!(found(&events), 0);
    }
}
