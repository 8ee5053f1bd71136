//! Metrics: every number the node shows, registered once, in base units.
//!
//! One [`Metrics`] is made at start-up and shared. Its methods take our own types, so a wrong unit does not compile.
//! Every label is an enum, and each of its values is there from the start with zero, so that rates have a beginning.

mod labels;
mod process;
mod registry;

use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, TextEncoder,
};
use strait_primitives::{BlockHeight, Sats, Side, Timestamp};

use self::labels::Label;
pub use self::labels::{
    CallResult, ChainErrorKind, ChannelPhase, Direction, ErrorKind, WalletBalance,
};
use self::process::ProcessMetrics;
use self::registry::Registrar;

/// Seconds a derivation may take: 10 µs to 10 s.
const DERIVATION_SECONDS: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// Seconds an append may take: a good disk needs 0.1 ms, a bad moment 100.
const APPEND_SECONDS: [f64; 10] = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 1e-1, 1.0];
/// Events a batch may hold.
const BATCH_EVENTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0, 5_000.0];
/// Seconds from the request of a payment to irrevocable.
const PAYMENT_SECONDS: [f64; 10] = [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 1.0, 10.0];
/// Operations a round may hold: up to 4,096 (protocol, section 6).
const ROUND_OPERATIONS: [f64; 8] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0];
/// Seconds a contract call may take: 2 µs warm, milliseconds cold.
const CALL_SECONDS: [f64; 9] = [2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// All metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    of_channels: ChannelMetrics,
    messages_sent: IntCounter,
    messages_received: IntCounter,
    signatures_verified: IntCounter,
    signatures_made: IntCounter,
    derivation: Histogram,
    event_log_size: IntGauge,
    events_appended: IntCounter,
    append: Histogram,
    append_batch: Histogram,
    peers_connected: IntGauge,
    chain_height: IntGauge,
    chain_errors: IntCounterVec,
    wallet_balance: IntGaugeVec,
    contract_calls: IntCounterVec,
    contract_call: HistogramVec,
    errors: IntCounterVec,
    settings: GaugeVec,
    start_time: Gauge,
    process: ProcessMetrics,
}

/// Metrics of channels and what happens in them.
#[derive(Debug)]
struct ChannelMetrics {
    created: IntCounter,
    by_phase: IntGaugeVec,
    balance: IntGaugeVec,
    payments: IntCounterVec,
    payment_latency: Histogram,
    round_operations: Histogram,
}

