//! The wallet from outside: histories of blocks, payments and restarts.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that indexes past an end, or whose world cannot be built, fails as it should"
)]

mod blocks;
mod bump;
mod durable;
mod history;
mod holds;
mod oracle;
mod seed_alone;
mod select;
mod send;
mod world;
