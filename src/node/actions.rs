//! Turning what the replication core wants into actions of the shell, and log lines.

use crate::env::{LogLevel, LogLine, Now};
use crate::event::{Event, Role};
use crate::replication::{Output as CoreOutput, SnapshotPlan, SnapshotTarget};

use super::client::Transfer;
use super::persist::{Purpose, StreamJob};
use super::{Action, Node, Receive};

impl Node {
    /// Carries out everything the core has put out. Called right after every call of the core,
    /// before the dataset can change.
    pub(crate) fn pump(&mut self, now: Now) {
        // Bytes written by the call come before whatever else it caused.
        self.report_stream(now);
        while let Some(output) = self.replication.poll_output() {
            self.perform(now, output);
        }
        self.report_stream(now);
    }

    fn perform(&mut self, now: Now, output: CoreOutput) {
        match output {
            CoreOutput::Reply { link, bytes } => {
                self.reply(link.0, |reply| reply.raw(&bytes));
                self.wake(link.0);
            }
            CoreOutput::Wake(link) => self.wake(link.0),
            CoreOutput::CloseReplica { link, reason } => {
                self.log(LogLevel::Verbose, || format!("Closing replica link: {reason}"));
                self.close(link.0);
            }
            CoreOutput::StartSnapshot(plan) => self.start_replica_snapshot(now, plan),
            CoreOutput::AbortSnapshot(snapshot) => self.abort_replica_snapshot(snapshot),
            CoreOutput::SendSnapshotFile { link, snapshot } => {
                self.begin_transfer(link.0);
                let (dir, file) = self.persist.replica_file.clone();
                self.actions.push_back(Action::SendFile { client: link.0, snapshot, dir, file });
                self.wake(link.0);
            }
            CoreOutput::Connect { host, port } => {
                self.master.attempt += 1;
                let attempt = self.master.attempt;
                self.master.connected = false;
                self.master.output.clear();
                self.actions.push_back(Action::ConnectMaster { attempt, host, port });
            }
            CoreOutput::Disconnect => {
                // Whatever still comes from the old connection is not ours any more.
                self.master.attempt += 1;
                self.master.connected = false;
                self.master.output.clear();
                self.drop_master_transaction();
                self.actions.push_back(Action::DisconnectMaster);
            }
            CoreOutput::ToMaster(bytes) => {
                self.master.output.extend_from_slice(&bytes);
                self.actions.push_back(Action::WakeMaster);
            }
            CoreOutput::ReceiveBegin { length_bytes, same_history } => {
                self.begin_receive(now, length_bytes, same_history);
            }
            CoreOutput::ReceiveData(bytes) => {
                self.actions.push_back(Action::Receive(Receive::Data(bytes.into())));
            }
            CoreOutput::ReceiveEnd => self.actions.push_back(Action::Receive(Receive::End)),
            CoreOutput::Load => self.load_received(now),
            CoreOutput::ReceiveAbort => self.abort_receive(),
            CoreOutput::WaitDone { client, target, acks, acked } => {
                self.answer_wait(now, client, target, &acks, acked);
            }
            CoreOutput::PauseWrites => self.pauses.by_failover = true,
            CoreOutput::ResumeWrites => {
                self.pauses.by_failover = false;
                self.wake_postponed();
            }
            CoreOutput::Demoted => self.close_blocked_clients(),
            CoreOutput::Log { level, text } => self.log(level, || text),
            CoreOutput::Event(event) => {
                self.probe.emit(now, &event);
            }
        }
    }

    /// The dataset is frozen here and now, at the core's current offset.
    fn start_replica_snapshot(&mut self, now: Now, plan: SnapshotPlan) {
        let job = self.next_job();
        let mut contents = self.snapshot_job(now, Some(plan.position));
        contents.snapshot.reduce_to(plan.contents.keys, plan.contents.functions);
        let digest = self.digest_if_watched();
        self.stats.snapshots += 1;
        let (replicas, disk) = match &plan.target {
            SnapshotTarget::Disk => (1, true),
            SnapshotTarget::Diskless { links, .. } => (links.len(), false),
        };
        if let Some(digest) = digest {
            let event = Event::SnapshotTaken {
                id: Some(plan.position.id),
                offset: plan.position.offset,
                digest,
                replicas,
                disk,
            };
            self.probe.emit(now, &event);
        }
        match plan.target {
            SnapshotTarget::Disk => {
                let purpose = Purpose::Replicas(plan.id);
                self.start_save(now, job, contents, purpose);
            }
            SnapshotTarget::Diskless { eof_mark, links } => {
                let clients: Vec<_> = links.iter().map(|link| link.0).collect();
                for client in &clients {
                    if let Some(client) = self.clients.get_mut(client) {
                        let preface = !client.reply.is_empty();
                        client.transfer = Some(Transfer { preface });
                    }
                }
                self.persist.stream = Some(StreamJob { job, snapshot: plan.id });
                self.begin_counting(job);
                let process = self.process_id;
                self.log_notice(format!("Background RDB transfer started by pid {process}"));
                self.actions.push_back(Action::SendStream {
                    job,
                    snapshot: contents,
                    id: plan.id,
                    eof_mark,
                    clients: clients.clone(),
                });
                for client in clients {
                    self.wake(client);
                }
            }
        }
    }

    /// `M` or `S`. Before the first load is over the configuration alone knows the role.
    pub(crate) fn log_role(&self) -> char {
        let replica = match self.started {
            true => self.replication.role() == Role::Replica,
            false => self.settings.replicaof.is_some(),
        };
        if replica { 'S' } else { 'M' }
    }

    /// Queues a log line that passes `loglevel`; the text is built only then.
    pub(crate) fn log(&mut self, level: LogLevel, text: impl FnOnce() -> String) {
        if level >= self.settings.loglevel {
            let role = self.log_role();
            let text = text();
            self.actions.push_back(Action::Log(LogLine { level, role, text }));
        }
    }

    /// A line of the snapshot writer (`C`).
    pub(crate) fn log_saver(&mut self, level: LogLevel, text: &str) {
        if level >= self.settings.loglevel {
            let text = text.to_owned();
            self.actions.push_back(Action::Log(LogLine { level, role: 'C', text }));
        }
    }

    pub(crate) fn log_warning(&mut self, text: String) {
        self.log(LogLevel::Warning, || text);
    }

    pub(crate) fn log_notice(&mut self, text: String) {
        self.log(LogLevel::Notice, || text);
    }
}
