//! The operator: someone with redis-cli and a way to every node that no fault reaches.
//!
//! Each order is a connection of its own, so that one that hangs holds up no other. Orders to one
//! node that are given together are sent one after the other, each when the one before has been
//! answered or has had its time. What came of an order is judged when it is collected: an answer
//! that waits in the queue of a slow link is waited for, as it is no fault of the node. While
//! there is no order the operator's host runs nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::env::SimEnv;
use crate::process::Exit;
use crate::recorder::Recorder;
use crate::simulation::{SimError, Simulation};
use crate::workload::client::{Client, Patience};
use crate::world::{HostId, HostStatus};

/// The host from which the operator's commands come; no fault reaches it.
const OPERATOR: &str = "operator";
/// How long the operator waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much longer at most, each time, when links have yet to carry what was sent before.
const MOST_LONGER: Duration = Duration::from_secs(600);

/// Commands to one node, on one connection.
pub(super) struct Order {
    /// Host name.
    pub node: String,
    /// Port.
    pub port: u16,
    /// Password, if the node wants one.
    pub password: Option<String>,
    /// The commands; only the reply to the last one is judged.
    pub commands: Vec<Vec<Vec<u8>>>,
    /// Judges the last reply (or why there is none); `Some` is what is wrong with it. `None`:
    /// whatever comes is right.
    pub judge: Option<Judge>,
}

/// See [`Order::judge`].
pub(super) type Judge = Box<dyn FnOnce(Result<Bytes, String>) -> Option<String>>;

#[derive(Default)]
struct Desk {
    orders: VecDeque<Order>,
    /// Complaints, with the node they are about.
    complaints: Vec<(String, String)>,
    /// Orders given and not yet judged.
    open: usize,
    /// Until when an answer is waited for that is held up by a link.
    held_up_until: Duration,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Operator {
    /// Its host, which joins the world with the first order: links cost time at every step.
    host: Option<HostId>,
    desk: Rc<RefCell<Desk>>,
    bell: Rc<Notify>,
}

impl Operator {
    /// Gives an order.
    pub(super) fn give(&self, order: Order) {
        let mut desk = self.desk.borrow_mut();
        desk.open += 1;
        desk.orders.push_back(order);
        self.bell.notify_one();
    }

    /// Calls the operator if there is an order. To be called before every step.
    pub(super) fn attend(&mut self, sim: &mut Simulation) -> Result<(), SimError> {
        if self.desk.borrow().orders.is_empty() {
            return Ok(());
        }
        match self.host {
            None => {
                let (desk, bell) = (self.desk.clone(), self.bell.clone());
                let software = move |env| work(env, desk.clone(), bell.clone());
                self.host = Some(sim.add_host(OPERATOR, software));
            }
            Some(host) if sim.world().status(host) == HostStatus::Down => sim.restart(OPERATOR)?,
            Some(_) => {}
        }
        Ok(())
    }

    /// Whether every order has been judged.
    pub(super) fn is_idle(&self) -> bool {
        self.desk.borrow().open == 0
    }

    /// Until when an answer may come that a link holds up; in the past if there is none.
    pub(super) fn held_up_until(&self) -> Duration {
        self.desk.borrow().held_up_until
    }

