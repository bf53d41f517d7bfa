//! Hashes (Redis: t_hash.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
