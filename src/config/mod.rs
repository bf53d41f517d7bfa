//! redis.conf: one typed field a directive, and one table that drives everything done with them.
//!
//! `table` has a row for each directive of Redis 7.0. The rows drive reading a file (`file`),
//! `CONFIG GET` and `CONFIG SET` (`access`) and `CONFIG REWRITE` (`rewrite`). What is accepted but has
//! no effect here is kept, so that `CONFIG GET` answers as Redis does; what would promise
//! something that is not there (AOF, TLS, ACLs, eviction, a daemon) is refused by name.
//!
//! Must never: touch a file. The text comes from outside, included files through a closure.

mod access;
mod check;
mod directive;
mod file;
mod rewrite;
mod table;
mod types;

pub(crate) use access::{failure as set_failure, is_secret};
pub use file::{ConfigFile, ConfigFileError};
pub use table::Config;
pub use types::{
    DisklessLoad, KeyspaceEvents, MasterAddr, MemoryOrPercent, OomScores, OutputLimit,
    OutputLimits, Percentiles, PropagationErrorBehavior, SavePoint, SavePoints, Setting,
    ShutdownFlags, WhoMay, WordList, parse_memory, parse_save,
};

#[cfg(test)]
mod tests;
