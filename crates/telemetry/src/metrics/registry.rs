//! Registration: makes each metric, puts it into our own registry, notes what is said of it, and shows every label value from
//! the start.

use std::cell::{Cell, RefCell};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::facts::{LabelFacts, MetricFacts, MetricKind, Presence};
use super::labels::Label;

/// Why making a metric cannot fail.
const VALID: &str = "the name, label and buckets are constants, and a test renders them";
/// Why registering a metric cannot fail.
const ONCE: &str = "every metric is registered once, and a test does it";

/// Makes and registers metrics.
pub(super) struct Registrar {
    registry: Registry,
    subject: Cell<&'static str>,
    facts: RefCell<Vec<MetricFacts>>,
}

/// The labels of a metric whose series its caller bounds, and when there are any.
pub(super) struct Bounded {
    /// The labels.
    pub(super) labels: Vec<LabelFacts>,
    /// When a series appears.
    pub(super) appears: &'static str,
}

impl Bounded {
    /// The labels' names.
    fn names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

impl Registrar {
    /// An empty registry of our own: nothing that a dependency registers globally is shown.
    pub(super) fn new() -> Self {
        Self { registry: Registry::new(), subject: Cell::new(""), facts: RefCell::default() }
    }

    /// The registry, and what was said of the metrics in it.
    pub(super) fn finish(self) -> (Registry, Vec<MetricFacts>) {
        (self.registry, self.facts.into_inner())
    }

    /// What is registered from now on is about this subject.
    pub(super) fn about(&self, subject: &'static str) {
        self.subject.set(subject);
    }

    /// Registers a metric.
    fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> C {
        self.registry.register(Box::new(metric.clone())).expect(ONCE);
        metric
    }

    /// Notes what is said of a metric that is there from the start.
    fn note(
        &self,
        kind: MetricKind,
        (name, meaning): (&'static str, &'static str),
        labels: Vec<LabelFacts>,
    ) {
        let (subject, presence) = (self.subject.get(), Presence::Always);
        let facts = MetricFacts { subject, name, kind, meaning, labels, presence };
        self.facts.borrow_mut().push(facts);
    }

    /// Notes what is said of a metric whose series appear later.
    fn note_bounded(
        &self,
        kind: MetricKind,
        (name, meaning): (&'static str, &'static str),
        bounded: Bounded,
    ) {
        let (subject, presence) = (self.subject.get(), Presence::Only(bounded.appears));
        let facts = MetricFacts { subject, name, kind, meaning, labels: bounded.labels, presence };
        self.facts.borrow_mut().push(facts);
    }

    pub(super) fn counter(&self, name: &'static str, help: &'static str) -> IntCounter {
        self.note(MetricKind::Counter, (name, help), Vec::new());
        self.keep(IntCounter::new(name, help).expect(VALID))
    }

    pub(super) fn counters<L: Label>(
        &self,
        name: &'static str,
        help: &'static str,
    ) -> IntCounterVec {
        self.note(MetricKind::Counter, (name, help), vec![LabelFacts::of::<L>()]);
        let counters = IntCounterVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID);
        for label in L::ALL {
            counters.with_label_values(&[label.value()]).reset();
        }
        self.keep(counters)
    }

    /// Registers counters whose series appear when they are first counted.
    pub(super) fn counters_by(
        &self,
        name: &'static str,
        help: &'static str,
        bounded: Bounded,
    ) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(name, help), &bounded.names()).expect(VALID);
        self.note_bounded(MetricKind::Counter, (name, help), bounded);
        self.keep(counters)
    }

    /// Registers a gauge of seconds, which has fractions.
    pub(super) fn seconds(&self, name: &'static str, help: &'static str) -> Gauge {
        self.note(MetricKind::Gauge, (name, help), Vec::new());
        self.keep(Gauge::new(name, help).expect(VALID))
    }

    pub(super) fn gauge(&self, name: &'static str, help: &'static str) -> IntGauge {
        self.note(MetricKind::Gauge, (name, help), Vec::new());
        self.keep(IntGauge::new(name, help).expect(VALID))
    }

    pub(super) fn gauges<L: Label>(&self, name: &'static str, help: &'static str) -> IntGaugeVec {
        self.note(MetricKind::Gauge, (name, help), vec![LabelFacts::of::<L>()]);
        let gauges = IntGaugeVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID);
        for label in L::ALL {
            gauges.with_label_values(&[label.value()]).set(0);
        }
        self.keep(gauges)
    }

    /// Registers gauges whose series appear when they are first told.
    pub(super) fn gauges_by(
        &self,
        name: &'static str,
        help: &'static str,
        bounded: Bounded,
    ) -> IntGaugeVec {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &bounded.names()).expect(VALID);
        self.note_bounded(MetricKind::Gauge, (name, help), bounded);
        self.keep(gauges)
    }

    /// Registers gauges that may hold any number, each with a first one.
    pub(super) fn levels<L: Label>(
        &self,
        name: &'static str,
        help: &'static str,
        first: f64,
    ) -> GaugeVec {
        self.note(MetricKind::Gauge, (name, help), vec![LabelFacts::of::<L>()]);
        let gauges = GaugeVec::new(Opts::new(name, help), &[L::NAME]).expect(VALID);
        for label in L::ALL {
            gauges.with_label_values(&[label.value()]).set(first);
        }
        self.keep(gauges)
    }

    /// Registers gauges that may hold any number and appear when they are first told.
    pub(super) fn levels_by(
        &self,
        name: &'static str,
        help: &'static str,
        bounded: Bounded,
    ) -> GaugeVec {
        let gauges = GaugeVec::new(Opts::new(name, help), &bounded.names()).expect(VALID);
        self.note_bounded(MetricKind::Gauge, (name, help), bounded);
        self.keep(gauges)
    }

    pub(super) fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        buckets: &[f64],
    ) -> Histogram {
        self.note(MetricKind::Histogram, (name, help), Vec::new());
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(Histogram::with_opts(opts).expect(VALID))
    }

    pub(super) fn histograms<L: Label>(
        &self,
        name: &'static str,
        help: &'static str,
        buckets: &[f64],
    ) -> HistogramVec {
        self.note(MetricKind::Histogram, (name, help), vec![LabelFacts::of::<L>()]);
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = HistogramVec::new(opts, &[L::NAME]).expect(VALID);
        for label in L::ALL {
            // Asking for a series is what makes it appear.
            let _series = histograms.with_label_values(&[label.value()]);
        }
        self.keep(histograms)
    }
}
