//! `FAILOVER`: handing the role of master over without losing a write.
//!
//! ```text
//! master: pause writes, pings and GETACKs, so that the stream stands still
//!         wait until a replica has acknowledged all of it     (waiting-for-sync)
//!         become its replica, and say PSYNC <id> <offset+1> FAILOVER   (failover-in-progress)
//! target: promotes itself, then answers the PSYNC: +CONTINUE <new id>
//! master: go on (writes are refused now by role)
//! ```
//! Two departures from Redis 7.0, both for the sake of an end that is always reached:
//! - `AUTH` refused by the target aborts the failover. (There, both nodes stay replicas, writes
//!   are refused and the link is retried for ever.)
//! - A connection lost after `PSYNC … FAILOVER` was sent does not abort: the target may have
//!   promoted itself, and aborting would make two masters. It is asked again; a target that says
//!   it is a master already is then followed as one.
//!
//! Must never: let a write in between the pause and the end of the failover.

use std::time::Duration;

use crate::env::LogLevel;

use super::psync::{AskedId, Request};
use super::{Mono, Output, Replication};

/// `master_failover_state` of `INFO replication`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverState {
    /// No failover.
    None,
    /// Writes are paused until the target has everything.
    WaitingForSync,
    /// We follow the target and ask it to take over.
    InProgress,
}

impl FailoverState {
    /// As `INFO` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "no-failover",
            Self::WaitingForSync => "waiting-for-sync",
            Self::InProgress => "failover-in-progress",
        }
    }
}

#[derive(Debug)]
pub(super) struct Failover {
    target: Option<(String, u16)>,
    force: bool,
    deadline: Option<Mono>,
    in_progress: bool,
    /// `PSYNC … FAILOVER` was sent and the connection lost before an answer.
    answer_lost: bool,
    /// The target is a master already: no need to ask it to become one.
    pub(super) target_is_master: bool,
}

impl Replication {
    /// State of the failover, if any.
    pub fn failover_state(&self) -> FailoverState {
        match &self.failover {
            None => FailoverState::None,
            Some(f) if f.in_progress => FailoverState::InProgress,
            Some(_) => FailoverState::WaitingForSync,
        }
    }

    /// `FAILOVER [TO host port [FORCE]] [TIMEOUT ms]`; the error is the text after `-`.
    pub fn failover(
        &mut self,
        now: Mono,
        to: Option<(&str, u16)>,
        force: bool,
        timeout: Option<Duration>,
    ) -> Result<(), String> {
        if self.failover.is_some() {
            return Err("ERR FAILOVER already in progress.".into());
        }
        if self.upstream.is_some() {
            return Err("ERR FAILOVER is not valid when server is a replica.".into());
        }
        if self.replicas.is_empty() {
            return Err("ERR FAILOVER requires connected replicas.".into());
        }
        if force && (timeout.is_none() || to.is_none()) {
            return Err(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
                    .into(),
            );
        }
        if let Some((host, port)) = to {
            let target = self
                .replicas
                .values()
                .find(|r| r.ip().eq_ignore_ascii_case(host) && r.announced.port == port);
            match target {
                None => return Err("ERR FAILOVER target HOST and PORT is not a replica.".into()),
                Some(replica) if !replica.is_online() => {
                    return Err("ERR FAILOVER target replica is not online.".into());
                }
                Some(_) => {}
            }
        }
        let text = match to {
            Some((host, port)) => format!("FAILOVER requested to {host}:{port}."),
            None => "FAILOVER requested.".into(),
        };
        self.log(LogLevel::Notice, text);
        self.failover = Some(Failover {
            target: to.map(|(host, port)| (host.to_owned(), port)),
            force,
            deadline: timeout.map(|timeout| now + timeout),
            in_progress: false,
            answer_lost: false,
            target_is_master: false,
        });
        self.emit(Output::PauseWrites);
        self.drive_failover(now);
        Ok(())
    }

    /// `FAILOVER ABORT`.
    pub fn failover_abort(&mut self, now: Mono) -> Result<(), String> {
        if self.failover.is_none() {
            return Err("ERR No failover in progress.".into());
        }
        self.abort_failover(now, "Failover manually aborted");
        Ok(())
    }

