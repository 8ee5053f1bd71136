//! Metrics: every number the node shows, registered once, in base units.
//!
//! One [`Metrics`] is made at start-up and shared. Its methods take our own types, so a wrong unit does not compile.
//! Labels are enums, and each of their values is there from the start with zero, so that rates have a beginning. Settings
//! and requests over HTTP appear when they are first told; their labels come from the caller's fixed tables.
//! `docs/metrics.md` explains every name; a test of the node compares.

mod channels;
mod copies;
mod edges;
mod labels;
mod locks;
mod network;
mod policies;
mod process;
mod progress;
mod registry;
mod requests;
mod storage;
mod vitals;

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};
use strait_primitives::{BlockHeight, Timestamp};

use self::channels::ChannelMetrics;
use self::copies::CopyMetrics;
pub use self::edges::ApiRefusal;
use self::edges::EdgeMetrics;
use self::labels::Label;
pub use self::labels::{
    CallResult, ChainErrorKind, ChannelPhase, CommandName, Direction, EffectKind, ErrorKind,
    ForceCloseReason, FundingSpender, Queue, SpanFate, WalletBalance,
};
use self::locks::LockMetrics;
pub use self::locks::{LockPhase, LockReturn};
pub use self::network::NetTotals;
use self::network::NetworkMetrics;
use self::policies::PolicyMetrics;
pub use self::policies::{PolicyKind, PolicySite};
use self::process::ProcessMetrics;
use self::progress::ProgressMetrics;
pub use self::progress::{CloseStep, DeadlineKind, OpeningStep};
use self::registry::Registrar;
use self::requests::RequestMetrics;
use self::storage::StorageMetrics;
use self::vitals::VitalMetrics;

/// Seconds a contract call may take: 2 µs warm, milliseconds cold.
const CALL_SECONDS: [f64; 9] = [2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// All metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    of_channels: ChannelMetrics,
    of_copies: CopyMetrics,
    of_locks: LockMetrics,
    of_network: NetworkMetrics,
    of_policies: PolicyMetrics,
    of_progress: ProgressMetrics,
    of_requests: RequestMetrics,
    of_edges: EdgeMetrics,
    of_storage: StorageMetrics,
    of_vitals: VitalMetrics,
    signatures_verified: IntCounter,
    signatures_made: IntCounter,
    chain_height: IntGauge,
    chain_errors: IntCounterVec,
    contract_calls: IntCounterVec,
    contract_call: HistogramVec,
    errors: IntCounterVec,
    spans: IntCounterVec,
    settings: GaugeVec,
    setting_words: IntGaugeVec,
    start_time: Gauge,
    process: ProcessMetrics,
}

impl Metrics {
    /// Registers every metric. `version` is that of the binary, `started` when the process began.
    #[must_use]
    pub fn new(version: &str, started: Timestamp) -> Self {
        let registrar = Registrar::new();
        let metrics = Self::register(&registrar);
        registrar.build_info(version);
        metrics.start_time.set(Duration::from_millis(started.to_unix_ms()).as_secs_f64());
        metrics
    }

    /// Registers the metrics that are kept at hand.
    fn register(r: &Registrar) -> Self {
        Self {
            registry: r.registry(),
            of_channels: ChannelMetrics::register(r),
            of_copies: CopyMetrics::register(r),
            of_locks: LockMetrics::register(r),
            of_network: NetworkMetrics::register(r),
            of_policies: PolicyMetrics::register(r),
            of_progress: ProgressMetrics::register(r),
            of_requests: RequestMetrics::register(r),
            of_edges: EdgeMetrics::register(r),
            of_storage: StorageMetrics::register(r),
            of_vitals: VitalMetrics::register(r),
            signatures_verified: r
                .counter("strait_signatures_verified_total", "Signatures of peers verified."),
            signatures_made: r.counter("strait_signatures_made_total", "Signatures made."),
            chain_height: r.gauge("strait_chain_height", "Height of the best block seen."),
            chain_errors: r.counters::<ChainErrorKind>(
                "strait_chain_errors_total",
                "Failed requests to the chain backend by kind.",
            ),
            contract_calls: r.counters::<CallResult>(
                "strait_contract_calls_total",
                "Calls into contracts by result.",
            ),
            contract_call: r.histograms::<CallResult>(
                "strait_contract_call_duration_seconds",
                "Time of one call into a contract by result.",
                &CALL_SECONDS,
            ),
            errors: r.counters::<ErrorKind>(
                "strait_errors_total",
                "Errors by the part of the node where they arose.",
            ),
            spans: r.counters::<SpanFate>(
                "strait_trace_spans_total",
                "Spans that ended, by what became of them on the way to the collector.",
            ),
            settings: r.settings("strait_setting", "Effective numeric settings by key."),
            setting_words: r.infos(
                "strait_setting_info",
                "Effective settings of few words by key, with the value as a label; always 1.",
                &["key", "value"],
            ),
            start_time: r.start_time(
                "strait_start_time_seconds",
                "When the process started, in seconds since 1970-01-01 UTC.",
            ),
            process: ProcessMetrics::register(r),
        }
    }

    /// Counts signatures verified.
    pub fn signatures_verified(&self, count: u64) {
        self.signatures_verified.inc_by(count);
    }

    /// Counts signatures made.
    pub fn signatures_made(&self, count: u64) {
        self.signatures_made.inc_by(count);
    }

    /// Tells the height of the best block.
    pub fn set_chain_height(&self, height: BlockHeight) {
        self.chain_height.set(i64::from(height.to_u32()));
    }

    /// Counts a failed request to the chain backend.
    pub fn chain_error(&self, kind: ChainErrorKind) {
        self.chain_errors.with_label_values(&[kind.value()]).inc();
    }

    /// Notes one call into a contract.
    pub fn contract_called(&self, result: CallResult, took: Duration) {
        self.contract_calls.with_label_values(&[result.value()]).inc();
        let histogram = self.contract_call.with_label_values(&[result.value()]);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts an error.
    pub fn error(&self, kind: ErrorKind) {
        self.errors.with_label_values(&[kind.value()]).inc();
    }

    /// Counts spans that ended.
    pub fn spans_ended(&self, fate: SpanFate, count: u64) {
        self.spans.with_label_values(&[fate.value()]).inc_by(count);
    }

    /// Tells an effective setting. Keys are those of the configuration, with their unit as suffix.
    pub fn set_setting(&self, key: &'static str, value: f64) {
        self.settings.with_label_values(&[key]).set(value);
    }

    /// Tells the effective settings that are words, all of them: what one had before is shown no more.
    pub fn set_setting_words<'a>(&self, words: impl IntoIterator<Item = (&'static str, &'a str)>) {
        self.setting_words.reset();
        for (key, value) in words {
            self.setting_words.with_label_values(&[key, value]).set(1);
        }
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.refresh();
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("writing to a string fails only for metrics without a name, and ours have one")
    }

    /// The content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;
}

/// A count as the signed number that gauges hold.
fn gauge_value(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
