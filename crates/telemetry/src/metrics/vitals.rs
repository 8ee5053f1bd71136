//! Metrics of health: how each part stands, whether the node is ready, and whether the log is still its own.

use prometheus::{IntGauge, IntGaugeVec};
use strait_primitives::{EventSeq, Timestamp};

use super::labels::Label;
use super::registry::Registrar;
use super::{Metrics, gauge_value};
use crate::health::{Component, Health, Standing};

impl Label for Component {
    const NAME: &'static str = "component";
    const ALL: &'static [Self] = &Self::ALL;

    fn value(self) -> &'static str {
        self.name()
    }
}

/// Metrics of health.
#[derive(Debug)]
pub(super) struct VitalMetrics {
    components: IntGaugeVec,
    ready: IntGauge,
    log_head: IntGauge,
    fenced: IntGauge,
}

impl VitalMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        Self {
            components: r.gauges::<Component>(
                "strait_component_health",
                "How a part stands: 0 healthy, 1 degraded, 2 unhealthy, starting, behind or halted.",
            ),
            ready: r.gauge("strait_ready", "1 if the node can serve now, 0 otherwise."),
            log_head: r.gauge("strait_log_head", "Place of the last durable event in the log."),
            fenced: r.gauge(
                "strait_fenced",
                "1 if another process took the log over and this one must end, 0 otherwise.",
            ),
        }
    }
}

impl Metrics {
    /// Tells what the health of the node is now.
    pub fn set_health(&self, health: &Health, now: Timestamp) {
        for cause in health.overview(now) {
            let level = match cause.standing {
                Standing::Healthy => 0,
                Standing::Degraded => 1,
                Standing::Unhealthy | Standing::Starting | Standing::Behind | Standing::Halted => 2,
            };
            self.of_vitals.components.with_label_values(&[cause.component.name()]).set(level);
        }
        self.of_vitals.ready.set(i64::from(health.ready(now).is_pass()));
    }

    /// Tells the last durable event.
    pub fn set_log_head(&self, head: EventSeq) {
        self.of_vitals.log_head.set(gauge_value(head.to_u64()));
    }

    /// Another process took the log over: this one must end.
    pub fn fenced(&self) {
        self.of_vitals.fenced.set(1);
    }
}
