//! `SORT` of lists, sets and sorted sets (Redis: sort.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
