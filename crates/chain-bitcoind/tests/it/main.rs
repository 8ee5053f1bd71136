//! The adapter, and the devnet against the real thing: every test runs on a devnet and, if `BITCOIND_EXE` names
//! one, on a real bitcoind, and expects the same of both.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on has failed"
)]

mod differential;
mod expected;
mod failures;
mod shapes;
mod source;
mod stage;
mod walk;
