//! Backups and shipped logs of real stores, damaged in every way that a disk or an operator can think of.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod backups;
mod shipping;
mod world;
