//! What the benches run, and the floors they stand beside.
//!
//! The targets in `benches/benches` call this: `strait` keeps criterion's history of every figure, `beside` takes each
//! figure and its floor in turns and prints the table of `README.md`. Only public APIs of the other crates are used, so
//! a figure here is one that a caller would see.
//!
//! **Invariant:** nothing here is part of a node; no other crate imports it.

mod append;
mod clock;
mod contract_calls;
mod duo;
mod history;
mod proposals;
mod signatures;
mod telemetry;
mod turns;

pub use append::{Appender, BareFile};
pub use clock::{Clock, CpuTime};
pub use contract_calls::{BareWasmtime, Meter};
pub use duo::{Duo, Log};
pub use history::{History, Side};
pub use proposals::proposal;
pub use signatures::{BareSignatures, SignedCommitments};
pub use telemetry::RoundTelemetry;
pub use turns::{Figure, Subject, Turns};

/// Payments in a round, from the fewest to the most that one carries.
pub const BATCHES: [u64; 3] = [1, 100, 4_096];
/// Records in an append.
pub const APPENDS: [u64; 3] = [1, 100, 1_000];

/// How much work a run may make of its fixtures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Everything runs once, to see that it runs.
    Smoke,
    /// Figures are taken.
    Measure,
}

impl Effort {
    /// Cargo passes `--bench` when it measures, and criterion's `--test` asks for a smoke run all the same.
    #[must_use]
    pub fn of_this_run() -> Self {
        let has = |flag: &str| std::env::args().any(|argument| argument == flag);
        if has("--bench") && !has("--test") { Self::Measure } else { Self::Smoke }
    }

    /// A size: small in a smoke run.
    #[must_use]
    pub const fn pick(self, smoke: u64, measure: u64) -> u64 {
        match self {
            Self::Smoke => smoke,
            Self::Measure => measure,
        }
    }
}
