//! The engine from outside: hostile modules at the door, hostile calls behind it, and the example contract.

mod admission;
mod calls;
mod determinism;
mod guest;
mod metered;
