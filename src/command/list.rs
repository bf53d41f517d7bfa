//! Lists (Redis: t_list.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
