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
    /// `chain.network`.
    pub network: Network,
    /// `chain.cookie_file`.
    pub cookie_file: Option<PathBuf>,
    /// `chain.poll_interval_ms`.
    pub poll_interval: Duration,
    /// `chain.unready_after_ms`.
    pub unready_after: Duration,
    /// `chain.timeout_ms`.
    pub timeout: Duration,
    /// `chain.retry_attempts_max`.
    pub retry_attempts_max: u8,
    /// `chain.retry_delay_ms`.
    pub retry_delay: Duration,
    /// `chain.retry_delay_max_ms`.
    pub retry_delay_max: Duration,
    /// `chain.breaker_failure_percent`.
    pub breaker_failure_percent: u8,
    /// `chain.breaker_calls_min`.
    pub breaker_calls_min: u8,
    /// `chain.breaker_open_ms`.
    pub breaker_open: Duration,
    /// `chain.confirmations`.
    pub confirmations: BlockDelta,
}

impl Checker {
    pub(super) fn chain(&mut self, raw: RawChain) -> ChainConfig {
        let name = self.required("chain.network", raw.network);
        let network = Network::ALL.into_iter().find(|network| network.as_str() == name);
        if network.is_none() && !name.is_empty() {
            self.wrong("chain.network", &name);
        }
        ChainConfig {
            network: network.unwrap_or(Network::Regtest),
            cookie_file: raw.cookie_file.map(|path| self.path("chain.cookie_file", path)),
            poll_interval: self.millis("chain.poll_interval_ms", raw.poll_interval_ms),
            unready_after: self.millis("chain.unready_after_ms", raw.unready_after_ms),
            timeout: self.millis("chain.timeout_ms", raw.timeout_ms),
            retry_attempts_max: self.number("chain.retry_attempts_max", raw.retry_attempts_max),
            retry_delay: self.millis("chain.retry_delay_ms", raw.retry_delay_ms),
            retry_delay_max: self.millis("chain.retry_delay_max_ms", raw.retry_delay_max_ms),
            breaker_failure_percent: self
                .number("chain.breaker_failure_percent", raw.breaker_failure_percent),
            breaker_calls_min: self.number("chain.breaker_calls_min", raw.breaker_calls_min),
            breaker_open: self.millis("chain.breaker_open_ms", raw.breaker_open_ms),
            confirmations: self.blocks("chain.confirmations", raw.confirmations),
        }
    }
}
