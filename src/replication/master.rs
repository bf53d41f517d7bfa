//! The master's end: `PSYNC`, the stream, pings, acks, timeouts, limits.
//!
//! Must never: send a byte to an online replica that is not part of the stream. A replica counts
//! every byte on its master's link, and an extra one would shift all its offsets.

use bytes::BytesMut;

use crate::env::LogLevel;
use crate::event::{Event, FullReason, MasterLinkState, PsyncAnswer, ReplicaState};

use super::backlog::Backlog;
use super::psync::{self, AskedId, History, Request};
use super::replica_link::{Announced, Phase, ReplicaLink};
use super::{LinkId, Mono, Offset, Output, Replication, SnapshotContents, Write, stream};

impl Replication {
    // --- PSYNC

    /// `PSYNC id offset [FAILOVER]` (Redis `syncCommand`). All replies go through outputs. `Err`:
    /// an error reply for the client, the text after `-`. Whether replies are pending on the
    /// connection (then it is an error too) only the node knows.
    pub fn psync(
        &mut self,
        now: Mono,
        link: LinkId,
        peer_ip: &str,
        id: &[u8],
        offset: i64,
        failover: bool,
    ) -> Result<(), String> {
        let request = Request { id: AskedId::parse(id), first_byte: offset };
        if self.replicas.contains_key(&link) {
            return Ok(());
        }
        let promoted = if failover { self.promote_on_request(now, &request) } else { Ok(()) };
        if let Err(text) = promoted.and_then(|()| self.refuse_sync(link)) {
            self.answered(link, peer_ip, &request, PsyncAnswer::Refused);
            return Err(text);
        }
        self.synchronise(now, link, peer_ip, &request, false);
        Ok(())
    }

    /// `SYNC`: a full sync without `+FULLRESYNC`, for replicas from before 2.8 and for
    /// `redis-cli --replica`.
    pub fn sync(&mut self, now: Mono, link: LinkId, peer_ip: &str) -> Result<(), String> {
        let request = Request { id: AskedId::Nothing, first_byte: -1 };
        if self.replicas.contains_key(&link) {
            return Ok(());
        }
        if let Err(text) = self.refuse_sync(link) {
            self.answered(link, peer_ip, &request, PsyncAnswer::Refused);
            return Err(text);
        }
        self.synchronise(now, link, peer_ip, &request, true);
        Ok(())
    }

    /// Reasons not to sync anyone now.
    fn refuse_sync(&self, link: LinkId) -> Result<(), String> {
        if self.failover.is_some() {
            return Err("NOMASTERLINK Can't SYNC while failing over".into());
        }
        if self.upstream.is_some() && self.master_link() != MasterLinkState::Connected {
            return Err("NOMASTERLINK Can't SYNC while not connected with my master".into());
        }
        // A part of a snapshot is never written over the file of the whole.
        let asks_for_a_part =
            |announced: &Announced| announced.contents != SnapshotContents::ALL && !announced.eof;
        if self.announced.get(&link).is_some_and(asks_for_a_part) {
            return Err("ERR Filtered replica requires EOF capability".into());
        }
        Ok(())
    }

    fn synchronise(
        &mut self,
        now: Mono,
        link: LinkId,
        peer_ip: &str,
        request: &Request,
        old_protocol: bool,
    ) {
        let history = History { id: self.id, second: self.second, backlog: self.backlog() };
        let answer = psync::decide(&history, request);
        for name in psync::marks(&history, request, &answer) {
            self.mark(name);
        }
        self.answered(link, peer_ip, request, answer);
        self.log_answer(request, &history, &answer);

        let announced = self.announced.remove(&link).unwrap_or_default();
        if self.replicas.is_empty() {
            self.last_ping = now;
        }
        let mut replica = ReplicaLink::new(link, peer_ip, announced, now);
        replica.old_protocol = old_protocol;
        let psync2 = replica.announced.psync2;
        match answer {
            PsyncAnswer::Continue { id, from } => {
                self.counters.sync_partial_ok += 1;
                replica.cursor = Some(from);
                self.replicas.insert(link, replica);
                let text =
                    if psync2 { format!("+CONTINUE {id}\r\n") } else { "+CONTINUE\r\n".to_owned() };
                let bytes = text.into_bytes();
                self.emit(Output::Reply { link, bytes });
                self.go_online(now, link);
            }
            _ => {
                if request.id != AskedId::Nothing {
                    self.counters.sync_partial_err += 1;
                }
                self.counters.sync_full += 1;
                self.begin_history_with_first_replica();
                self.replicas.insert(link, replica);
                self.replica_event(link, ReplicaState::WaitStart);
                self.schedule_full_sync(now, link);
            }
        }
        self.check();
    }

