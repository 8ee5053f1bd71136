//! The binary as operators run it: separate processes, real sockets, real disks.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod demo;
mod devnet;
mod kill;
mod nodes;
mod processes;
mod real_chain;
mod starting;
