//! What cores want done: replies, snapshots, loads, connections.

use super::*;

impl Cluster {
    /// Carries out what a core wants.
    pub fn settle(&mut self, name: &str) {
        while let Some(output) = self.core(name).poll_output() {
            self.act(name, output);
        }
    }

    pub(super) fn act(&mut self, name: &str, output: Output) {
        match output {
            Output::Reply { link, bytes } => {
                if let Some(conn) = self.conns.get_mut(&link.0) {
                    conn.to_replica.extend_from_slice(&bytes);
                }
            }
            Output::Wake(_) => {}
            Output::CloseReplica { link, reason } => {
                let who = self.conns.get(&link.0).map_or("?", |c| c.replica.as_str());
                self.say(format!("{name}: closes {who} ({reason})"));
                if let Some(conn) = self.conns.get_mut(&link.0) {
                    conn.master_closed = true;
                }
            }
            Output::StartSnapshot(plan) => {
                let target = match &plan.target {
                    SnapshotTarget::Disk => "disk".to_owned(),
                    SnapshotTarget::Diskless { links, .. } => format!("{} replicas", links.len()),
                };
                self.say(format!(
                    "{name}: starts snapshot {} at {} to {target}, stream db {:?}",
                    plan.id.0, plan.position.offset, plan.position.stream_db
                ));
                let host = self.host(name);
                assert_eq!(plan.position.offset, host.core.offset());
                let db = plan.position.stream_db.map_or(String::from("-"), |d| d.to_string());
                let body = format!("{db}\n{}", host.data.join("\n"));
                host.making.push((plan, body.into_bytes()));
            }
            Output::AbortSnapshot(id) => {
                self.say(format!("{name}: aborts snapshot {}", id.0));
                self.host(name).making.retain(|(plan, _)| plan.id != id);
            }
            Output::SendSnapshotFile { link, snapshot } => {
                let now = self.now;
                let body = self.host(name).files[&snapshot].clone();
                if let Some(conn) = self.conns.get_mut(&link.0) {
                    conn.to_replica.extend_from_slice(format!("${}\r\n", body.len()).as_bytes());
                    conn.to_replica.extend_from_slice(&body);
                }
                self.core(name).snapshot_sent(now, snapshot, link);
            }
            Output::Connect { host, .. } => {
                self.drop_connection(name);
                self.say(format!("{name}: connects to {host}"));
                if self.host(&host).down {
                    let now = self.now;
                    self.core(name).master_closed(now, "Connection refused");
                    return;
                }
                let link = self.next_link;
                self.next_link += 1;
                self.conns.insert(
                    link,
                    Conn {
                        replica: name.to_owned(),
                        master: host,
                        to_master: Vec::new(),
                        to_replica: Vec::new(),
                        input: BytesMut::new(),
                        established: false,
                        master_closed: false,
                        held: false,
                    },
                );
            }
            Output::Disconnect => {
                self.say(format!("{name}: disconnects"));
                self.drop_connection(name);
            }
            Output::ToMaster(bytes) => {
                if let Some(link) = self.link_of(name) {
                    let conn = self.conns.get_mut(&link).expect("just found");
                    conn.to_master.extend_from_slice(&bytes);
                }
            }
            Output::ReceiveBegin { .. } => self.host(name).received.clear(),
            Output::ReceiveData(bytes) => self.host(name).received.extend_from_slice(&bytes),
            Output::ReceiveEnd => {
                let now = self.now;
                self.core(name).received(now, Ok(()));
            }
            Output::Load => self.host(name).loading = true,
            Output::ReceiveAbort => {
                self.say(format!("{name}: forgets what it received"));
                self.host(name).loading = false;
            }
            Output::WaitDone { client, target, acked, acks } => {
                let ports: Vec<u16> = acks.iter().map(|(port, _)| *port).collect();
                self.say(format!(
                    "{name}: WAIT of client {client} for {target}: {acked} {ports:?}"
                ));
            }
            Output::PauseWrites => self.say(format!("{name}: pauses writes")),
            Output::ResumeWrites => self.say(format!("{name}: resumes writes")),
            Output::Demoted => self.say(format!("{name}: unblocks its clients")),
            Output::Log { level, text } => {
                if level == LogLevel::Warning {
                    self.say(format!("{name}: # {text}"));
                }
            }
            Output::Event(event) => self.event(name, &event),
        }
    }

    pub(super) fn event(&mut self, name: &str, event: &Event<'_>) {
        match event {
            Event::Mark(mark) => {
                *self.marks.entry(mark).or_default() += 1;
                self.say(format!("{name}: mark {mark}"));
            }
            Event::Identity { role, id, second, offset, cause } => {
                let second = second.map(|(id, at)| format!(", second {id} up to {at}"));
                let second = second.unwrap_or_default();
                self.say(format!("{name}: {role:?} {id} at {offset}{second} ({cause})"));
            }
            Event::PsyncAnswered { asked_offset, answer, backlog, .. } => {
                let held = backlog.map_or("no backlog".into(), |(f, n)| format!("backlog {f}+{n}"));
                self.say(format!("{name}: asked for {asked_offset}, has {held}: {answer:?}"));
            }
            Event::MasterLink { state, .. } => self.say(format!("{name}: link {state:?}")),
            Event::Replica { port, state, .. } => {
                self.say(format!("{name}: replica {port} {state:?}"))
            }
            _ => {}
        }
    }

    pub(super) fn drop_connection(&mut self, replica: &str) {
        let Some(link) = self.link_of(replica) else {
            return;
        };
        let conn = self.conns.remove(&link).expect("just found");
        let now = self.now;
        self.core(&conn.master).replica_closed(now, LinkId(link));
        if conn.master != replica {
            self.settle(&conn.master);
        }
    }

    /// Ends the oldest snapshot that the node makes; whether there was one.
    pub fn finish_snapshot(&mut self, name: &str, well: bool) -> bool {
        let now = self.now;
        let host = self.host(name);
        if host.making.is_empty() {
            return false;
        }
        let (plan, body) = host.making.remove(0);
        let result = if well { Ok(body.len() as u64) } else { Err("no space left".to_owned()) };
        match &plan.target {
            SnapshotTarget::Disk => {
                host.files.insert(plan.id, body);
                host.core.snapshot_written(now, plan.id, result);
            }
            SnapshotTarget::Diskless { eof_mark, links } => {
                for link in links.iter().filter(|_| well) {
                    if let Some(conn) = self.conns.get_mut(&link.0) {
                        let out = &mut conn.to_replica;
                        out.extend_from_slice(&[b"$EOF:", &eof_mark[..], b"\r\n"].concat());
                        out.extend_from_slice(&[&body[..], &eof_mark[..]].concat());
                    }
                    self.core(name).snapshot_sent(now, plan.id, *link);
                }
                self.core(name).snapshot_written(now, plan.id, result);
            }
        }
        self.settle(name);
        true
    }

    /// Ends the load of a full sync; whether there was one.
    pub fn finish_load(&mut self, name: &str, well: bool) -> bool {
        let now = self.now;
        let host = self.host(name);
        if !std::mem::take(&mut host.loading) {
            return false;
        }
        let result = if well {
            let text = String::from_utf8(std::mem::take(&mut host.received)).expect("text");
            let mut lines = text.split('\n');
            let db = lines.next().and_then(|line| line.parse().ok());
            host.data = lines.filter(|l| !l.is_empty()).map(str::to_owned).collect();
            Ok(db)
        } else {
            Err("bad checksum".to_owned())
        };
        host.core.load_finished(now, result);
        self.settle(name);
        if well {
            self.compare(name);
        }
        self.apply(name);
        true
    }
}
