//! The bounds of this adapter, each with its reason.

/// The largest answer: a block of 4 MB is 8 MB in hex, a full mempool's ids are some 25 MB.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The largest cookie file: a name, a colon and 64 characters.
pub(crate) const COOKIE_BYTES_MAX: u64 = 1_024;
/// Characters of someone else's message that go into an error of ours.
pub(crate) const DETAIL_CHARS_MAX: usize = 300;
/// Outputs asked for in one `gettxspendingprevout`.
pub(crate) const OUTPOINTS_PER_CALL: usize = 500;
/// Transactions that one `mempool_transactions` returns.
pub(crate) const MEMPOOL_TRANSACTIONS_PER_CALL: usize = 1_000;
/// bitcoind closes idle connections after 30 s; ours are given up before that.
pub(crate) const IDLE_CONNECTION_S: u64 = 15;
/// Bitcoin Core 29 was the first to relay ephemeral dust: a commitment's anchor may hold nothing.
pub(crate) const CORE_VERSION_MIN: u64 = 290_000;
/// The horizon `estimatesmartfee` accepts.
pub(crate) const ESTIMATE_BLOCKS_MAX: u32 = 1_008;
