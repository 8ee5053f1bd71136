//! Metrics of what there is of the log elsewhere: the last backup, and the shipped log.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntGauge};
use strait_primitives::{EventSeq, Timestamp};

use super::registry::Registrar;
use super::{Metrics, gauge_value};

/// Metrics of copies.
#[derive(Debug)]
pub(super) struct CopyMetrics {
    backup_taken: IntGauge,
    backup_bytes: IntGauge,
    ship_lag: Gauge,
    ship_head: IntGauge,
    ship_errors: IntCounter,
    ship_same_disk: IntGauge,
}

impl CopyMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Copies of the log");
        Self {
            backup_taken: r.gauge(
                "strait_backup_last_success_timestamp_seconds",
                "When the last backup was taken, in seconds since 1970; 0 without one. It counts once it is where it belongs.",
            ),
            backup_bytes: r.gauge("strait_backup_last_bytes", "Bytes of the last backup."),
            ship_lag: r.seconds(
                "strait_ship_lag_seconds",
                "How long ago the shipped log held the whole log: what would be lost with the disk now. 0 if it does, or if none is shipped.",
            ),
            ship_head: r.gauge(
                "strait_ship_head",
                "The last event that a restore from the shipped log would bring back; 0 while there is no base.",
            ),
            ship_errors: r.counter("strait_ship_errors_total", "Failures to ship the log. It is tried again after 5 seconds at most, and /health/ready names the component ship as degraded meanwhile."),
            ship_same_disk: r.gauge(
                "strait_ship_same_disk",
                "1 while ship.folder lies on the disk of the log itself: a lost disk would take both. /health/ready names ship as degraded, and passes.",
            ),
        }
    }
}

impl Metrics {
    /// Tells of the last backup.
    pub fn set_last_backup(&self, taken: Timestamp, bytes: u64) {
        self.of_copies.backup_taken.set(gauge_value(taken.to_unix_ms() / 1_000));
        self.of_copies.backup_bytes.set(gauge_value(bytes));
    }

    /// Tells of the shipped log. `errors` are all failures so far.
    pub fn set_shipped(&self, head: EventSeq, lag: Duration, errors: u64) {
        self.of_copies.ship_head.set(gauge_value(head.to_u64()));
        self.of_copies.ship_lag.set(lag.as_secs_f64());
        let counted = self.of_copies.ship_errors.get();
        self.of_copies.ship_errors.inc_by(errors.saturating_sub(counted));
    }

    /// Tells whether the shipped log lies on the disk of the log itself: 1 if it does.
    pub fn set_ship_same_disk(&self, is_same: u64) {
        self.of_copies.ship_same_disk.set(gauge_value(is_same));
    }
}