    /// Notes what was wrong with replies.
    pub(super) fn collect(&self, recorder: &mut Recorder) {
        for (node, complaint) in self.desk.borrow_mut().complaints.drain(..) {
            recorder.violation("expect", &node, complaint);
        }
    }
}

/// Carries out orders until there are none.
async fn work(env: SimEnv, desk: Rc<RefCell<Desk>>, bell: Rc<Notify>) -> Exit {
    loop {
        let together = std::mem::take(&mut desk.borrow_mut().orders);
        if together.is_empty() {
            if desk.borrow().open == 0 {
                return Ok(());
            }
            bell.notified().await;
            continue;
        }
        // For each node, who tells when the order before has been answered or had its time.
        let mut before: BTreeMap<String, oneshot::Receiver<()>> = BTreeMap::new();
        for order in together {
            let (done, next) = oneshot::channel();
            let turn = before.insert(order.node.clone(), next);
            let (env, desk, bell) = (env.clone(), desk.clone(), bell.clone());
            tokio::task::spawn_local(async move {
                carry_out(env, order, Turn { before: turn, done }, desk).await;
                bell.notify_one();
            });
        }
    }
}

/// The place of an order among those that were given together.
struct Turn {
    /// Told when the one before has been answered or had its time.
    before: Option<oneshot::Receiver<()>>,
    /// Tells the one after it.
    done: oneshot::Sender<()>,
}

/// How long an order is waited for by the next: enough for any answer that is not held back, after
/// a handshake, `AUTH`, and a look into `INFO`.
fn courtesy(env: &SimEnv, node: &str) -> Duration {
    let world = env.world();
    let latency_us = world.host(node).map_or(0, |node| {
        let there = world.link_config(env.host(), node).latency_max_us;
        there + world.link_config(node, env.host()).latency_max_us
    });
    Duration::from_micros(4 * latency_us) + 10 * world.tick()
}

async fn carry_out(env: SimEnv, order: Order, turn: Turn, desk: Rc<RefCell<Desk>>) {
    if let Some(before) = turn.before {
        // An error: whoever should tell is gone, and it is this one's turn as well.
        let _ = before.await;
    }
    let reply = {
        let mut talk = std::pin::pin!(talk(&env, &order, &desk));
        let soon = tokio::time::timeout(courtesy(&env, &order.node), &mut talk).await;
        // Nobody may be waiting for it.
        let _ = turn.done.send(());
        match soon {
            Ok(reply) => reply,
            Err(_) => talk.await,
        }
    };
    let reply = reply.map_err(|error| error.to_string());
    let complaint = order.judge.and_then(|judge| judge(reply));
    let mut desk = desk.borrow_mut();
    desk.open -= 1;
    desk.complaints.extend(complaint.map(|complaint| (order.node, complaint)));
}

/// How long an answer is waited for.
fn patience(env: &SimEnv, order: &Order, desk: &Rc<RefCell<Desk>>) -> Patience {
    let world = env.world();
    let Ok(node) = world.host(&order.node) else { return PATIENCE.into() };
    let (world, here, desk) = (world.clone(), env.host(), desk.clone());
    let longer = move || {
        let clear_in = world.clear_in(here, node).max(world.clear_in(node, here));
        let longer = clear_in.min(MOST_LONGER);
        if !longer.is_zero() {
            let mut desk = desk.borrow_mut();
            desk.held_up_until = desk.held_up_until.max(world.now() + longer);
        }
        longer
    };
    Patience::new(PATIENCE, Box::new(longer))
}

async fn talk(env: &SimEnv, order: &Order, desk: &Rc<RefCell<Desk>>) -> std::io::Result<Bytes> {
    let patience = patience(env, order, desk);
    let mut client = Client::connect(env, &order.node, order.port, patience).await?;
    if let Some(password) = &order.password {
        client.call(&[b"AUTH", password.as_bytes()]).await?;
    }
    let mut last = Bytes::new();
    for command in &order.commands {
        let command = filled_in(&mut client, command).await?;
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        last = client.call(&words).await?;
    }
    Ok(last)
}

/// The command with each word `{field}`, `{field+N}` or `{field-N}` replaced by what `INFO` says at
/// this moment. Any other word, and a field that INFO does not have, stays as it is.
async fn filled_in(
    client: &mut Client<SimEnv>,
    command: &[Vec<u8>],
) -> std::io::Result<Vec<Vec<u8>>> {
    if !command.iter().any(|word| field_of(word).is_some()) {
        return Ok(command.to_vec());
    }
    let info = client.call(&[b"INFO", b"everything"]).await?;
    let info = String::from_utf8_lossy(&info).into_owned();
    Ok(command.iter().map(|word| value_of(word, &info).unwrap_or_else(|| word.clone())).collect())
}

/// `{name+N}` as its name and N.
fn field_of(word: &[u8]) -> Option<(&str, i64)> {
    let inner = std::str::from_utf8(word).ok()?.strip_prefix('{')?.strip_suffix('}')?;
    let (name, shift) = match inner.find(['+', '-']) {
        Some(at) => (&inner[..at], inner[at..].parse().ok()?),
        None => (inner, 0),
    };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then_some((name, shift))
}

fn value_of(word: &[u8], info: &str) -> Option<Vec<u8>> {
    let (name, shift) = field_of(word)?;
    let line = info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
    let value = line?;
    if shift == 0 {
        return Some(value.as_bytes().to_vec());
    }
    Some(value.parse::<i64>().ok()?.checked_add(shift)?.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::value_of;

    #[test]
    fn words_in_braces_stand_for_fields() {
        let info = "# Replication\r\nmaster_replid:ab12\r\nmaster_repl_offset:41\r\n";
        let filled = |word: &str| {
            let value = value_of(word.as_bytes(), info);
            value.map(|value| String::from_utf8(value).expect("text"))
        };
        assert_eq!(filled("{master_replid}"), Some("ab12".into()));
        assert_eq!(filled("{master_repl_offset+2}"), Some("43".into()));
        assert_eq!(filled("{master_repl_offset-1}"), Some("40".into()));
        assert_eq!(filled("{master_repl_offset+9223372036854775807}"), None);
        for word in ["{nothing}", "{tag}key", "{}", "{master_replid+1}", "master_replid", "{a b}"] {
            assert_eq!(filled(word), None, "{word}");
        }
    }
}
