//! Metrics of the interface's edge: whom it lets in, and with which certificate.

use prometheus::{IntCounterVec, IntGaugeVec};
use strait_primitives::Timestamp;

use super::labels::{Label, labels};
use super::registry::{Bounded, Registrar};
use super::{Metrics, gauge_value};

/// Metrics of the edge.
#[derive(Debug)]
pub(super) struct EdgeMetrics {
    refused: IntCounterVec,
    certificate: IntGaugeVec,
}

labels! {
    /// Why a request was let no further.
    ApiRefusal, "reason" {
        /// It showed no token, or none that is good.
        Unauthorized = "unauthorized",
        /// Its token is not good for it.
        Forbidden = "forbidden",
        /// Its token has expired.
        Expired = "expired",
        /// Its token may not spend so much.
        Budget = "budget",
        /// Its caller asks too often.
        RateLimited = "rate_limited",
        /// It has more bytes than it may.
        TooLarge = "too_large",
    }
}

impl EdgeMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Requests");
        Self {
            refused: r.counters::<ApiRefusal>(
                "strait_api_refused_total",
                "Requests to the REST interface that were let no further.",
            ),
            // No series without TLS: a zero would be a certificate that expired long ago.
            certificate: r.gauges_by(
                "strait_tls_certificate_expiry_timestamp_seconds",
                "When the interface's certificate expires.",
                Bounded { labels: Vec::new(), appears: "with TLS" },
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
