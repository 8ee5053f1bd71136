//! The engine from outside: hostile modules at the door, hostile calls behind it, and the example contract.

#![expect(clippy::unwrap_used, reason = "test code that is not itself a #[test] function")]

mod admission;
mod calls;
mod determinism;
mod guest;
mod metered;
