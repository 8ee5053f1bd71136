//! The binary as a user meets it: real processes on loopback, nothing replaced.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod demo;
mod devnet;
mod processes;
