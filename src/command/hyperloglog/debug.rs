//! `PFDEBUG` and `PFSELFTEST`: what is inside of a HyperLogLog, and whether it counts right.

use rand::Rng as _;

use super::sketch::Sketch;
use super::{Args, CommandError, Ctx, Outcome, put, sketch};
use crate::command::{lookup, printable};

pub(super) fn pfdebug(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let other = |text: String| Err(CommandError::Other(text));
    let key = args[2];
    let Some(found) = sketch(ctx, key, false)? else {
        return other("The specified key does not exist".into());
    };
    match args[1].to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let registers = found.registers().ok_or(CommandError::CorruptHyperLogLog)?;
            make_dense(ctx, key, found)?;
            let values: Vec<u8> = registers.iter().collect();
            ctx.reply.array_header(values.len());
            values.into_iter().for_each(|value| ctx.reply.integer(value.into()));
        }
        b"decode" if found.is_dense() => return other("HLL encoding is not sparse".into()),
        b"decode" => {
            let runs = found.runs_text().ok_or(CommandError::CorruptHyperLogLog)?;
            ctx.reply.bulk(runs);
        }
        b"encoding" => ctx.reply.status(if found.is_dense() { "dense" } else { "sparse" }),
        b"todense" => {
            let changed = make_dense(ctx, key, found)?;
            ctx.reply.integer(i64::from(changed));
        }
        _ => return other(format!("Unknown PFDEBUG subcommand '{}'", printable(args[1]))),
    }
    Ok(())
}

/// Makes the sketch at a key dense; whether it was not. Replicas are told by the command itself.
fn make_dense(ctx: &mut Ctx<'_>, key: &[u8], mut found: Sketch) -> Result<bool, CommandError> {
    if found.is_dense() {
        return Ok(false);
    }
    found.promote().ok_or(CommandError::CorruptHyperLogLog)?;
    put(ctx, key, found, true);
    lookup::changed(ctx, ctx.db, key);
    Ok(true)
}

/// Counts different elements in both forms, and compares with how many there were.
pub(super) fn pfselftest(ctx: &mut Ctx<'_>, _: &Args<'_>) -> Outcome {
    const ELEMENTS: u64 = 1_000_000;
    /// Of an estimate: 1.04 / sqrt(16384).
    const STANDARD_ERROR: f64 = 1.04 / 128.0;
    let failed = |text: String| Err(CommandError::Other(format!("TESTFAILED {text}")));
    let seed = ctx.random.next_u64();
    let (mut sparse, mut dense) = (Sketch::new(), Sketch::new());
    dense.promote().ok_or(CommandError::CorruptHyperLogLog)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = (number ^ seed).to_le_bytes();
        sparse.add(&element, ctx.keyspace.hll_sparse_max_bytes);
        dense.add(&element, 0);
        if number < checkpoint {
            continue;
        }
        let counts = [&sparse, &dense].map(|it| it.registers().map(|registers| registers.count()));
        let [Some(count), Some(dense_count)] = counts else {
            return failed("registers cannot be read".into());
        };
        if count != dense_count {
            return failed("dense/sparse disagree".into());
        }
        let most = match number {
            10 => 1.0,
            _ => (STANDARD_ERROR * 6.0 * number as f64).ceil(),
        };
        if (count as f64 - number as f64).abs() > most {
            return failed(format!("Too big error. card:{number} count:{count}"));
        }
        checkpoint *= 10;
    }
    ctx.reply.ok();
    Ok(())
}