    /// Without a backlog nobody counted the writes: an id from before would name many datasets.
    fn begin_history_with_first_replica(&mut self) {
        if self.backlog.is_some() {
            return;
        }
        self.id = self.ids.fresh();
        self.second = None;
        self.ensure_backlog();
        self.log(
            LogLevel::Notice,
            format!(
                "Replication backlog created, my new replication IDs are '{}' and '{}'",
                self.id, "0000000000000000000000000000000000000000"
            ),
        );
        self.identity_changed("backlog-created");
    }

    fn answered(&mut self, link: LinkId, peer_ip: &str, request: &Request, answer: PsyncAnswer) {
        let port = self.announced.get(&link).map_or(0, |announced| announced.port);
        let asked_id = match request.id {
            AskedId::Id(id) => Some(id),
            _ => None,
        };
        self.emit(Output::Event(Event::PsyncAnswered {
            link,
            port,
            ip: peer_ip.to_owned().into(),
            asked_id,
            asked_offset: request.first_byte,
            answer,
            backlog: self.backlog().map(|info| (info.first, info.histlen)),
        }));
    }

    fn log_answer(&mut self, request: &Request, history: &History, answer: &PsyncAnswer) {
        let first_byte = request.first_byte;
        let text = match answer {
            PsyncAnswer::Continue { from, .. } => format!(
                "Partial resynchronization request accepted. Sending {} bytes of backlog starting from offset {first_byte}.",
                self.offset.since(*from)
            ),
            PsyncAnswer::Full(FullReason::NotAsked) => "Full resync requested by replica".into(),
            PsyncAnswer::Full(FullReason::PastSecondOffset) => format!(
                "Partial resynchronization not accepted: Requested offset for second ID was {first_byte}, but I can reply up to {}",
                history.second.map_or(0, |(_, last)| last.0 + 1)
            ),
            PsyncAnswer::Full(FullReason::UnknownId) => format!(
                "Partial resynchronization not accepted: Replication ID mismatch (my replication ID is '{}')",
                history.id
            ),
            PsyncAnswer::Full(_) | PsyncAnswer::Refused => {
                format!(
                    "Unable to partial resync with replica for lack of backlog (Replica request was: {first_byte})."
                )
            }
        };
        self.log(LogLevel::Notice, text);
    }

    // --- links

    /// Whether this client is a replica.
    pub fn is_replica(&self, link: LinkId) -> bool {
        self.replicas.contains_key(&link)
    }

    /// The connection of a client is gone. Also for clients that only ever sent `REPLCONF`, and
    /// for replicas that the core itself has closed.
    pub fn replica_closed(&mut self, now: Mono, link: LinkId) {
        self.announced.remove(&link);
        if let Some(replica) = self.replicas.get(&link) {
            let text = format!("Connection with replica {} lost.", replica.name());
            self.log(LogLevel::Notice, text);
            self.forget_replica(now, link);
        }
    }

    /// A newline arrived from a replica, which loads: it is alive.
    pub fn replica_alive(&mut self, now: Mono, link: LinkId) {
        if let Some(replica) = self.replicas.get_mut(&link) {
            replica.last_ack = now;
            let port = replica.announced.port;
            self.emit(Output::Event(Event::SignOfLife { link, port }));
        }
    }

    pub(super) fn move_replica(&mut self, link: LinkId, phase: Phase) {
        if let Some(replica) = self.replicas.get_mut(&link) {
            replica.phase = phase;
            self.replica_event(link, phase.state());
        }
    }

    pub(super) fn go_online(&mut self, now: Mono, link: LinkId) {
        let Some(replica) = self.replicas.get_mut(&link) else {
            return;
        };
        assert!(replica.cursor.is_some(), "online without a cursor");
        replica.last_ack = now;
        let text = format!("Synchronization with replica {} succeeded", replica.name());
        self.log(LogLevel::Notice, text);
        self.move_replica(link, Phase::Online);
        self.refresh_good_replicas(now);
        self.emit(Output::Wake(link));
    }

    fn replica_event(&mut self, link: LinkId, state: ReplicaState) {
        let port = self.replicas.get(&link).map_or(0, |r| r.announced.port);
        self.emit(Output::Event(Event::Replica { link, port, state }));
    }

    pub(super) fn close_replica(&mut self, now: Mono, link: LinkId, reason: &str) {
        self.emit(Output::CloseReplica { link, reason: reason.to_owned() });
        self.forget_replica(now, link);
    }

