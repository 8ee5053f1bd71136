//! Metrics of the interface's edge: whom it lets in, and with which certificate.

use prometheus::{IntCounterVec, IntGaugeVec};
use strait_primitives::Timestamp;

use super::labels::Label;
use super::registry::Registrar;
use super::{Metrics, gauge_value};

/// Metrics of the edge.
#[derive(Debug)]
pub(super) struct EdgeMetrics {
    refused: IntCounterVec,
    certificate: IntGaugeVec,
}

/// Why a request was let no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiRefusal {
    /// It showed no token, or none that is good.
    Unauthorized,
    /// Its token is not good for it.
    Forbidden,
    /// Its token has expired.
    Expired,
    /// Its token may not spend so much.
    Budget,
    /// Its caller asks too often.
    RateLimited,
    /// It has more bytes than it may.
    TooLarge,
}

impl Label for ApiRefusal {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::Unauthorized,
        Self::Forbidden,
        Self::Expired,
        Self::Budget,
        Self::RateLimited,
        Self::TooLarge,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Expired => "expired",
            Self::Budget => "budget",
            Self::RateLimited => "rate_limited",
            Self::TooLarge => "too_large",
        }
    }
}

impl EdgeMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        Self {
            refused: r.counters::<ApiRefusal>(
                "strait_api_refused_total",
                "Requests over HTTP that were let no further, by reason.",
            ),
            // No series without TLS: a zero would be a certificate that expired long ago.
            certificate: r.infos(
                "strait_tls_certificate_expiry_timestamp_seconds",
                "When the interface's certificate expires, in seconds since 1970.",
                &[],
            ),
        }
    }
}

impl Metrics {
    /// Counts a request that was let no further.
    pub fn api_refused(&self, reason: ApiRefusal) {
        self.of_edges.refused.with_label_values(&[reason.value()]).inc();
    }

    /// Tells when the interface's certificate expires.
    pub fn set_tls_expiry(&self, expires: Timestamp) {
        let seconds = gauge_value(expires.to_unix_ms() / 1_000);
        self.of_edges.certificate.with_label_values::<&str>(&[]).set(seconds);
    }
}
