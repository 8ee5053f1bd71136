//! What is said of a metric beside its numbers: the book's page of metrics is made from it, and a live node is held against it.

use super::labels::Label;

/// What is said of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFacts {
    /// What it is about; metrics of one subject stand together.
    pub subject: &'static str,
    /// Its name, with its unit as suffix.
    pub name: &'static str,
    /// What may be done with its numbers.
    pub kind: MetricKind,
    /// What it tells.
    pub meaning: &'static str,
    /// Its labels.
    pub labels: Vec<LabelFacts>,
    /// When a node has it.
    pub presence: Presence,
}

/// What may be done with a metric's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, from zero at the start.
    Counter,
    /// It rises and falls.
    Gauge,
    /// It sorts observations into buckets.
    Histogram,
}

/// What is said of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFacts {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: LabelValues,
}

/// What a label may say: never more than a bounded set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelValues {
    /// These values, each with its meaning.
    Listed(Vec<(&'static str, &'static str)>),
    /// What these words say.
    Described(&'static str),
}

/// When a running node has a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always, with every value of its labels.
    Always,
    /// Under a condition; with labels, each of its series.
    Only(&'static str),
}

impl MetricFacts {
    /// What its numbers count, after its name.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let name = self.name.trim_end_matches("_total");
        let units = [
            ("_timestamp_seconds", "seconds since 1970"),
            ("_time_seconds", "seconds since 1970"),
            ("_seconds", "seconds"),
            ("_sat", "satoshis"),
            ("_bytes", "bytes"),
            ("_blocks", "blocks"),
        ];
        let unit = units.iter().find(|(suffix, _)| name.ends_with(suffix));
        unit.map_or("number", |(_, unit)| unit)
    }
}

impl MetricKind {
    /// Its name in the text format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl LabelFacts {
    /// What is said of a label of ours.
    pub(super) fn of<L: Label>() -> Self {
        let values = L::ALL.iter().map(|value| (value.value(), value.meaning()));
        Self { name: L::NAME, values: LabelValues::Listed(values.collect()) }
    }

    /// What is said of a label whose values the caller bounds.
    pub(super) const fn described(name: &'static str, words: &'static str) -> Self {
        Self { name, values: LabelValues::Described(words) }
    }
}