    /// Closes all of them: they hold a link to a history that is not ours any more, or have to
    /// learn a new id. They come back, by partial resync where that is possible.
    pub(super) fn close_all_replicas(&mut self, now: Mono, reason: &str) {
        if !self.replicas.is_empty() {
            self.mark("all-replicas-closed");
        }
        let links: Vec<LinkId> = self.replicas.keys().copied().collect();
        for link in links {
            self.close_replica(now, link, reason);
        }
    }

    fn forget_replica(&mut self, now: Mono, link: LinkId) {
        self.replica_event(link, ReplicaState::Gone);
        let Some(replica) = self.replicas.remove(&link) else {
            return;
        };
        if replica.phase.snapshot().is_some() {
            self.mark("replica-gone-during-its-snapshot");
        }
        if self.replicas.is_empty() {
            self.no_replicas_since = now;
        }
        self.trim_backlog();
        self.refresh_good_replicas(now);
        self.abort_snapshot_if_useless();
    }

    // --- the stream

    /// Adds writes of this master to the stream. Free when there is neither replica nor backlog;
    /// of no effect on a replica (a writable replica keeps its writes to itself).
    pub fn write(&mut self, now: Mono, write: Write<'_>) {
        if self.upstream.is_some() || self.backlog.is_none() {
            return;
        }
        let mut bytes = BytesMut::new();
        let db = stream::encode_write(&mut bytes, self.stream_db, &write);
        self.stream_db = Some(db);
        self.extend_stream(now, &bytes);
    }

    /// Adds bytes to the stream, whoever made them, and wakes the replicas that had sent all.
    pub(super) fn extend_stream(&mut self, now: Mono, bytes: &[u8]) {
        let backlog = self.backlog.as_mut().expect("a stream without a backlog");
        let before = backlog.end();
        assert_eq!(before, self.offset, "the backlog ends where we are");
        backlog.append(bytes);
        if let Some(unshown) = &mut self.unshown {
            unshown.extend_from_slice(bytes);
        }
        self.offset = backlog.end();
        for replica in self.replicas.values() {
            if replica.is_online() && replica.cursor == Some(before) {
                self.out.push_back(Output::Wake(replica.link));
            }
        }
        self.enforce_output_limits(now);
        self.trim_backlog();
    }

    /// Bytes of the stream to send on this link now; empty if none or not yet online. Contiguous,
    /// but not always all: ask again after [`Replication::stream_sent`].
    pub fn stream_chunk(&self, link: LinkId) -> &[u8] {
        let online = self.replicas.get(&link).filter(|r| r.is_online());
        match (online.and_then(|r| r.cursor), &self.backlog) {
            (Some(cursor), Some(backlog)) => backlog.chunk_after(cursor),
            _ => &[],
        }
    }

    /// The first `bytes` of what [`Replication::stream_chunk`] gave were taken over.
    pub fn stream_sent(&mut self, _now: Mono, link: LinkId, bytes: usize) {
        let end = self.offset;
        let Some(replica) = self.replicas.get_mut(&link) else {
            return;
        };
        if let Some(cursor) = &mut replica.cursor {
            *cursor = cursor.plus(bytes as u64);
            assert!(*cursor <= end, "sent more than there is");
        }
        self.trim_backlog();
    }

    /// The last bytes of the stream, for the probe: from `from` (exclusive) to the end. Each byte
    /// is given once; empty when nobody watches.
    pub fn stream_since(&mut self, from: Offset) -> Vec<u8> {
        let Some(mut bytes) = self.unshown.as_mut().map(std::mem::take) else {
            return Vec::new();
        };
        // Older ones were passed over by a jump of the offset.
        let wanted = usize::try_from(self.offset.since(from)).unwrap_or(usize::MAX);
        bytes.drain(..bytes.len().saturating_sub(wanted));
        bytes
    }

    pub(super) fn trim_backlog(&mut self) {
        let slowest = self.replicas.values().filter_map(|r| r.cursor).min();
        if let Some(backlog) = &mut self.backlog {
            backlog.trim(slowest);
        }
    }

    // --- what time brings

    /// Whether the stream must stand still: replicas have to catch up with it.
    pub(super) fn stream_is_frozen(&self) -> bool {
        self.failover.is_some()
    }

    pub(super) fn ping_if_due(&mut self, now: Mono) {
        let due = now.saturating_sub(self.last_ping) >= self.config.repl_ping_replica_period;
        if due && self.upstream.is_none() && !self.replicas.is_empty() && !self.stream_is_frozen() {
            self.last_ping = now;
            self.extend_stream(now, stream::PING);
        }
    }

