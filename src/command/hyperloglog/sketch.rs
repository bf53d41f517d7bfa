//! The bytes of a HyperLogLog, as Redis stores them.
//!
//! Sixteen bytes of header: `HYLL`, the encoding, three zeros, and the count as it was last
//! estimated, whose top bit says that it is out of date. Then 16384 registers, either *dense*, six
//! bits each, lowest bit first, or *sparse*, as runs: `00llllll` is 1 to 64 registers of zero,
//! `01llllll llllllll` up to 16384, and `1vvvvvll` 1 to 4 registers of the value 1 to 32.
//!
//! Estimation: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches".

const MAGIC: &[u8] = b"HYLL";
const HEADER: usize = 16;
const REGISTERS: usize = 1 << 14;
const DENSE_BYTES: usize = HEADER + REGISTERS * 6 / 8;
/// Bits of the hash that are left for a register's value.
const VALUE_BITS: u32 = 50;
/// Largest value of a sparse run, and most registers of one.
const RUN_VALUE_MAX: u8 = 32;
const RUN_MAX: usize = 4;
/// Most registers of a short run of zeros.
const ZEROS_MAX: usize = 64;
/// How many runs are looked at, after a change, for neighbours to join.
const JOIN_RUNS: usize = 5;
const HASH_SEED: u64 = 0xadc8_3b19;

/// A HyperLogLog as bytes.
pub(super) struct Sketch(Vec<u8>);

/// All registers, a byte each.
pub(super) struct Registers(Vec<u8>);

#[derive(Clone, Copy)]
enum Run {
    Zeros(usize),
    Values { value: u8, len: usize },
}

impl Run {
    fn len(self) -> usize {
        match self {
            Run::Zeros(len) | Run::Values { len, .. } => len,
        }
    }

    fn push(self, out: &mut Vec<u8>) {
        match self {
            Run::Zeros(0) | Run::Values { len: 0, .. } => {}
            Run::Zeros(len) if len <= ZEROS_MAX => out.push((len - 1) as u8),
            Run::Zeros(len) => out.extend_from_slice(&(0x4000 | (len - 1) as u16).to_be_bytes()),
            Run::Values { value, len } => out.push(0x80 | (value - 1) << 2 | (len - 1) as u8),
        }
    }
}

/// The run at a position, and its size in bytes.
fn run_at(bytes: &[u8], at: usize) -> Option<(Run, usize)> {
    let first = *bytes.get(at)?;
    Some(match first {
        0..0x40 => (Run::Zeros(usize::from(first) + 1), 1),
        0x40..0x80 => {
            let low = *bytes.get(at + 1)?;
            (Run::Zeros((usize::from(first & 0x3f) << 8 | usize::from(low)) + 1), 2)
        }
        _ => (Run::Values { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1 }, 1),
    })
}

impl Sketch {
    /// No elements.
    pub(super) fn new() -> Self {
        let mut bytes = [MAGIC, &[1; 1], &[0; 11]].concat();
        Run::Zeros(REGISTERS).push(&mut bytes);
        Sketch(bytes)
    }

    /// Bytes that look like one (hyperloglog.c `isHLLObjectOrReply`).
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let whole = bytes.len() >= HEADER && bytes.starts_with(MAGIC);
        let known = match bytes.get(4) {
            Some(0) => bytes.len() == DENSE_BYTES,
            Some(1) => true,
            _ => false,
        };
        (whole && known).then(|| Sketch(bytes.to_vec()))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn is_dense(&self) -> bool {
        self.0[4] == 0
    }

    /// The estimate, unless it is out of date.
    pub(super) fn cached_count(&self) -> Option<u64> {
        let mut count = [0; 8];
        count.copy_from_slice(&self.0[8..HEADER]);
        (count[7] & 0x80 == 0).then(|| u64::from_le_bytes(count))
    }

