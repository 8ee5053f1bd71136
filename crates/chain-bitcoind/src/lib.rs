//! A Bitcoin chain over bitcoind's JSON-RPC: the adapter behind the configuration's `rpc_url`.
//!
//! The runtime makes a [`BitcoindSource`] from [`Options`] and drives it from one thread; `strait-devnet` speaks the
//! same RPC, so there is one adapter for both. Calls block, have time-outs and bounded answers, and are safe to
//! repeat. What comes back is checked for form here and for truth by `strait_chain::Follower`.
//!
//! **Invariant:** credentials appear in no error, log line or `Debug` output, and go to no other host than the one
//! configured (no redirects, no proxies).

mod answers;
mod endpoint;
mod limits;
mod rpc;
mod source;

pub use endpoint::{Auth, Options, OptionsError};
pub use source::BitcoindSource;