    /// A newline for everybody who waits for a snapshot: the work goes on, be patient. The replica
    /// skips it, because it has not begun to count.
    pub(super) fn keepalives(&mut self) {
        for replica in self.replicas.values() {
            if matches!(replica.phase, Phase::WaitStart | Phase::WaitEnd(_)) {
                self.out.push_back(Output::Reply { link: replica.link, bytes: b"\n".to_vec() });
            }
        }
    }

    pub(super) fn replica_timeouts(&mut self, now: Mono) {
        let limit = self.config.repl_timeout;
        let silent = |since: Mono| now.saturating_sub(since) > limit;
        let mut late = Vec::new();
        for replica in self.replicas.values() {
            match replica.phase {
                Phase::Online | Phase::AwaitAck
                    if !replica.old_protocol && silent(replica.last_ack) =>
                {
                    late.push((replica.link, replica.name(), "streaming sync"));
                }
                // From a file each is sent at its own pace, and holds up nobody.
                Phase::Sending(_)
                    if replica.sent_by_mark && replica.stalled_since.is_some_and(silent) =>
                {
                    late.push((replica.link, replica.name(), "full sync"));
                }
                _ => {}
            }
        }
        for (link, name, stage) in late {
            let text = format!("Disconnecting timedout replica ({stage}): {name}");
            self.log(LogLevel::Warning, text.clone());
            self.mark("replica-timed-out");
            self.close_replica(now, link, &text);
        }
    }

    /// Idle without replicas for too long: the backlog goes, and the id with it. From here on
    /// writes are not counted, so (id, offset) would name many datasets.
    pub(super) fn expire_backlog(&mut self, now: Mono) {
        let Some(ttl) = self.config.repl_backlog_ttl else {
            return;
        };
        let idle = now.saturating_sub(self.no_replicas_since);
        if self.upstream.is_some()
            || !self.replicas.is_empty()
            || self.backlog.is_none()
            || idle <= ttl
        {
            return;
        }
        self.id = self.ids.fresh();
        self.second = None;
        self.backlog = None;
        self.log(
            LogLevel::Notice,
            format!(
                "Replication backlog freed after {} seconds without connected replicas.",
                ttl.as_secs()
            ),
        );
        self.mark("backlog-expired");
        self.identity_changed("backlog-expired");
    }

    /// Closes replicas that have too much pending (Redis `checkClientOutputBufferLimits`).
    pub(super) fn enforce_output_limits(&mut self, now: Mono) {
        let hard = self.config.effective_hard_limit_bytes();
        let soft = self.config.replica_soft_limit_bytes;
        // Redis notes the second, not the moment.
        let patience = self.config.replica_soft_limit_time.as_secs();
        let end = self.offset;
        let mut over = Vec::new();
        for replica in self.replicas.values_mut() {
            let pending = replica.pending_bytes(end);
            if soft > 0 && pending >= soft {
                replica.over_soft_limit_since.get_or_insert(now);
            } else {
                replica.over_soft_limit_since = None;
            }
            let too_long = replica
                .over_soft_limit_since
                .is_some_and(|since| now.as_secs().saturating_sub(since.as_secs()) > patience);
            if hard > 0 && pending >= hard {
                over.push((replica.link, replica.name(), "output-limit-hit"));
            } else if too_long {
                over.push((replica.link, replica.name(), "soft-output-limit-hit"));
            }
        }
        for (link, name, mark) in over {
            let text = format!(
                "Client {name} scheduled to be closed ASAP for overcoming of output buffer limits."
            );
            self.log(LogLevel::Warning, text.clone());
            self.mark(mark);
            self.close_replica(now, link, &text);
        }
    }

    pub(super) fn refresh_good_replicas(&mut self, now: Mono) {
        let lag = self.config.min_replicas_max_lag;
        self.good_replicas = self
            .replicas
            .values()
            .filter(|r| r.is_online() && now.saturating_sub(r.last_ack) <= lag)
            .count();
    }

    /// Whether `min-replicas-to-write` is satisfied. Only for writes of clients of a master.
    pub fn good_replicas_suffice(&self) -> bool {
        self.config.min_replicas_max_lag.is_zero()
            || self.good_replicas >= self.config.min_replicas_to_write
    }

    /// Number of replicas in good health (`min_slaves_good_slaves`).
    pub fn good_replicas(&self) -> usize {
        self.good_replicas
    }

    /// Puts an empty backlog where the stream now stands; all cursors must be gone.
    pub(super) fn reset_backlog(&mut self) {
        assert!(self.replicas.is_empty(), "the backlog is in use");
        self.backlog = Some(Backlog::new(self.offset, self.config.repl_backlog_size_bytes));
    }
}
