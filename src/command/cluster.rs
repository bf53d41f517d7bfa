//! What belongs to a cluster (Redis: cluster.c). This server is never part of one, and says so as
//! a Redis that was started without `cluster-enabled` does.

use super::table::{Command, Flags, Group, data};
use super::{Args, CommandError, Ctx, Handler, Outcome};

const fn row(
    name: &'static str,
    arity: i32,
    flags: Flags,
    group: Group,
    summary: &'static str,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, group, "3.0.0", summary, handler)
}

const ANYTIME: Flags = Flags::FAST.with(Flags::LOADING).with(Flags::STALE);

/// Commands of this file.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("cluster", -2, Flags::NONE, Group::Cluster, "Refused: there is no cluster", data!(refuse)),
    row("asking", 1, Flags::FAST, Group::Cluster, "Refused: there is no cluster", data!(refuse)).in_categories(&["connection"]),
    row("readonly", 1, ANYTIME, Group::Cluster, "Refused: there is no cluster", data!(refuse)).in_categories(&["connection"]),
    row("readwrite", 1, ANYTIME, Group::Cluster, "Refused: there is no cluster", data!(refuse)).in_categories(&["connection"]),
];

fn refuse(_: &mut Ctx<'_>, _: &Args<'_>) -> Outcome {
    Err(CommandError::Other("This instance has cluster support disabled".into()))
}