impl ChannelMetrics {
    /// Registers them.
    fn register(r: &Registrar) -> Self {
        Self {
            created: r.counter("strait_channels_created_total", "Channels opened or accepted."),
            by_phase: r.gauges::<ChannelPhase>("strait_channels", "Channels by state."),
            balance: r.gauges::<Side>(
                "strait_channel_balance_sat",
                "Balance in open channels, in satoshis, by side.",
            ),
            payments: r.counters::<Direction>(
                "strait_payments_total",
                "Irrevocable payments by direction.",
            ),
            payment_latency: r.histogram(
                "strait_payment_latency_seconds",
                "Time from the request of a payment until it is irrevocable.",
                &PAYMENT_SECONDS,
            ),
            round_operations: r.histogram(
                "strait_round_operations",
                "Operations in one round of a channel.",
                &ROUND_OPERATIONS,
            ),
        }
    }
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
            messages_sent: r.counter("strait_messages_sent_total", "Messages sent to peers."),
            messages_received: r
                .counter("strait_messages_received_total", "Messages received from peers."),
            signatures_verified: r
                .counter("strait_signatures_verified_total", "Signatures of peers verified."),
            signatures_made: r.counter("strait_signatures_made_total", "Signatures made."),
            derivation: r.histogram(
                "strait_derivation_duration_seconds",
                "Time to derive state from a stretch of the event log.",
                &DERIVATION_SECONDS,
            ),
            event_log_size: r
                .gauge("strait_event_log_size_bytes", "Bytes the event log takes on its medium."),
            events_appended: r
                .counter("strait_events_appended_total", "Events made durable in the log."),
            append: r.histogram(
                "strait_append_duration_seconds",
                "Time to make one batch of events durable.",
                &APPEND_SECONDS,
            ),
            append_batch: r.histogram(
                "strait_append_batch_events",
                "Events in one batch made durable.",
                &BATCH_EVENTS,
            ),
            peers_connected: r.gauge("strait_peers_connected", "Peers connected now."),
            chain_height: r.gauge("strait_chain_height", "Height of the best block seen."),
            chain_errors: r.counters::<ChainErrorKind>(
                "strait_chain_errors_total",
                "Failed requests to the chain backend by kind.",
            ),
            wallet_balance: r.gauges::<WalletBalance>(
                "strait_wallet_balance_sat",
                "On-chain balance of the wallet, in satoshis, by kind.",
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
            settings: r.settings("strait_setting", "Effective numeric settings by key."),
            start_time: r.start_time(
                "strait_start_time_seconds",
                "When the process started, in seconds since 1970-01-01 UTC.",
            ),
            process: ProcessMetrics::register(r),
        }
    }

    /// Counts a channel opened or accepted.
    pub fn channel_created(&self) {
        self.of_channels.created.inc();
    }

    /// Tells how many channels are in a phase.
    pub fn set_channels(&self, phase: ChannelPhase, count: u64) {
        self.of_channels.by_phase.with_label_values(&[phase.value()]).set(gauge_value(count));
    }

    /// Tells the sum of one side's balances over all open channels.
    pub fn set_channel_balance(&self, side: Side, balance: Sats) {
        let gauge = self.of_channels.balance.with_label_values(&[side.value()]);
        gauge.set(gauge_value(balance.to_sat()));
    }

    /// Counts messages sent to peers.
    pub fn messages_sent(&self, count: u64) {
        self.messages_sent.inc_by(count);
    }

    /// Counts messages received from peers.
    pub fn messages_received(&self, count: u64) {
        self.messages_received.inc_by(count);
    }

    /// Counts signatures verified.
    pub fn signatures_verified(&self, count: u64) {
        self.signatures_verified.inc_by(count);
    }

    /// Counts signatures made.
    pub fn signatures_made(&self, count: u64) {
        self.signatures_made.inc_by(count);
    }

    /// Notes how long it took to derive state from a stretch of the log.
    pub fn derived(&self, took: Duration) {
        self.derivation.observe(took.as_secs_f64());
    }

    /// Tells the size of the log in bytes.
    pub fn set_event_log_size(&self, size_bytes: u64) {
        self.event_log_size.set(gauge_value(size_bytes));
    }

    /// Notes one durable batch.
    pub fn batch_appended(&self, events: u64, took: Duration) {
        self.events_appended.inc_by(events);
        self.append.observe(took.as_secs_f64());
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.append_batch.observe(f64::from(events));
    }

    /// Counts irrevocable payments.
    pub fn payments(&self, direction: Direction, count: u64) {
        self.of_channels.payments.with_label_values(&[direction.value()]).inc_by(count);
    }

    /// Notes how long a payment took to become irrevocable.
    pub fn payment_took(&self, latency: Duration) {
        self.of_channels.payment_latency.observe(latency.as_secs_f64());
    }

    /// Notes how many operations a round held.
    pub fn round_finished(&self, operations: u32) {
        self.of_channels.round_operations.observe(f64::from(operations));
    }

    /// Tells how many peers are connected.
    pub fn set_peers_connected(&self, count: u64) {
        self.peers_connected.set(gauge_value(count));
    }

    /// Tells the height of the best block.
    pub fn set_chain_height(&self, height: BlockHeight) {
        self.chain_height.set(i64::from(height.to_u32()));
    }

    /// Counts a failed request to the chain backend.
    pub fn chain_error(&self, kind: ChainErrorKind) {
        self.chain_errors.with_label_values(&[kind.value()]).inc();
    }

    /// Tells a balance of the wallet.
    pub fn set_wallet_balance(&self, kind: WalletBalance, balance: Sats) {
        let gauge = self.wallet_balance.with_label_values(&[kind.value()]);
        gauge.set(gauge_value(balance.to_sat()));
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

    /// Tells an effective setting. Keys are those of the configuration, with their unit as suffix.
    pub fn set_setting(&self, key: &'static str, value: f64) {
        self.settings.with_label_values(&[key]).set(value);
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
