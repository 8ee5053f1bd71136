//! Registration: makes each metric, puts it into our own registry, and shows every label value from the start.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::labels::Label;

/// Why making a metric cannot fail.
const VALID: &str = "the name, label and buckets are constants, and a test renders them";
/// Why registering a metric cannot fail.
const ONCE: &str = "every metric is registered once, and a test does it";

/// Makes and registers metrics.
pub(super) struct Registrar {
    registry: Registry,
}

impl Registrar {
    /// An empty registry of our own: nothing that a dependency registers globally is shown.
    pub(super) fn new() -> Self {
        Self { registry: Registry::new() }
    }

    /// The registry.
    pub(super) fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Registers a metric.
    fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> C {
        self.registry.register(Box::new(metric.clone())).expect(ONCE);
        metric
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help).expect(VALID))
    }

    pub(super) fn counters<L: Label>(&self, name: &str, help: &str) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID);
        for label in L::ALL {
            counters.with_label_values(&[label.value()]).reset();
        }
        self.keep(counters)
    }

    /// Registers counters whose series appear when they are first counted; the caller bounds the labels.
    pub(super) fn counters_by(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// Registers a gauge of seconds, which has fractions.
    pub(super) fn seconds(&self, name: &str, help: &str) -> Gauge {
        self.keep(Gauge::new(name, help).expect(VALID))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help).expect(VALID))
    }

    pub(super) fn gauges<L: Label>(&self, name: &str, help: &str) -> IntGaugeVec {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID);
        for label in L::ALL {
            gauges.with_label_values(&[label.value()]).set(0);
        }
        self.keep(gauges)
    }

    /// Registers gauges whose series appear when they are first told; the caller bounds the labels.
    pub(super) fn gauges_by(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    /// Registers gauges that may hold any number; the caller sets each.
    pub(super) fn levels<L: Label>(&self, name: &str, help: &str) -> GaugeVec {
        self.keep(GaugeVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(Histogram::with_opts(opts).expect(VALID))
    }

    pub(super) fn histograms<L: Label>(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = HistogramVec::new(opts, &[L::NAME]).expect(VALID);
        for label in L::ALL {
            // Asking for a series is what makes it appear.
            let _series = histograms.with_label_values(&[label.value()]);
        }
        self.keep(histograms)
    }

    pub(super) fn settings(&self, name: &str, help: &str) -> GaugeVec {
        self.keep(GaugeVec::new(Opts::new(name, help), &["key"]).expect(VALID))
    }

    /// Registers gauges whose labels are the message; the caller bounds them.
    pub(super) fn infos(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    pub(super) fn start_time(&self, name: &str, help: &str) -> Gauge {
        self.keep(Gauge::new(name, help).expect(VALID))
    }

    /// Registers the constant that carries the version as a label.
    pub(super) fn build_info(&self, version: &str) {
        let opts = Opts::new("strait_build_info", "The running version; always 1.");
        let info = IntGaugeVec::new(opts, &["version"]).expect(VALID);
        info.with_label_values(&[version]).set(1);
        self.keep(info);
    }
}
