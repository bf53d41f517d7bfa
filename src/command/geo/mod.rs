//! Positions on the Earth, kept as the scores of a sorted set (Redis: geo.c).

mod cells;
mod position;
mod search;

use super::key_spec::{Keys, OVERWRITES, READS, UPDATES, after, at};
use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome, find, lookup, number, sorted_set};
use crate::keyspace::SortedSetValue;
use position::{LATITUDE_MAX, LONGITUDE_MAX, Position};

const READ: Flags = Flags::READONLY;
const GROW: Flags = Flags::WRITE.with(Flags::DENYOOM);

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    since: &'static str,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Group::Geo, since, summary, handler).with_keys(keys)
}

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("geoadd", -5, GROW, &[at(1, UPDATES)], "3.2.0", "Adds positions", data!(geoadd)),
    row("geopos", -2, READ, &[at(1, READS)], "3.2.0", "Returns positions", data!(geopos)),
    row("geodist", -4, READ, &[at(1, READS)], "3.2.0", "Returns the distance of two members", data!(geodist)),
    row("geohash", -2, READ, &[at(1, READS)], "3.2.0", "Returns positions as geohashes", data!(geohash)),
    row("geosearch", -7, READ, &[at(1, READS)], "6.2.0", "Returns members near a position", data!(search::geosearch)),
    row("geosearchstore", -8, GROW, &[at(1, OVERWRITES), at(2, READS)], "6.2.0", "Stores members near a position", data!(search::geosearchstore)),
    row("georadius", -6, GROW, &[at(1, READS), after("STORE", 6, OVERWRITES), after("STOREDIST", 6, OVERWRITES)], "3.2.0", "Returns or stores members near a position (old form)", data!(search::georadius)),
    row("georadius_ro", -6, READ, &[at(1, READS)], "3.2.10", "Returns members near a position (old form)", data!(search::georadius_ro)),
    row("georadiusbymember", -5, GROW, &[at(1, READS), after("STORE", 5, OVERWRITES), after("STOREDIST", 5, OVERWRITES)], "3.2.0", "Returns or stores members near another (old form)", data!(search::georadiusbymember)),
    row("georadiusbymember_ro", -5, READ, &[at(1, READS)], "3.2.10", "Returns members near another (old form)", data!(search::georadiusbymember_ro)),
];

fn other(text: impl Into<String>) -> CommandError {
    CommandError::Other(text.into())
}

/// Metres in a unit.
fn unit(name: &[u8]) -> Result<f64, CommandError> {
    match name.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(other("unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// Longitude and latitude, within what can be encoded.
fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, CommandError> {
    let (longitude, latitude) = (number::float(longitude)?, number::float(latitude)?);
    if longitude.abs() > LONGITUDE_MAX || latitude.abs() > LATITUDE_MAX {
        let text = format!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        return Err(other(text));
    }
    Ok(Position { longitude, latitude })
}

/// Where a member is; scores that stand for no position are taken as they come.
fn member_position(set: Option<&SortedSetValue>, member: &[u8]) -> Option<Position> {
    Some(Position::of_score(set?.score(member)?))
}

/// A coordinate, with as many decimals as it takes.
fn coordinate_text(degrees: f64) -> String {
    let text = format!("{degrees:.17}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn reply_position(ctx: &mut Ctx<'_>, position: Position) {
    ctx.reply.array_header(2);
    ctx.reply.bulk(coordinate_text(position.longitude));
    ctx.reply.bulk(coordinate_text(position.latitude));
}

/// Becomes a `ZADD`, for the stream too.
fn geoadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let is_option =
        |arg: &&&[u8]| [&b"nx"[..], b"xx", b"ch"].iter().any(|name| arg.eq_ignore_ascii_case(name));
    let options: Vec<&[u8]> = args[2..].iter().take_while(is_option).copied().collect();
    let has = |name: &[u8]| options.iter().any(|option| option.eq_ignore_ascii_case(name));
    let triples = &args[2 + options.len()..];
    if !triples.len().is_multiple_of(3) || has(b"nx") && has(b"xx") {
        return Err(CommandError::Syntax);
    }
    let mut zadd: Vec<Vec<u8>> = vec![b"zadd".to_vec(), args[1].to_vec()];
    zadd.extend(options.iter().map(|option| option.to_vec()));
    for triple in triples.chunks_exact(3) {
        let bits = position(triple[0], triple[1])?.encode();
        zadd.push(bits.to_string().into_bytes());
        zadd.push(triple[2].to_vec());
    }
    let zadd: Vec<&[u8]> = zadd.iter().map(Vec::as_slice).collect();
    let before = ctx.effects.dirty;
    if let Some(Command { handler: Handler::Data(handler), .. }) = find(b"zadd") {
        handler(ctx, &zadd);
    }
    if ctx.effects.dirty > before {
        lookup::rewrite(ctx, &zadd);
    }
    Ok(())
}

fn geopos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let set = sorted_set::for_read(ctx, args[1])?;
    ctx.reply.array_header(args.len() - 2);
    for member in &args[2..] {
        match member_position(set.as_ref(), member) {
            Some(position) => reply_position(ctx, position),
            None => ctx.reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let set = sorted_set::for_read(ctx, args[1])?;
    ctx.reply.array_header(args.len() - 2);
    for member in &args[2..] {
        match member_position(set.as_ref(), member) {
            Some(position) => ctx.reply.bulk(position.geohash()),
            None => ctx.reply.null_bulk(),
        }
    }
    Ok(())
}

fn geodist(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let metres = match args.get(4) {
        Some(name) if args.len() == 5 => unit(name)?,
        None => 1.0,
        Some(_) => return Err(CommandError::Syntax),
    };
    let set = sorted_set::for_read(ctx, args[1])?;
    let at = |member| member_position(set.as_ref(), member);
    match (at(args[2]), at(args[3])) {
        (Some(from), Some(to)) => {
            ctx.reply.bulk(format!("{:.4}", from.distance(to) / metres));
        }
        _ => ctx.reply.null_bulk(),
    }
    Ok(())
}
