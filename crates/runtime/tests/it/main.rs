//! The threads around the engine: what leaves them when a write fails, and what is told when one of them ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chain;
mod disk;
mod links;
mod node;
mod threads;
