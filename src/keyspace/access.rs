//! When and how often a key was accessed: 24 bits a key, as Redis has them (server.h `lru`,
//! evict.c).
//!
//! Under an LFU policy they are minutes of Unix time (16 bits) and a logarithmic counter (8 bits),
//! under any other policy seconds of Unix time. Both wrap. Nothing is evicted here; the bits are
//! what `OBJECT IDLETIME` and `OBJECT FREQ` answer, and go through RDB files.
//!
//! Never here: a clock or dice. The time is told by [`AccessRules::now_unix_ms`].

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

const CLOCK_BITS: u32 = 24;
/// Seconds wrap here (`LRU_CLOCK_MAX`).
const CLOCK_MAX: u64 = (1 << CLOCK_BITS) - 1;
/// Minutes wrap here.
const MINUTES_MAX: u64 = u16::MAX as u64;
/// The counter of a new key (`LFU_INIT_VAL`).
const FIRST_FREQUENCY: u8 = 5;

/// What the policy makes of the bits of a key, and what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRules {
    /// Whether `maxmemory-policy` is one of the LFU ones.
    pub lfu: bool,
    /// Whether it is one of the LRU ones.
    pub lru: bool,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`; 0: never.
    pub lfu_decay_minutes: u32,
    /// Time of the command that runs, in ms since 1970.
    pub now_unix_ms: u64,
    /// A snapshot is being written: as in Redis, accesses are not noted meanwhile (there, for the
    /// pages they would cost; here, because the bits are no part of what a snapshot freezes).
    pub paused: bool,
}

impl Default for AccessRules {
    /// Redis's defaults, in 1970.
    fn default() -> Self {
        AccessRules {
            lfu: false,
            lru: false,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            now_unix_ms: 0,
            paused: false,
        }
    }
}

/// The 24 bits of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(u32);

/// What an RDB file or `RESTORE` says of a key's accesses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordedAccess {
    /// Time since the last one; heard under a policy other than LFU.
    pub idle_seconds: Option<u64>,
    /// The logarithmic counter; heard under an LFU policy.
    pub frequency: Option<u8>,
}

impl AccessRules {
    fn seconds(&self) -> u64 {
        (self.now_unix_ms / 1000) & CLOCK_MAX
    }

    fn minutes(&self) -> u64 {
        (self.now_unix_ms / 60_000) & MINUTES_MAX
    }

    fn counted(&self, frequency: u8) -> Access {
        Access((self.minutes() as u32) << 8 | u32::from(frequency))
    }

    /// Of a key that is made now.
    pub fn fresh(&self) -> Access {
        if self.lfu { self.counted(FIRST_FREQUENCY) } else { Access(self.seconds() as u32) }
    }

    /// Of a key that is written over.
    pub fn replaced(&self, before: Access) -> Access {
        if self.lfu { before } else { self.fresh() }
    }

    /// Of a key that is accessed now; `random` draws from 0 up to 1, under an LFU policy only.
    pub fn touched(&self, before: Access, random: &mut dyn FnMut() -> f64) -> Access {
        if self.paused {
            return before;
        }
        if !self.lfu {
            return self.fresh();
        }
        let counter = self.frequency(before);
        if counter == u8::MAX {
            return self.counted(counter);
        }
        let above = f64::from(counter.saturating_sub(FIRST_FREQUENCY));
        let chance = 1.0 / (above * f64::from(self.lfu_log_factor) + 1.0);
        self.counted(counter + u8::from(random() < chance))
    }

    /// As recorded elsewhere, if this policy has a use for it.
    pub fn recorded(&self, recorded: RecordedAccess) -> Option<Access> {
        if self.lfu {
            return recorded.frequency.map(|frequency| self.counted(frequency));
        }
        let idle = recorded.idle_seconds? as i64;
        let at = (self.seconds() as i64).wrapping_sub(idle);
        // As Redis does it: a step short of the whole circle, and what is still below zero is cut.
        let at = if at < 0 { at.wrapping_add(CLOCK_MAX as i64) } else { at };
        Some(Access((at as u64 & CLOCK_MAX) as u32))
    }

    /// Seconds since the last access (`estimateObjectIdleTime`); without meaning under LFU.
    pub fn idle_seconds(&self, access: Access) -> u64 {
        let (now, then) = (self.seconds(), u64::from(access.0));
        if now >= then { now - then } else { now + (CLOCK_MAX - then) }
    }

    /// The counter, less what time has taken from it (`LFUDecrAndReturn`); only under LFU.
    pub fn frequency(&self, access: Access) -> u8 {
        let (now, then) = (self.minutes(), u64::from(access.0 >> 8));
        let elapsed = if now >= then { now - then } else { now + (MINUTES_MAX - then) };
        let periods = elapsed.checked_div(u64::from(self.lfu_decay_minutes)).unwrap_or(0);
        (access.0 as u8).saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }
}

impl Access {
    /// The bits, for `DEBUG OBJECT`.
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// Where the bits of a key are kept. A read changes them in a table that snapshots share: they
/// are no part of what a snapshot freezes.
#[derive(Debug)]
pub(super) struct AccessCell([AtomicU8; 3]);

impl AccessCell {
    pub(super) fn new(access: Access) -> Self {
        let [_, high, middle, low] = access.0.to_be_bytes();
        AccessCell([high, middle, low].map(AtomicU8::new))
    }

    #[inline]
    pub(super) fn get(&self) -> Access {
        let [high, middle, low] = [0, 1, 2].map(|at: usize| self.0[at].load(Relaxed));
        Access(u32::from_be_bytes([0, high, middle, low]))
    }

    #[inline]
    pub(super) fn set(&self, access: Access) {
        let [_, bytes @ ..] = access.0.to_be_bytes();
        for (cell, byte) in self.0.iter().zip(bytes) {
            cell.store(byte, Relaxed);
        }
    }
}

impl Clone for AccessCell {
    fn clone(&self) -> Self {
        AccessCell::new(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn rules(lfu: bool, now_unix_ms: u64) -> AccessRules {
        AccessRules { lfu, now_unix_ms, ..AccessRules::default() }
    }

    fn never() -> f64 {
        unreachable!("no draw without LFU")
    }

    #[test]
    fn idle_time_is_the_time_since_the_last_access() {
        let at = |now_ms| rules(false, now_ms);
        let access = at(1_700_000_000_500).fresh();
        assert_eq!(at(1_700_000_009_999).idle_seconds(access), 9);
        let access = at(1_700_000_010_000).touched(access, &mut never);
        assert_eq!(at(1_700_000_010_999).idle_seconds(access), 0);
    }

    #[test]
    fn the_clock_wraps_as_that_of_redis_does() {
        let before = rules(false, CLOCK_MAX * 1000).fresh();
        assert_eq!(before.bits(), 0x00ff_ffff);
        // One second later it is 0, and Redis counts the step as none.
        assert_eq!(rules(false, (CLOCK_MAX + 1) * 1000).idle_seconds(before), 0);
        assert_eq!(rules(false, (CLOCK_MAX + 11) * 1000).idle_seconds(before), 10);
    }

    #[test]
    fn what_was_recorded_counts_under_its_policy_only() {
        let both = RecordedAccess { idle_seconds: Some(1000), frequency: Some(77) };
        let lru = rules(false, 1_700_000_000_000);
        let access = lru.recorded(both).expect("idle time");
        assert_eq!(lru.idle_seconds(access), 1000);
        let lfu = rules(true, 1_700_000_000_000);
        let access = lfu.recorded(both).expect("frequency");
        assert_eq!(lfu.frequency(access), 77);
        assert_eq!(lru.recorded(RecordedAccess { idle_seconds: None, ..both }), None);
        assert_eq!(lfu.recorded(RecordedAccess { frequency: None, ..both }), None);
        // Whatever a file says.
        for idle in [CLOCK_MAX, CLOCK_MAX + 1, u64::MAX, 1 << 63] {
            let recorded = RecordedAccess { idle_seconds: Some(idle), frequency: None };
            assert!(lru.recorded(recorded).expect("idle time").bits() <= CLOCK_MAX as u32);
        }
    }

    #[test]
    fn a_counter_grows_by_chance_and_shrinks_by_the_minute() {
        let start = rules(true, 1_700_000_000_000);
        let mut access = start.fresh();
        assert_eq!(start.frequency(access), 5);
        // Up to 5 every access counts; then one in eleven.
        access = start.touched(access, &mut || 0.999);
        assert_eq!(start.frequency(access), 6);
        access = start.touched(access, &mut || 0.1);
        assert_eq!(start.frequency(access), 6);
        access = start.touched(access, &mut || 0.09);
        assert_eq!(start.frequency(access), 7);
        let later = |minutes: u64| rules(true, 1_700_000_000_000 + minutes * MINUTE_MS);
        assert_eq!(later(3).frequency(access), 4);
        assert_eq!(later(1000).frequency(access), 0);
        let never_less = AccessRules { lfu_decay_minutes: 0, ..later(1000) };
        assert_eq!(never_less.frequency(access), 7);
        let full = start.counted(255);
        assert_eq!(start.touched(full, &mut never), full);
    }

    #[test]
    fn cells_keep_all_bits() {
        let cell = AccessCell::new(Access(0x00ab_cdef));
        assert_eq!(cell.clone().get(), Access(0x00ab_cdef));
        cell.set(Access(0x0012_3456));
        assert_eq!(cell.get().bits(), 0x0012_3456);
        assert_eq!((size_of::<AccessCell>(), align_of::<AccessCell>()), (3, 1));
    }
}
