//! `[chain]`, checked.

use std::path::PathBuf;
use std::time::Duration;

use strait_primitives::BlockDelta;

use super::Checker;
use crate::network::Network;
use crate::raw::RawChain;

/// `[chain]`: the view of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainConfig {
    /// `network`: no default, so that nobody meets real money by omission. Since 0.1.
    pub network: Network,
    /// `cookie_file`: holds `user:password` for the RPC; without it none is sent. Since 0.1.
    pub cookie_file: Option<PathBuf>,
    /// `poll_interval_ms`: 100 to 60,000, default 1,000. Longer delays the answer to a revoked commitment, shorter
    /// burdens bitcoind. Since 0.1.
    pub poll_interval: Duration,
    /// `unready_after_ms`: 1,000 to 600,000, default 30,000: how long after a poll is due node and bitcoind may not have
    /// agreed on the best block before the node says that it is not ready. Longer hides that revoked commitments go
    /// unseen, shorter takes the node out of service when bitcoind is merely busy. Since 0.1.
    pub unready_after: Duration,
    /// `timeout_ms`: 1,000 to 600,000, default 30,000: how long one call to bitcoind may take. Shorter gives up on large
    /// blocks from a busy disk, longer keeps the chain's thread waiting for one that hangs. Live. Since 0.1.
    pub timeout: Duration,
    /// `retry_attempts_max`: 1 to 255, default 5: looks that fail in a row before the longest wait. Live. Since 0.1.
    pub retry_attempts_max: u8,
    /// `retry_delay_ms`: 10 to 60,000, default 1,000: the wait after a first failure; it doubles. Live. Since 0.1.
    pub retry_delay: Duration,
    /// `retry_delay_max_ms`: `retry_delay_ms` to 600,000, default 32,000: the longest wait. Longer notices later that
    /// bitcoind is back; transactions are tried every `poll_interval_ms` all the same. Live. Since 0.1.
    pub retry_delay_max: Duration,
    /// `breaker_failure_percent`: 0 to 100, default 50: the share of failed calls from which on bitcoind is left alone; 0
    /// never does. Live. Since 0.1.
    pub breaker_failure_percent: u8,
    /// `breaker_calls_min`: 1 to 32, default 10: among so many of the last calls. Live. Since 0.1.
    pub breaker_calls_min: u8,
    /// `breaker_open_ms`: 100 to 600,000, default 30,000: how long it is left alone. Live. Since 0.1.
    pub breaker_open: Duration,
    /// `confirmations`: 1 to 144, default 6: blocks after which what the chain did counts as final. Fewer trusts
    /// a chain that may still reorganise, more keeps finished channels in memory for longer. Since 0.1.
    pub confirmations: BlockDelta,
}

impl Checker {
    pub(super) fn chain(&mut self, raw: RawChain) -> ChainConfig {
        const RIGHT: &str = "regtest, signet, testnet4 or mainnet is right";
        let name = self.required("chain.network", raw.network, RIGHT);
        let network = Network::ALL.into_iter().find(|network| network.as_str() == name);
        if network.is_none() && !name.is_empty() {
            self.wrong("chain.network", &name, RIGHT);
        }
        ChainConfig {
            network: network.unwrap_or(Network::Regtest),
            cookie_file: raw.cookie_file.map(|path| self.path("chain.cookie_file", path)),
            poll_interval: self.millis(
                "chain.poll_interval_ms",
                raw.poll_interval_ms,
                100..=60_000,
            ),
            unready_after: self.millis(
                "chain.unready_after_ms",
                raw.unready_after_ms,
                1_000..=600_000,
            ),
            timeout: self.millis("chain.timeout_ms", raw.timeout_ms, 1_000..=600_000),
            retry_attempts_max: self.number(
                "chain.retry_attempts_max",
                raw.retry_attempts_max,
                1..=255,
            ),
            retry_delay: self.millis("chain.retry_delay_ms", raw.retry_delay_ms, 10..=60_000),
            retry_delay_max: self.millis(
                "chain.retry_delay_max_ms",
                raw.retry_delay_max_ms,
                raw.retry_delay_ms..=600_000,
            ),
            breaker_failure_percent: self.number(
                "chain.breaker_failure_percent",
                raw.breaker_failure_percent,
                0..=100,
            ),
            breaker_calls_min: self.number(
                "chain.breaker_calls_min",
                raw.breaker_calls_min,
                1..=32,
            ),
            breaker_open: self.millis("chain.breaker_open_ms", raw.breaker_open_ms, 100..=600_000),
            confirmations: self.blocks("chain.confirmations", raw.confirmations, 1..=144),
        }
    }
}
