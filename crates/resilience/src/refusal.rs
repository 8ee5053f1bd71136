//! Why a policy answered in place of what was called.

use core::time::Duration;

use thiserror::Error;

/// A policy's answer in place of the callee's.
///
/// The layers ask of a service's error that it can be made from this, so that a stack of five has one flat error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The callee failed too often of late.
    #[error("the circuit breaker is open")]
    BreakerOpen {
        /// When a probe will be let through; zero while probes are on their way.
        retry_after: Duration,
    },
    /// As many calls are under way as may be.
    #[error("{limit} calls are under way, which is the most")]
    BulkheadFull {
        /// The most there may be.
        limit: usize,
    },
    /// The caller is ahead of its allowance.
    #[error("the rate limit is reached")]
    RateLimited {
        /// When there is a token again.
        retry_after: Duration,
    },
    /// The call was made, and did not end in time. It may have had its effect.
    #[error("no answer within {} ms", limit.as_millis())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },
}

impl Refusal {
    /// How long to wait before it makes sense to ask again, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BreakerOpen { retry_after } | Self::RateLimited { retry_after } => {
                Some(*retry_after)
            }
            Self::BulkheadFull { .. } | Self::TimedOut { .. } => None,
        }
    }
}
