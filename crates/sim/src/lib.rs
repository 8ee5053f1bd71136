//! The seeded world and its oracle: two to five real engines, some of which play foul, over a network, disks, a chain, clocks
//! and users that are all simulated in one thread, where everything is decided by a seed or a string of bytes.
//!
//! ```text
//! Choices (seed or bytes) ─▶ World::step ─▶ one happening of the Agenda
//!                                             │ message · write · block · crash · request …
//!                               Host (engine + disk) ×2..5 ─▶ Network · SimChain · Users
//!                                             │
//!                               Oracle, after every step: durable logs, ledgers, answers, chain
//! ```
//!
//! A run has a stormy phase, in which faults come as the seed's [`Weather`] says and only safety is judged, and a calm
//! one, in which all faults are healed and within a bounded time every request must be answered and every channel be
//! usable or over. The same seed gives the same trace, byte for byte.
//!
//! **Invariant:** nothing here reads a clock, an environment variable, or entropy of the machine.

mod agenda;
mod bargain;
mod chain;
mod choices;
mod durable;
mod ghost;
mod history;
mod host;
mod lockage;
mod network;
mod oracle;
mod penalty;
mod place;
mod run;
mod scheme;
mod settle;
mod tamper;
mod topology;
mod trace;
mod users;
mod wealth;
mod weather;
mod world;

pub use choices::{Choices, Edition};
pub use oracle::Violation;
pub use place::Place;
pub use run::{Failure, LINES, Plan, Report, SECOND_EDITION, Spoilt, run, run_bytes, tell};
pub use topology::{Edge, Shape, Topology};
pub use weather::{Habits, Malice, Misfortunes, Weather};
