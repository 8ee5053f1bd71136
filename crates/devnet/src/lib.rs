//! A regtest chain in one process that speaks bitcoind's RPC: what the node runs against when there is no bitcoind.
//!
//! Every script is judged by Bitcoin Core's own code (crate `bitcoinconsensus`); value, maturity, time locks and the
//! relay policy of Bitcoin Core 31 (dust, standardness, version 3, packages, replacement) are enforced here, refused
//! transactions get bitcoind's words and codes, and blocks are real regtest blocks. `strait devnet` runs it; tests
//! start one on a free port. The same tests run against a real bitcoind and must see the same answers.
//!
//! ```text
//! server (HTTP, batches, authentication) ─▶ rpc (methods, shapes, codes) ─▶ node = chain + mempool (pure)
//! ```
//!
//! What it does not have: peers, a wallet, a disk (the chain is gone when it stops), fee estimates, mempool eviction
//! by size or age, and the relay rules inside scripts that stand above consensus (minimal `OP_IF`, low S and their
//! kin).
//!
//! **Invariant:** `node` and everything below it read no clock, socket or file; time is an argument.

mod chain;
mod coin;
mod consensus;
mod devnet;
mod limits;
mod locks;
mod mempool;
mod mining;
mod node;
mod offline;
mod regtest;
mod reject;
mod rpc;
mod script_check;
mod server;
mod standard;

pub use devnet::{Devnet, DevnetError, Options, RpcAuth};
pub use offline::Offline;
pub use regtest::{Regtest, Submission};
