//! `LCS`: the longest common subsequence of two strings (Redis: t_string.c `lcsCommand`).

use super::key_spec::{READS, up_to};
use super::string::MAX_STRING_BYTES;
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Outcome, lookup, number};
use crate::keyspace::Value;

/// The command of this file.
pub const COMMANDS: &[Command] = &[Command::new(
    "lcs",
    -3,
    Flags::READONLY,
    Group::String,
    "7.0.0",
    "Finds the longest common subsequence of two strings",
    data!(lcs),
)
.with_keys(&[up_to(1, 1, READS)])];

#[derive(Default)]
struct Options {
    length: bool,
    indexes: bool,
    with_match_length: bool,
    /// Shorter matches are not told.
    min_match_bytes: usize,
}

fn options(args: &Args<'_>) -> Result<Options, CommandError> {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let mut options = Options::default();
    let mut rest = args;
    while let [word, more @ ..] = rest {
        rest = more;
        match more {
            _ if is(word, "IDX") => options.indexes = true,
            _ if is(word, "LEN") => options.length = true,
            _ if is(word, "WITHMATCHLEN") => options.with_match_length = true,
            [count, more @ ..] if is(word, "MINMATCHLEN") => {
                options.min_match_bytes = usize::try_from(number::integer(count)?).unwrap_or(0);
                rest = more;
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    if options.indexes && options.length {
        return Err(CommandError::Other(
            "If you want both the length and indexes, please just use IDX.".into(),
        ));
    }
    Ok(options)
}

fn lcs(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let found = [args[1], args[2]].map(|key| lookup::exists_for_read(ctx, ctx.db, key));
    let text = |at: usize| match ctx.keyspace.get(ctx.db, args[1 + at]).filter(|_| found[at]) {
        None => Ok(Vec::new()),
        Some(Value::String(string)) => Ok(string.with_bytes(<[u8]>::to_vec)),
        Some(_) => Err(CommandError::Other("The specified keys must contain string values".into())),
    };
    let (a, b) = (text(0)?, text(1)?);
    let options = options(&args[3..])?;
    let table = Table::new(&a, &b)?;
    let length = table.at(a.len(), b.len());
    if options.length {
        ctx.reply.integer(i64::from(length));
        return Ok(());
    }
    let (common, matches) = table.walk(&a, &b);
    if !options.indexes {
        ctx.reply.bulk(common);
        return Ok(());
    }
    let told: Vec<&Match> =
        matches.iter().filter(|it| it.length >= options.min_match_bytes).collect();
    ctx.reply.array_header(4);
    ctx.reply.bulk("matches");
    ctx.reply.array_header(told.len());
    for found in told {
        ctx.reply.array_header(2 + usize::from(options.with_match_length));
        for start in [found.a, found.b] {
            ctx.reply.array_header(2);
            ctx.reply.integer(start as i64);
            ctx.reply.integer((start + found.length - 1) as i64);
        }
        if options.with_match_length {
            ctx.reply.integer(found.length as i64);
        }
    }
    ctx.reply.bulk("len");
    ctx.reply.integer(i64::from(length));
    Ok(())
}

/// The same bytes in both strings.
struct Match {
    a: usize,
    b: usize,
    length: usize,
}

/// Lengths of the longest common subsequences of all pairs of beginnings.
struct Table {
    lengths: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Result<Self, CommandError> {
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width).filter(|cells| *cells <= MAX_STRING_BYTES / 4);
        let Some(cells) = cells else {
            return Err(CommandError::Other(
                "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len".into(),
            ));
        };
        let mut table = Self { lengths: vec![0; cells], width };
        for (i, left) in a.iter().enumerate() {
            for (j, right) in b.iter().enumerate() {
                table.lengths[(i + 1) * width + j + 1] = if left == right {
                    table.at(i, j) + 1
                } else {
                    table.at(i, j + 1).max(table.at(i + 1, j))
                };
            }
        }
        Ok(table)
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * self.width + j]
    }

    /// The subsequence itself, and its runs from the last to the first. Where several are as
    /// long, the way back takes the shorter `b` first, as Redis does.
    fn walk(&self, a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let (mut i, mut j) = (a.len(), b.len());
        let mut common = Vec::new();
        let mut matches: Vec<Match> = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                common.push(a[i - 1]);
                match matches.last_mut() {
                    Some(run) if run.a == i && run.b == j => {
                        *run = Match { a: i - 1, b: j - 1, length: run.length + 1 };
                    }
                    _ => matches.push(Match { a: i - 1, b: j - 1, length: 1 }),
                }
                (i, j) = (i - 1, j - 1);
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        common.reverse();
        (common, matches)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExpiryView;
    use super::super::testing::Bench;

    #[test]
    fn the_example_of_the_documentation() {
        let mut bench = Bench::new(ExpiryView::Delete);
        bench.run("MSET a ohmytext b mynewtext");
        assert_eq!(bench.run("LCS a b"), "$6 mytext");
        assert_eq!(bench.run("LCS a b LEN"), ":6");
        assert_eq!(
            bench.run("LCS a b IDX"),
            "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"
        );
        assert_eq!(
            bench.run("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN"),
            "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"
        );
        assert_eq!(bench.run("LCS a none"), "$0");
        assert_eq!(
            bench.run("LCS a b LEN IDX"),
            "-ERR If you want both the length and indexes, please just use IDX."
        );
        bench.run("SADD set x");
        assert_eq!(
            bench.run("LCS a set WHAT"),
            "-ERR The specified keys must contain string values"
        );
    }
}
