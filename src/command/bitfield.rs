//! `BITFIELD`: integers of any width at any bit of a string (Redis: bitops.c).

use super::bitmap::{edit, for_read, offset};
use super::{Args, CommandError, Ctx, Outcome, lookup, number};

/// A type such as `i16` or `u8`.
#[derive(Clone, Copy)]
struct Width {
    signed: bool,
    bits: u32,
}

impl Width {
    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let error = || {
            let text = "Invalid bitfield type. Use something like i16 u8. Note that u64 is not \
                        supported but i64 is.";
            CommandError::Other(text.into())
        };
        let (signed, digits, max) = match text {
            [b'i', digits @ ..] => (true, digits, 64),
            [b'u', digits @ ..] => (false, digits, 63),
            _ => return Err(error()),
        };
        let bits = number::parse_i64(digits).and_then(|bits| u32::try_from(bits).ok());
        let bits = bits.filter(|bits| (1..=max).contains(bits)).ok_or_else(error)?;
        Ok(Self { signed, bits })
    }

    fn min(self) -> i128 {
        if self.signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        (1 << (self.bits - u32::from(self.signed))) - 1
    }

    /// The lowest bits of `value` as this type.
    fn wrap(self, value: i128) -> i128 {
        let low = value & ((1 << self.bits) - 1);
        if low > self.max() { low - (1 << self.bits) } else { low }
    }

    /// What `SET` takes a number for, where that shows: in the direction of `SAT`. An unsigned type
    /// takes it for unsigned, and a narrow signed one takes the lowest for too high.
    fn as_redis_sets(self, value: i64) -> i128 {
        let wide = i128::from(value);
        let too_low = self.bits < 64 && self.max() - wide > i128::from(i64::MAX);
        if !self.signed || too_low { i128::from(value.cast_unsigned()) } else { wide }
    }

    fn read(self, bytes: &[u8], at: u64) -> i128 {
        let mut value = 0;
        for bit in at..at + u64::from(self.bits) {
            let byte = usize::try_from(bit >> 3).ok().and_then(|index| bytes.get(index));
            let on = byte.is_some_and(|byte| byte & (0x80 >> (bit & 7)) != 0);
            value = value << 1 | i128::from(on);
        }
        self.wrap(value)
    }

    fn write(self, bytes: &mut [u8], at: u64, value: i128) {
        for (place, bit) in (at..at + u64::from(self.bits)).enumerate() {
            let on = value >> (self.bits as usize - 1 - place) & 1 != 0;
            let mask = 0x80 >> (bit & 7);
            let byte = &mut bytes[(bit >> 3) as usize];
            *byte = if on { *byte | mask } else { *byte & !mask };
        }
    }
}

#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Sat,
    Fail,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

struct Step {
    width: Width,
    at: u64,
    action: Action,
    overflow: Overflow,
}

impl Step {
    /// What it replies (`None` if it refused), and the value it leaves behind.
    fn outcome(&self, before: i128) -> (Option<i128>, Option<i128>) {
        let wanted = match self.action {
            Action::Get => return (Some(before), None),
            Action::Set(value) => self.width.as_redis_sets(value),
            Action::IncrBy(amount) => before + i128::from(amount),
        };
        let fits = (self.width.min()..=self.width.max()).contains(&wanted);
        let after = match self.overflow {
            _ if fits => wanted,
            Overflow::Wrap => self.width.wrap(wanted),
            Overflow::Sat => wanted.clamp(self.width.min(), self.width.max()),
            Overflow::Fail => return (None, None),
        };
        let reply = if matches!(self.action, Action::Set(_)) { before } else { after };
        (Some(reply), Some(after))
    }
}

fn steps(ctx: &Ctx<'_>, args: &Args<'_>, read_only: bool) -> Result<Vec<Step>, CommandError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = args;
    while let [name, more @ ..] = rest {
        let name = name.to_ascii_lowercase();
        if let (b"overflow", [kind, more @ ..]) = (name.as_slice(), more) {
            overflow = match kind.to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Sat,
                b"fail" => Overflow::Fail,
                _ => return Err(CommandError::Other("Invalid OVERFLOW type specified".into())),
            };
            rest = more;
            continue;
        }
        let (width, at, value) = match (name.as_slice(), more) {
            (b"get", [width, at, more @ ..]) => {
                rest = more;
                (*width, *at, None)
            }
            (b"set" | b"incrby", [width, at, value, more @ ..]) => {
                rest = more;
                (*width, *at, Some(*value))
            }
            _ => return Err(CommandError::Syntax),
        };
        let width = Width::parse(width)?;
        let at = offset(ctx, at, Some(width.bits))?;
        let action = match value {
            None => Action::Get,
            Some(_) if read_only => {
                let text = "BITFIELD_RO only supports the GET subcommand";
                return Err(CommandError::Other(text.into()));
            }
            Some(value) if name == b"set" => Action::Set(number::integer(value)?),
            Some(value) => Action::IncrBy(number::integer(value)?),
        };
        steps.push(Step { width, at, action, overflow });
    }
    Ok(steps)
}

pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    run(ctx, args, false)
}

pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    run(ctx, args, true)
}

fn run(ctx: &mut Ctx<'_>, args: &Args<'_>, read_only: bool) -> Outcome {
    let steps = steps(ctx, &args[2..], read_only)?;
    let last_written = steps
        .iter()
        .filter(|step| !matches!(step.action, Action::Get))
        .map(|step| step.at + u64::from(step.width.bits) - 1)
        .max();
    let mut replies = Vec::with_capacity(steps.len());
    if let Some(last) = last_written {
        let (grown, (writes, changes)) = edit(ctx, args[1], last, |bytes| {
            let (mut writes, mut changes) = (0, 0);
            for step in &steps {
                let before = step.width.read(bytes, step.at);
                let (reply, after) = step.outcome(before);
                replies.push(reply);
                if let Some(after) = after {
                    step.width.write(bytes, step.at, after);
                    writes += 1;
                    changes += usize::from(after != before);
                }
            }
            (writes, changes)
        })?;
        // In a string that grew every write counts, and the growth itself if there is none: here
        // Redis tells its replicas nothing of it.
        let changes = if grown { writes.max(1) } else { changes };
        if changes > 0 {
            lookup::changed_times(ctx, args[1], changes);
        }
    } else {
        let string = for_read(ctx, args[1])?;
        let bytes = string.as_ref().map(|string| string.bytes()).unwrap_or_default();
        replies.extend(steps.iter().map(|step| Some(step.width.read(&bytes, step.at))));
    }
    ctx.reply.array_header(replies.len());
    for reply in replies {
        match reply.and_then(|reply| i64::try_from(reply).ok()) {
            Some(reply) => ctx.reply.integer(reply),
            None => ctx.reply.null_bulk(),
        }
    }
    Ok(())
}
