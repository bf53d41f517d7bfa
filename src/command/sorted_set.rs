//! Sorted sets (Redis: t_zset.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
