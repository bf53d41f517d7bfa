//! replisim-sim: the testbed of replisim.

pub mod cli;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seed;
