//! Doing what the scenario says, when it says so.

use std::time::Duration;

use super::operator::{Judge, Order};
use super::{Run, RunError, expectation, process};
use crate::cluster::NodeIndex;
use crate::disk::{DiskConfig, DiskErrors};
use crate::invariant::Fate;
use crate::scenario::{DiskOperation, LinkSet, NodeSpec, Outage, StepAction};
use crate::transport::{LinkConfig, LinkPolicy};
use crate::world::HostStatus;

type Command = Vec<Vec<u8>>;

fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl Run<'_> {
    /// Does every step that is due.
    pub(super) fn do_steps(&mut self) -> Result<(), RunError> {
        let scenario = self.scenario;
        while let Some(step) = scenario.steps.get(self.done)
            && step.at <= self.sim.elapsed()
        {
            self.done += 1;
            self.recorder.borrow_mut().world(&step.action.to_string());
            if !matches!(step.action, StepAction::Check { .. }) {
                self.last_fault = self.sim.elapsed();
            }
            self.do_step(&step.action)?;
            self.note_wholeness(&step.action);
        }
        Ok(())
    }

    fn do_step(&mut self, action: &StepAction) -> Result<(), RunError> {
        match action {
            StepAction::Partition { links, kind } => self.set_links(links, policy(*kind))?,
            StepAction::Heal { links } => self.set_links(links, LinkPolicy::Open)?,
            StepAction::Slow { links, latency, bandwidth, segment } => {
                for (from, to) in links.directed() {
                    let mut config = self.link_config(from, to);
                    if let Some(latency) = latency {
                        config.latency_min_us = micros(latency.low.0);
                        config.latency_max_us = micros(latency.high.0);
                    }
                    config.bandwidth_bytes_per_s =
                        bandwidth.unwrap_or(config.bandwidth_bytes_per_s);
                    config.segment_bytes =
                        segment.map_or(config.segment_bytes, |size| size as usize);
                    self.sim.slow_link(from, to, config)?;
                }
            }
            StepAction::FullSpeed { links } => {
                for (from, to) in links.directed() {
                    self.sim.slow_link(from, to, super::link_config(self.scenario))?;
                }
            }
            StepAction::Kill { node } => self.kill(node)?,
            StepAction::PowerCut { node, torn } => self.power_cut(node, *torn)?,
            StepAction::Start { node } => self.start(node)?,
            StepAction::Restart { node } => {
                let index = self.index(node);
                if self.status(index) == HostStatus::Running {
                    self.shut_down(node, None);
                }
                self.restarting.push(index);
            }
            StepAction::Shutdown { node, save } => self.shut_down(node, *save),
            StepAction::RemoveRdb { node } => self.remove_rdb(node)?,
            StepAction::Pause { node } => self.sim.pause(node)?,
            StepAction::Resume { node } => self.sim.resume(node)?,
            StepAction::Lag { node, read } => self.lag(node, Some(*read))?,
            StepAction::CatchUp { node } => self.lag(node, None)?,
            StepAction::ClockJump { node, by } => {
                let millis = by.by.as_millis() as i64;
                self.sim.clock_jump(node, if by.back { -millis } else { millis })?;
            }
            _ => self.do_disk_step(action)?,
        }
        Ok(())
    }

    fn do_disk_step(&mut self, action: &StepAction) -> Result<(), RunError> {
        match action {
            StepAction::SlowDisk { node, latency, bandwidth } => {
                let mut config = DiskConfig::default();
                if let Some(latency) = latency {
                    config.operation_us = (micros(latency.low.0), micros(latency.high.0));
                    config.sync_us = config.operation_us;
                }
                config.bandwidth_bytes_per_s = bandwidth.unwrap_or(config.bandwidth_bytes_per_s);
                self.sim.slow_disk(node, config)?;
            }
            StepAction::FullDisk { node, free } => self.sim.disk_full(node, Some(*free))?,
            StepAction::DiskError { node, on, chance } => {
                let fails = |which| {
                    if *on == which || *on == DiskOperation::Any { *chance } else { 0.0 }
                };
                let errors = DiskErrors {
                    read: fails(DiskOperation::Read),
                    write: fails(DiskOperation::Write),
                    sync: fails(DiskOperation::Sync),
                };
                self.sim.disk_error(node, errors)?;
            }
            StepAction::DiskOk { node } => {
                self.sim.disk_error(node, DiskErrors::default())?;
                self.sim.disk_full(node, None)?;
                self.sim.slow_disk(node, DiskConfig::default())?;
            }
            _ => self.do_order(action),
        }
        Ok(())
    }

    /// Steps that are commands to a node.
    fn do_order(&mut self, action: &StepAction) {
        match action {
            StepAction::ReplicaOf { node, master } => {
                let words = match master {
                    Some(master) => {
                        let port = process::port(self.spec(master)).to_string();
                        command(&["REPLICAOF", master, &port])
                    }
                    None => command(&["REPLICAOF", "NO", "ONE"]),
                };
                self.order(node, None, vec![words], Some(expectation::no_error("REPLICAOF")));
            }
            StepAction::Failover { node, to, timeout, force, abort } => {
                let words = self.failover(to.as_deref(), *timeout, *force, *abort);
                self.order(node, None, vec![words], Some(expectation::no_error("FAILOVER")));
            }
            StepAction::ConfigSet { node, config } => {
                let mut words = command(&["CONFIG", "SET"]);
                for (name, value) in config {
                    words.push(name.clone().into_bytes());
                    words.push(value.clone().into_bytes());
                }
                self.order(node, None, vec![words], Some(expectation::no_error("CONFIG SET")));
            }
            StepAction::Command { node, send, reply, database, password } => {
                let words: Vec<&str> = send.iter().map(String::as_str).collect();
                let select = command(&["SELECT", &database.to_string()]);
                let commands = if *database == 0 {
                    vec![command(&words)]
                } else {
                    vec![select, command(&words)]
                };
                let judge = reply.clone().map(|reply| expectation::reply(&words.join(" "), reply));
                self.order(node, password.clone(), commands, judge);
            }
            StepAction::Check { node, info } => self.check_info(node, info),
            other => unreachable!("{other:?} is done elsewhere"),
        }
    }

    fn failover(
        &self,
        to: Option<&str>,
        timeout: Option<Duration>,
        force: bool,
        abort: bool,
    ) -> Command {
        let mut words = command(&["FAILOVER"]);
        if abort {
            words.push(b"ABORT".to_vec());
        }
        if let Some(to) = to {
            // A master knows its replicas by address, as INFO shows them.
            let world = self.sim.world();
            let address = world.host(to).map_or(to.to_owned(), |host| world.ip(host).to_string());
            let port = process::port(self.spec(to)).to_string();
            words.extend(command(&["TO", &address, &port]));
        }
        if force {
            words.push(b"FORCE".to_vec());
        }
        if let Some(timeout) = timeout {
            words.extend(command(&["TIMEOUT", &timeout.as_millis().to_string()]));
        }
        words
    }

    /// Sends commands to a node from the operator's host.
    pub(super) fn order(
        &self,
        node: &str,
        password: Option<String>,
        commands: Vec<Command>,
        judge: Option<Judge>,
    ) {
        let spec = self.spec(node);
        let index = self.index(node);
        let known = || self.recorder.borrow().cluster.nodes[index].limits.requirepass.clone();
        let password = password.or_else(known);
        let password = password.filter(|password| !password.is_empty());
        let port = process::port(spec);
        self.operator.give(Order { node: node.to_owned(), port, password, commands, judge });
    }

    fn shut_down(&mut self, node: &str, save: Option<bool>) {
        let words = match save {
            None => command(&["SHUTDOWN"]),
            Some(true) => command(&["SHUTDOWN", "SAVE"]),
            Some(false) => command(&["SHUTDOWN", "NOSAVE"]),
        };
        self.order(node, None, vec![words], None);
    }

    fn kill(&mut self, node: &str) -> Result<(), RunError> {
        self.sim.kill(node)?;
        self.has_stopped(node, Fate::Killed);
        Ok(())
    }

    fn power_cut(&mut self, node: &str, torn: bool) -> Result<(), RunError> {
        let lost = self.sim.power_cut(node, torn)?;
        if lost.unsynced_bytes > 0 {
            let left = match lost.left_bytes {
                0 => String::new(),
                left => format!(", {left} of them are left"),
            };
            let bytes = lost.unsynced_bytes;
            let text = format!("the disk of {node} loses {bytes} bytes that were not synced{left}");
            self.recorder.borrow_mut().world(&text);
        }
        self.has_stopped(node, Fate::PowerCut);
        Ok(())
    }

    fn has_stopped(&mut self, node: &str, fate: Fate) {
        let index = self.index(node);
        self.running[index] = false;
        // It was to start again when it had ended by itself, which it has not.
        self.restarting.retain(|other| *other != index);
        self.recorder.borrow_mut().fate(index, fate);
    }

    fn start(&mut self, node: &str) -> Result<(), RunError> {
        let index = self.index(node);
        if !self.is_running(index) {
            self.sim.restart(node)?;
            self.running[index] = true;
        }
        Ok(())
    }

    /// Starts nodes that were to be restarted and have gone down.
    pub(super) fn start_what_went_down(&mut self) -> Result<(), RunError> {
        for index in std::mem::take(&mut self.restarting) {
            if self.is_running(index) {
                self.restarting.push(index);
            } else {
                self.start(&self.scenario.nodes[index].name)?;
                self.last_fault = self.sim.elapsed();
            }
        }
        Ok(())
    }

    fn remove_rdb(&mut self, node: &str) -> Result<(), RunError> {
        self.sim.remove_file(node, "dump.rdb")?;
        let index = self.index(node);
        let mut recorder = self.recorder.borrow_mut();
        let being_read = self.is_running(index) && !recorder.cluster.nodes[index].up;
        recorder.fate(index, Fate::FileRemoved { being_read });
        Ok(())
    }

    /// A process that reads slowly: bytes reach it at this rate, and wait at their senders.
    fn lag(&mut self, node: &str, read: Option<u64>) -> Result<(), RunError> {
        for other in &self.scenario.nodes {
            if other.name == node {
                continue;
            }
            let mut config = super::link_config(self.scenario);
            if let Some(read) = read {
                config.bandwidth_bytes_per_s = read.max(1);
            }
            self.sim.slow_link(&other.name, node, config)?;
        }
        Ok(())
    }

    fn set_links(&mut self, links: &LinkSet, policy: LinkPolicy) -> Result<(), RunError> {
        for (from, to) in links.directed() {
            self.sim.set_link(from, to, policy)?;
        }
        Ok(())
    }

    fn link_config(&self, from: &str, to: &str) -> LinkConfig {
        let world = self.sim.world();
        match (world.host(from), world.host(to)) {
            (Ok(from), Ok(to)) => world.link_config(from, to),
            _ => super::link_config(self.scenario),
        }
    }

    pub(super) fn index(&self, node: &str) -> NodeIndex {
        let position = self.scenario.nodes.iter().position(|other| other.name == node);
        position.expect("the scenario has been validated: its steps name its nodes")
    }

    pub(super) fn spec(&self, node: &str) -> &NodeSpec {
        &self.scenario.nodes[self.index(node)]
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

fn policy(kind: Outage) -> LinkPolicy {
    match kind {
        Outage::Stall => LinkPolicy::Stall,
        Outage::Reset => LinkPolicy::Reset,
        Outage::Blackhole => LinkPolicy::Blackhole,
    }
}
