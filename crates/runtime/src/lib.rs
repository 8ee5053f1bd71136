//! The loop around the engine: the real clock, real entropy, and the threads that feed it.
//!
//! ```text
//! net ──┐                                  ┌──▶ net.send, reply, publish
//! API ──┼─▶ inbox ─▶ engine thread ─▶ outbox ─▶ writer thread ──┤
//! chain ┘     (decides, folds)       (encodes, one fsync,  └──▶ chain thread (broadcast)
//!                                     opens the effects)
//! ```
//!
//! The engine thread decides a batch while the writer thread is still making the one before durable: pipelined group
//! commit. Whatever waits in the outbox when a write ends goes to disk together, under one fsync. A failed or fenced
//! write ends both threads, and the process with them; replay finds out what was saved. A thread or task that dies
//! ends the node too: none of them can be missed.
//!
//! The chain thread owns the blocking chain source: it follows the best chain, and brings transactions on it.
//!
//! **Invariant:** this is the only crate of the node that reads the clock or asks for entropy on the engine's behalf;
//! effects leave only through the writer thread, opened by a receipt.

mod block_room;
mod chain_worker;
mod counted;
mod disk_room;
mod ends;
mod engine_worker;
mod handle;
mod inbox;
mod net_worker;
mod observe;
mod orders;
mod service;
mod spans;
mod writer;

pub use disk_room::{Disk, FreeSpace};
pub use handle::{AskError, Handle};
pub use service::{Halt, Options, Runtime, StartError, known_blocks};
