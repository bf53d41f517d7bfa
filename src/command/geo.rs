//! Positions on the Earth, kept in sorted sets (Redis: geo.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
