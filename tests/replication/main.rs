//! The replication core alone, several of them joined by links of memory: golden scripts that show
//! what they say to each other, and properties that hold whatever happens to them.

mod cluster;
mod properties;
mod scripts;
