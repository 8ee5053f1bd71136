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

    fn meaning(self) -> &'static str {
        match self {
            Self::Store => "The log.",
            Self::Chain => "The chain backend.",
            Self::Wallet => "The coins on the chain.",
            Self::Contracts => "The machine that runs contracts.",
            Self::Network => "Connections to peers.",
            Self::Api => "The REST interface.",
            Self::Ship => "The log in a second folder.",
        }
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
        r.about("Event log");
        let log_head = r.gauge(
            "strait_log_head",
            "Place of the last durable event. It only grows; two copies of a node that tell different places are not at the same point.",
        );
        let fenced = r.gauge(
            "strait_fenced",
            "1 from the moment another process has taken the log over: this one decides nothing more and ends.",
        );
        r.about("Health");
        Self {
            components: r.gauges::<Component>(
                "strait_component_health",
                "How a part stands. 0 healthy: fewer than 5 % errors in the last minute. 1 degraded: up to 10 %, or something waits for the operator. 2: more errors, or starting, behind or halted.",
            ),
            ready: r.gauge("strait_ready", "1 if /health/ready says yes, 0 otherwise."),
            log_head,
            fenced,
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