    pub(super) fn keep_count(&mut self, count: u64) {
        self.0[8..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    pub(super) fn forget_count(&mut self) {
        self.0[15] |= 0x80;
    }

    /// Adds an element; whether that changed anything, or `None` if the bytes are broken.
    pub(super) fn add(&mut self, element: &[u8], sparse_max: usize) -> Option<bool> {
        let hash = murmur_hash_64a(element, HASH_SEED);
        let index = hash as usize % REGISTERS;
        let rest = hash >> REGISTERS.trailing_zeros() | 1 << VALUE_BITS;
        self.raise(index, rest.trailing_zeros() as u8 + 1, sparse_max)
    }

    /// Raises a register to `value` if it is lower; see [`Sketch::add`].
    pub(super) fn raise(&mut self, index: usize, value: u8, sparse_max: usize) -> Option<bool> {
        if self.is_dense() {
            return Some(self.raise_dense(index, value));
        }
        if value > RUN_VALUE_MAX {
            self.promote()?;
            return Some(self.raise_dense(index, value));
        }
        self.raise_sparse(index, value, sparse_max)
    }

    fn raise_dense(&mut self, index: usize, value: u8) -> bool {
        let registers = &mut self.0[HEADER..];
        let (byte, shift) = (index * 6 / 8, index * 6 % 8);
        let next = registers.get(byte + 1).copied().unwrap_or(0);
        let pair = u16::from_le_bytes([registers[byte], next]);
        if (pair >> shift & 0x3f) as u8 >= value {
            return false;
        }
        let pair = pair & !(0x3f << shift) | u16::from(value) << shift;
        let [low, high] = pair.to_le_bytes();
        registers[byte] = low;
        if let Some(next) = registers.get_mut(byte + 1) {
            *next = high;
        }
        true
    }

    fn raise_sparse(&mut self, index: usize, value: u8, sparse_max: usize) -> Option<bool> {
        let (mut at, mut first, mut before) = (HEADER, 0, None);
        let (run, size) = loop {
            let (run, size) = run_at(&self.0, at)?;
            if index < first + run.len() {
                break (run, size);
            }
            first += run.len();
            before = Some(at);
            at += size;
        };
        let (head, tail) = (index - first, first + run.len() - 1 - index);
        let mut runs = Vec::with_capacity(5);
        let single = Run::Values { value, len: 1 };
        match run {
            Run::Values { value: old, .. } if old >= value => return Some(false),
            Run::Values { value: old, .. } => {
                Run::Values { value: old, len: head }.push(&mut runs);
                single.push(&mut runs);
                Run::Values { value: old, len: tail }.push(&mut runs);
            }
            Run::Zeros(_) => {
                Run::Zeros(head).push(&mut runs);
                single.push(&mut runs);
                Run::Zeros(tail).push(&mut runs);
            }
        }
        if runs.len() > size && self.0.len() + runs.len() - size > sparse_max {
            self.promote()?;
            return Some(self.raise_dense(index, value));
        }
        self.0.splice(at..at + size, runs);
        self.join(before.unwrap_or(HEADER));
        Some(true)
    }

    /// Joins neighbours of the same value, in the few runs from `at` on.
    fn join(&mut self, mut at: usize) {
        for _ in 0..JOIN_RUNS {
            let Some((run, size)) = run_at(&self.0, at) else {
                return;
            };
            if let Run::Values { value, len } = run
                && let Some((Run::Values { value: next, len: more }, _)) = run_at(&self.0, at + 1)
                && value == next
                && len + more <= RUN_MAX
            {
                let mut joined = Vec::with_capacity(1);
                Run::Values { value, len: len + more }.push(&mut joined);
                self.0.splice(at..at + 2, joined);
                continue;
            }
            at += size;
        }
    }

    /// Makes it dense; `None` if the bytes are broken.
    pub(super) fn promote(&mut self) -> Option<()> {
        if self.is_dense() {
            return Some(());
        }
        let registers = self.registers()?;
        let mut bytes = self.0[..HEADER].to_vec();
        bytes[4] = 0;
        bytes.resize(DENSE_BYTES, 0);
        self.0 = bytes;
        for (index, value) in registers.iter().enumerate().filter(|(_, value)| *value > 0) {
            self.raise_dense(index, value);
        }
        Some(())
    }

    /// The runs of a sparse one as `PFDEBUG DECODE` shows them: `z` and `Z` a run of zeros in one
    /// byte and in two, `v` one of a value. `None` if the bytes are broken.
    pub(super) fn runs_text(&self) -> Option<String> {
        let mut runs = Vec::new();
        let mut at = HEADER;
        while at < self.0.len() {
            let (run, size) = run_at(&self.0, at)?;
            runs.push(match run {
                Run::Zeros(len) if size == 1 => format!("z:{len}"),
                Run::Zeros(len) => format!("Z:{len}"),
                Run::Values { value, len } => format!("v:{value},{len}"),
            });
            at += size;
        }
        Some(runs.join(" "))
    }

    /// All registers; `None` if the bytes are broken.
    pub(super) fn registers(&self) -> Option<Registers> {
        let mut registers = Vec::with_capacity(REGISTERS);
        if self.is_dense() {
            for group in self.0[HEADER..].chunks_exact(3) {
                let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
                registers.extend((0..4).map(|place| (bits >> (place * 6) & 0x3f) as u8));
            }
            return Some(Registers(registers));
        }
        let mut at = HEADER;
        while at < self.0.len() {
            let (run, size) = run_at(&self.0, at)?;
            let value = match run {
                Run::Zeros(_) => 0,
                Run::Values { value, .. } => value,
            };
            if registers.len() + run.len() > REGISTERS {
                return None;
            }
            registers.resize(registers.len() + run.len(), value);
            at += size;
        }
        (registers.len() == REGISTERS).then_some(Registers(registers))
    }
}

impl Registers {
    pub(super) fn new() -> Self {
        Registers(vec![0; REGISTERS])
    }

    pub(super) fn merge(&mut self, other: &Registers) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().copied()
    }

    /// The estimate of how many elements were added.
    pub(super) fn count(&self) -> u64 {
        const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;
        let mut histogram = [0_u32; 64];
        for value in self.iter() {
            histogram[usize::from(value)] += 1;
        }
        let all = REGISTERS as f64;
        let last = VALUE_BITS as usize + 1;
        let mut z = all * tau((all - f64::from(histogram[last])) / all);
        for values in histogram[1..last].iter().rev() {
            z += f64::from(*values);
            z *= 0.5;
        }
        z += all * sigma(f64::from(histogram[0]) / all);
        (ALPHA_INFINITY * all * all / z).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// Austin Appleby's MurmurHash2, 64 bits, little-endian.
fn murmur_hash_64a(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut buffer = [0; 8];
        buffer.copy_from_slice(word);
        let mut word = u64::from_le_bytes(buffer).wrapping_mul(FACTOR);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        let mut buffer = [0; 8];
        buffer[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(buffer)).wrapping_mul(FACTOR);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ hash >> SHIFT
}
