//! Two nodes, one channel, a chain that judges scripts with Bitcoin Core's own code: whatever ends a channel, every
//! satoshi arrives where it belongs.
//!
//! Method: both sides run an honest watcher; the test decides what spends the funding output and what the chain does to
//! it. After every step the fold of each watcher's events equals its state, and the state survives its encoding.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests")]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

mod bitcoin_core;
mod chain;
mod channel;
mod child;
mod classify;
mod contested;
mod fees;
mod mempool;
mod node;
mod pinned;
mod real_chain;
mod reorganisation;
mod settlement;
mod twins;
