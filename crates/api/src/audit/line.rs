//! What a line of the audit log holds. The log writes them; nobody reads them here.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// What stands for the code of a call that was done.
pub(super) const DONE: &str = "OK";

/// What stands for the code of a call whose caller went away before its answer: what was begun goes on.
pub(super) const CALLER_LEFT: &str = "CALLER_LEFT";

/// One call.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    /// When it was answered.
    pub(super) at_ms: u64,
    /// `root`, or the id of a token that was made.
    pub(super) token_id: &'a str,
    /// The token's label.
    pub(super) label: &'a str,
    /// Where the call came from; nothing if that is not known.
    pub(super) client: Option<SocketAddr>,
    /// `POST` and the like.
    pub(super) method: &'a str,
    /// The route, and not the path: ids are in `target`.
    pub(super) route: &'a str,
    /// As the caller sent it.
    pub(super) idempotency_key: Option<&'a str>,
    /// How much, as far as the call itself says; of a contract, what both sides put in.
    pub(super) amount_msat: Option<u64>,
    /// Of a contract: what the side that opened the channel puts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel_opener_msat: Option<u64>,
    /// Of a contract: what the side that accepted the channel puts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel_acceptor_msat: Option<u64>,
    /// A channel, contract, lock, peer, token or address.
    pub(super) target: Option<&'a str>,
    /// [`DONE`], or the error's code.
    pub(super) code: &'static str,
    /// The status of the answer.
    pub(super) status: u16,
    /// From the call to its answer.
    pub(super) duration_ms: u64,
    /// True where this was told before under its key: nothing is done a second time. Not written otherwise.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) repeated: bool,
}

/// Calls of one token that have no lines of their own.
#[derive(Debug, Serialize)]
pub(super) struct SumLine<'a> {
    /// When they were summed up.
    pub(super) at_ms: u64,
    /// As in a line of one call.
    pub(super) token_id: &'a str,
    /// As in a line of one call.
    pub(super) label: &'a str,
    /// When the first of them was answered.
    pub(super) from_ms: u64,
    /// How many there were. No line of one call has this field.
    pub(super) calls: u64,
    /// How many ended with each code.
    pub(super) codes: &'a BTreeMap<&'static str, u64>,
    /// What those that were done, or may have been, came to, as far as calls themselves say; nothing for repetitions.
    pub(super) amount_msat: u64,
    /// As in a line of one call.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) repeated: bool,
}

/// Serde asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(value: &bool) -> bool {
    !*value
}
