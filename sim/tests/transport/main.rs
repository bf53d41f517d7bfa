//! The transport contract, row by row: see the table in `replisim_sim::transport`.
//!
//! Rows that can be made to happen on loopback run one test body on the simulated network and
//! on real TCP, so that the model is held against the thing (`both`).

mod both;
mod determinism;
mod disk;
mod kit;
mod outages;
mod parts;
mod slow;
