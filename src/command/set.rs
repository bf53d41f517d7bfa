//! Sets (Redis: t_set.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
