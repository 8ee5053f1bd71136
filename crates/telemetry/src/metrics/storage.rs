//! Metrics of the event log: how long it takes to write and to read back, and how large it is.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use super::registry::Registrar;
use super::{Metrics, gauge_value};

/// Seconds a derivation may take: 100 µs for an empty log, minutes for a long one without a snapshot.
const DERIVATION_SECONDS: [f64; 8] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 60.0, 300.0];
/// Seconds an append may take: a good disk needs 0.1 ms, a bad moment 100.
const APPEND_SECONDS: [f64; 10] = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 1e-1, 1.0];
/// Events a batch may hold.
const BATCH_EVENTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0, 5_000.0];

/// Metrics of the event log.
#[derive(Debug)]
pub(super) struct StorageMetrics {
    derivation: Histogram,
    events_derived: IntCounter,
    size: IntGauge,
    disk_free: IntGauge,
    disk_low: IntGauge,
    appended: IntCounter,
    append: Histogram,
    batch: Histogram,
}

impl StorageMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Event log");
        Self {
            derivation: r.histogram(
                "strait_derivation_duration_seconds",
                "Deriving the node's state from its log: one observation for each start.",
                &DERIVATION_SECONDS,
            ),
            events_derived: r.counter(
                "strait_events_derived_total",
                "Events read back and folded at the start, after the newest snapshot.",
            ),
            size: r
                .gauge("strait_event_log_size_bytes", "Bytes of the log's files. They are written over before they grow, so it rises in steps."),
            disk_free: r.gauge(
                "strait_disk_free_bytes",
                "Bytes free on the disk that the log lies on.",
            ),
            disk_low: r.gauge(
                "strait_disk_low",
                "1 while less than store.free_bytes_min is free, and until a quarter more is: the node begins nothing new.",
            ),
            appended: r.counter("strait_events_appended_total", "Events made durable."),
            append: r.histogram(
                "strait_append_duration_seconds",
                "Making one batch durable.",
                &APPEND_SECONDS,
            ),
            batch: r.histogram(
                "strait_append_batch_events",
                "Events in one batch.",
                &BATCH_EVENTS,
            ),
        }
    }
}

impl Metrics {
    /// Notes how long it took to derive the state from the log, and how many events were folded for it.
    pub fn derived(&self, events: u64, took: Duration) {
        self.of_storage.derivation.observe(took.as_secs_f64());
        self.of_storage.events_derived.inc_by(events);
    }

    /// Tells the size of the log in bytes.
    pub fn set_event_log_size(&self, size_bytes: u64) {
        self.of_storage.size.set(gauge_value(size_bytes));
    }

    /// Tells what is free on the disk that the log lies on.
    pub fn set_disk_free(&self, free_bytes: u64) {
        self.of_storage.disk_free.set(gauge_value(free_bytes));
    }

    /// Tells whether that is too little: 1, or 0.
    pub fn set_disk_low(&self, is_low: u64) {
        self.of_storage.disk_low.set(gauge_value(is_low));
    }

    /// Notes one durable batch.
    pub fn batch_appended(&self, events: u64, took: Duration) {
        self.of_storage.appended.inc_by(events);
        self.of_storage.append.observe(took.as_secs_f64());
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.of_storage.batch.observe(f64::from(events));
    }
}
