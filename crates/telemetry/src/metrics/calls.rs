//! Metrics of work that others judge: questions to the chain, signatures, calls into contracts, and errors of all parts.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge};
use strait_primitives::BlockHeight;

use super::labels::Label;
use super::registry::Registrar;
use super::{CallResult, ChainErrorKind, ErrorKind, Metrics};

/// Seconds a contract call may take: 2 µs warm, milliseconds cold.
const CALL_SECONDS: [f64; 9] = [2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// Metrics of such work.
#[derive(Debug)]
pub(super) struct CallMetrics {
    chain_height: IntGauge,
    chain_errors: IntCounterVec,
    signatures_made: IntCounter,
    signatures_verified: IntCounter,
    contract_calls: IntCounterVec,
    contract_call: HistogramVec,
    errors: IntCounterVec,
}

impl CallMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Chain, signatures, contracts, errors");
        Self {
            chain_height: r.gauge("strait_chain_height", "Height of the best block seen."),
            chain_errors: r.counters::<ChainErrorKind>(
                "strait_chain_errors_total",
                "Failed requests to the chain backend.",
            ),
            signatures_made: r
                .counter("strait_signatures_made_total", "Signatures made for channels."),
            signatures_verified: r
                .counter("strait_signatures_verified_total", "Signatures of peers verified."),
            contract_calls: r
                .counters::<CallResult>("strait_contract_calls_total", "Calls into contracts."),
            contract_call: r.histograms::<CallResult>(
                "strait_contract_call_duration_seconds",
                "Time of one call into a contract.",
                &CALL_SECONDS,
            ),
            errors: r.counters::<ErrorKind>("strait_errors_total", "Errors by where they arose."),
        }
    }
}

impl Metrics {
    /// Tells the height of the best block.
    pub fn set_chain_height(&self, height: BlockHeight) {
        self.of_calls.chain_height.set(i64::from(height.to_u32()));
    }

    /// Counts a failed request to the chain backend.
    pub fn chain_error(&self, kind: ChainErrorKind) {
        self.of_calls.chain_errors.with_label_values(&[kind.value()]).inc();
    }

    /// Counts signatures made.
    pub fn signatures_made(&self, count: u64) {
        self.of_calls.signatures_made.inc_by(count);
    }

    /// Counts signatures verified.
    pub fn signatures_verified(&self, count: u64) {
        self.of_calls.signatures_verified.inc_by(count);
    }

    /// Notes one call into a contract.
    pub fn contract_called(&self, result: CallResult, took: Duration) {
        self.of_calls.contract_calls.with_label_values(&[result.value()]).inc();
        let histogram = self.of_calls.contract_call.with_label_values(&[result.value()]);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts an error.
    pub fn error(&self, kind: ErrorKind) {
        self.of_calls.errors.with_label_values(&[kind.value()]).inc();
    }
}
