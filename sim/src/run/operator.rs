//! The operator: someone with redis-cli and a way to every node that no fault reaches.
//!
//! Each order is a connection of its own, so that one that hangs holds up no other. What came of
//! an order is judged when it is collected. While there is no order the operator's host runs
//! nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::env::SimEnv;
use crate::process::Exit;
use crate::recorder::Recorder;
use crate::simulation::{SimError, Simulation};
use crate::workload::client::Client;
use crate::world::{HostId, HostStatus};

/// The host from which the operator's commands come; no fault reaches it.
const OPERATOR: &str = "operator";
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
        let next = desk.borrow_mut().orders.pop_front();
        match next {
            Some(order) => {
                let (env, desk, bell) = (env.clone(), desk.clone(), bell.clone());
                tokio::task::spawn_local(async move {
                    carry_out(env, order, desk).await;
                    bell.notify_one();
                });
            }
            None if desk.borrow().open == 0 => return Ok(()),
            None => bell.notified().await,
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
