//! `DUMP` and `RESTORE` (Redis: cluster.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
