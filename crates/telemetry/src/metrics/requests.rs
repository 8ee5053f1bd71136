//! Metrics of what is asked of the node: commands of the engine, requests over HTTP, and the queues they wait in.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};

use super::facts::{LabelFacts, LabelValues};
use super::labels::Label;
use super::registry::{Bounded, Registrar};
use super::{CommandName, EffectKind, Metrics, Queue, gauge_value};

/// Seconds a command may take: look-ups need less than 1 ms, an opening waits for the peer.
const COMMAND_SECONDS: [f64; 8] = [1e-4, 1e-3, 5e-3, 1e-2, 5e-2, 2.5e-1, 1.0, 10.0];
/// Seconds a batch of decisions, or of effects, may take.
const BATCH_SECONDS: [f64; 8] = [1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1e-1, 1.0];

/// Metrics of requests.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    command: HistogramVec,
    refused: IntCounterVec,
    waiting: IntGauge,
    queues: IntGaugeVec,
    decision: Histogram,
    effects: Histogram,
    effects_by_kind: IntCounterVec,
    api: IntCounterVec,
}

impl RequestMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Requests");
        Self {
            command: r.histograms::<CommandName>(
                "strait_command_duration_seconds",
                "From a command to the engine until its answer, refusals included. Its _count is the rate of commands.",
                &COMMAND_SECONDS,
            ),
            refused: r.counters::<CommandName>(
                "strait_commands_refused_total",
                "Commands that the node refused.",
            ),
            waiting: r.gauge("strait_commands_waiting", "Commands that wait for their answer."),
            queues: r.gauges::<Queue>("strait_queue_length", "Entries that wait in a queue."),
            decision: r.histogram(
                "strait_decision_duration_seconds",
                "Deciding one batch of inputs: checks, folding, contract calls, signatures.",
                &BATCH_SECONDS,
            ),
            effects: r.histogram(
                "strait_effect_duration_seconds",
                "Letting the effects of one durable batch happen: messages, answers, broadcasts.",
                &BATCH_SECONDS,
            ),
            effects_by_kind: r.counters::<EffectKind>(
                "strait_effects_total",
                "Effects of durable decisions.",
            ),
            api: r.counters_by(
                "strait_api_requests_total",
                "Answered requests to the REST interface.",
                Bounded { labels: api_labels(), appears: "with its first request" },
            ),
        }
    }
}

/// The labels of requests over HTTP.
fn api_labels() -> Vec<LabelFacts> {
    let methods = ["GET", "POST", "PATCH", "DELETE"].map(|method| (method, "This method."));
    let methods = methods.into_iter().chain([("other", "Any other.")]).collect();
    vec![
        LabelFacts::described(
            "route",
            "the pattern of the path, `/v1/channels/{channel_id}`, or `none`",
        ),
        LabelFacts { name: "method", values: LabelValues::Listed(methods) },
        LabelFacts::described("status", "the status of the answer, a code of HTTP"),
    ]
}

impl Metrics {
    /// A command was asked; [`Metrics::command_left`] follows, however it ends.
    pub fn command_asked(&self) {
        self.of_requests.waiting.inc();
    }

    /// Nobody waits for the answer of a command any more.
    pub fn command_left(&self) {
        self.of_requests.waiting.dec();
    }

    /// A command was answered.
    pub fn command_answered(&self, command: CommandName, took: Duration) {
        let histogram = self.of_requests.command.with_label_values(&[command.value()]);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a command that was refused.
    pub fn command_refused(&self, command: CommandName) {
        self.of_requests.refused.with_label_values(&[command.value()]).inc();
    }

    /// Tells how many entries wait in a queue.
    pub fn set_queue_length(&self, queue: Queue, length: u64) {
        self.of_requests.queues.with_label_values(&[queue.value()]).set(gauge_value(length));
    }

    /// An entry was put into a queue.
    pub fn queue_entered(&self, queue: Queue) {
        self.of_requests.queues.with_label_values(&[queue.value()]).inc();
    }

    /// An entry was taken out of a queue.
    pub fn queue_left(&self, queue: Queue) {
        self.of_requests.queues.with_label_values(&[queue.value()]).dec();
    }

    /// Notes how long one batch of inputs took to decide.
    pub fn decided(&self, took: Duration) {
        self.of_requests.decision.observe(took.as_secs_f64());
    }

    /// Notes how long the effects of one durable batch took.
    pub fn effects_done(&self, took: Duration) {
        self.of_requests.effects.observe(took.as_secs_f64());
    }

    /// Counts an effect.
    pub fn effect(&self, kind: EffectKind) {
        self.of_requests.effects_by_kind.with_label_values(&[kind.value()]).inc();
    }

    /// Counts an answered request over HTTP. `route` and `method` come from bounded sets: the caller's route table and
    /// the methods it knows.
    pub fn api_answered(&self, route: &str, method: &str, status: u16) {
        let status = status.to_string();
        self.of_requests.api.with_label_values(&[route, method, status.as_str()]).inc();
    }
}
