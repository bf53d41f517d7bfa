//! The operator: someone with redis-cli and a way to every node that no fault reaches.
//!
//! Each order is a connection of its own, so that one that hangs holds up no other. What came of
//! an order is judged when it is collected.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::env::SimEnv;
use crate::recorder::Recorder;
use crate::simulation::Simulation;
use crate::workload::client::Client;

/// How long the operator waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Judges the last reply (or why there is none); `Some` is what is wrong with it.
    pub judge: Judge,
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
}

/// See the module's text.
pub(super) struct Operator {
    desk: Rc<RefCell<Desk>>,
    bell: Rc<Notify>,
}

impl Operator {
    /// Adds the operator's host to the world.
    pub(super) fn add(sim: &mut Simulation, host: &str) -> Self {
        let desk = Rc::new(RefCell::new(Desk::default()));
        let bell = Rc::new(Notify::new());
        let (orders, ring) = (desk.clone(), bell.clone());
        sim.add_client(host, move |env| async move {
            loop {
                let next = orders.borrow_mut().orders.pop_front();
                match next {
                    Some(order) => {
                        tokio::task::spawn_local(carry_out(env.clone(), order, orders.clone()));
                    }
                    None => ring.notified().await,
                }
            }
        });
        Self { desk, bell }
    }

    /// Gives an order.
    pub(super) fn give(&self, order: Order) {
        let mut desk = self.desk.borrow_mut();
        desk.open += 1;
        desk.orders.push_back(order);
        self.bell.notify_one();
    }

    /// Whether every order has been judged.
    pub(super) fn is_idle(&self) -> bool {
        self.desk.borrow().open == 0
    }

    /// Notes what was wrong with replies.
    pub(super) fn collect(&self, recorder: &mut Recorder) {
        for (node, complaint) in self.desk.borrow_mut().complaints.drain(..) {
            recorder.violation("expect", &node, complaint);
        }
    }
}

async fn carry_out(env: SimEnv, order: Order, desk: Rc<RefCell<Desk>>) {
    let reply = talk(&env, &order).await;
    let complaint = (order.judge)(reply.map_err(|error| error.to_string()));
    let mut desk = desk.borrow_mut();
    desk.open -= 1;
    desk.complaints.extend(complaint.map(|complaint| (order.node, complaint)));
}

async fn talk(env: &SimEnv, order: &Order) -> std::io::Result<Bytes> {
    let mut client = Client::connect(env, &order.node, order.port, PATIENCE).await?;
    if let Some(password) = &order.password {
        client.call(&[b"AUTH", password.as_bytes()]).await?;
    }
    let mut last = Bytes::new();
    for command in &order.commands {
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        last = client.call(&words).await?;
    }
    Ok(last)
}
