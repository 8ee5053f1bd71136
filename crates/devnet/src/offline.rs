//! The RPC without its server: a fresh chain that answers the bodies of requests, one after the other.
//!
//! Fuzzers use it; nothing here listens or waits.

use serde_json::Value;

use crate::rpc::Context;
use crate::server::answer_body;

/// A devnet that nobody can reach.
#[derive(Debug)]
pub struct Offline(Context);

impl Offline {
    /// Starts a chain that has the genesis block alone; `now_s` tells the time in seconds since 1970.
    #[must_use]
    pub fn new(now_s: fn() -> u64) -> Self {
        Self(Context::new(now_s).0)
    }

    /// Answers the body of an HTTP request: one request or a batch. Null if no answer was asked for.
    #[must_use]
    pub fn answer(&self, body: &[u8]) -> Value {
        answer_body(&self.0, body).1
    }
}
