//! HyperLogLogs (Redis: hyperloglog.c).

use super::table::Command;

/// Commands of this file.
pub const COMMANDS: &[Command] = &[];