    /// Looks whether the target has everything, or time is up.
    pub(super) fn drive_failover(&mut self, now: Mono) {
        let Some(failover) = self.failover.as_ref().filter(|f| !f.in_progress) else {
            return;
        };
        let end = self.offset;
        let synced = self
            .replicas
            .values()
            .filter(|r| r.is_online() && r.has_acked && r.acked == end)
            .map(|r| (r.ip().to_owned(), r.announced.port))
            .find(|(ip, port)| match &failover.target {
                None => true,
                Some((host, wanted)) => ip.eq_ignore_ascii_case(host) && port == wanted,
            });
        let late = failover.deadline.is_some_and(|deadline| now >= deadline);
        let forced = failover.target.clone().filter(|_| late && failover.force);
        if let Some((host, port)) = forced {
            self.log(
                LogLevel::Notice,
                format!("Failover to {host}:{port} time out exceeded, failing over."),
            );
            self.mark("failover-forced");
            self.hand_over(now, host, port);
        } else if late {
            self.abort_failover(now, "Replica never caught up before timeout");
        } else if let Some((host, port)) = synced {
            self.log(
                LogLevel::Notice,
                format!("Failover target {host}:{port} is synced, failing over."),
            );
            self.hand_over(now, host, port);
        }
    }

    fn hand_over(&mut self, now: Mono, host: String, port: u16) {
        if let Some(failover) = &mut self.failover {
            failover.in_progress = true;
        }
        self.replicaof(now, &host, port);
    }

    /// Whether the next `PSYNC` asks the master to take over.
    pub(super) fn asks_for_failover(&self) -> bool {
        self.failover.as_ref().is_some_and(|f| f.in_progress && !f.target_is_master)
    }

    /// The target accepted.
    pub(super) fn failover_accepted(&mut self, now: Mono) {
        if self.failover.as_ref().is_some_and(|f| f.in_progress) {
            self.mark("failover-completed");
            self.end_failover(now);
        }
    }

    /// The target answered with an error. True if that was the end of the failover (and of our
    /// time as a replica), or is to be tried again in another way: nothing else is to be done then.
    pub(super) fn failover_refused(&mut self, now: Mono, line: &str) -> bool {
        let Some(failover) = self.failover.as_mut().filter(|f| f.in_progress) else {
            return false;
        };
        if failover.answer_lost && line.contains("PSYNC FAILOVER can't be sent to a master") {
            failover.target_is_master = true;
            self.mark("failover-target-was-promoted-already");
            self.give_up_link(now, "the failover target is a master already", false);
            return true;
        }
        self.abort_failover(now, "Failover target rejected psync request");
        true
    }

    /// The connection was lost while an answer to `PSYNC … FAILOVER` was awaited.
    pub(super) fn failover_answer_lost(&mut self) {
        if let Some(failover) = self.failover.as_mut().filter(|f| f.in_progress) {
            failover.answer_lost = true;
            self.mark("failover-answer-lost");
        }
    }

    pub(super) fn abort_failover(&mut self, now: Mono, why: &str) {
        let Some(failover) = self.failover.take() else {
            return;
        };
        self.log(LogLevel::Notice, format!("Aborting failover: {why}"));
        self.mark("failover-aborted");
        if failover.in_progress {
            self.replicaof_no_one(now);
        }
        self.emit(Output::ResumeWrites);
        self.send_delayed_getack(now);
    }

    pub(super) fn end_failover(&mut self, now: Mono) {
        if self.failover.take().is_some() {
            self.emit(Output::ResumeWrites);
            self.send_delayed_getack(now);
        }
    }

    /// `PSYNC … FAILOVER` arrived: take over, if the one who asks has our history.
    pub(super) fn promote_on_request(
        &mut self,
        now: Mono,
        request: &Request,
    ) -> Result<(), String> {
        if self.upstream.is_none() {
            return Err("ERR PSYNC FAILOVER can't be sent to a master.".into());
        }
        if request.id != AskedId::Id(self.id) {
            return Err("ERR PSYNC FAILOVER replid must match my replid.".into());
        }
        self.log(LogLevel::Notice, format!("Failover request received for replid {}.", self.id));
        self.mark("promoted-by-failover-request");
        self.replicaof_no_one(now);
        self.log(LogLevel::Notice, "MASTER MODE enabled (failover request)");
        Ok(())
    }
}
