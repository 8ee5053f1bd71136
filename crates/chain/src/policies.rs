//! How patient the node is with its chain source: time-out, retry and circuit breaker, tuned while the node runs.
//!
//! The composition root makes one [`Policies`]. The adapter asks timeout and breaker around every question; the
//! runtime's chain thread asks retry after every look that failed, and waits where orders and a stop wake it.
//!
//! **Invariant:** a transaction on its way to the chain is refused by no policy. Submitting is tried however the source has
//! fared of late, because money may hang on the first moment that it answers again.

use core::time::Duration;

use strait_resilience::{Breaker, BreakerSettings, Retry, RetrySettings, Timeout};

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicySettings {
    /// How long one question may take. Default 30 s: a large block from a busy disk takes seconds.
    pub timeout: Duration,
    /// How a look that failed is repeated.
    pub retry: RetrySettings,
    /// When the source is left alone.
    pub breaker: BreakerSettings,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// The policies of one chain source.
#[derive(Debug)]
pub struct Policies {
    /// How long one question may take.
    pub timeout: Timeout,
    /// How a look that failed is repeated.
    pub retry: Retry,
    /// When the source is left alone.
    pub breaker: Breaker,
}

impl Default for Policies {
    fn default() -> Self {
        Self::new(PolicySettings::default(), 0)
    }
}

impl Policies {
    /// Policies with these settings; `seed` begins the jitter.
    #[must_use]
    pub fn new(settings: PolicySettings, seed: u64) -> Self {
        Self {
            timeout: Timeout::new(settings.timeout),
            retry: Retry::new(settings.retry, seed),
            breaker: Breaker::new(settings.breaker),
        }
    }

    /// Changes the settings; they count from the next question on.
    pub fn tune(&self, settings: PolicySettings) {
        self.timeout.tune(settings.timeout);
        self.retry.tune(settings.retry);
        self.breaker.tune(settings.breaker);
    }
}
