//! Metrics: every number the node shows, registered once, in base units.
//!
//! One [`Metrics`] is made at start-up and shared. Its methods take our own types, so a wrong unit does not compile.
//! Labels are enums, and each of their values is there from the start with zero, so that rates have a beginning. Settings
//! and requests over HTTP appear when they are first told; their labels come from the caller's fixed tables.
//! What is said of each stands where it is registered: `docs/metrics-reference.md` is made from that, and a test of the node holds
//! it against a scrape.

mod calls;
mod channels;
mod copies;
mod edges;
mod facts;
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

use prometheus::{Registry, TextEncoder};
use strait_primitives::Timestamp;

use self::calls::CallMetrics;
use self::channels::ChannelMetrics;
use self::copies::CopyMetrics;
pub use self::edges::ApiRefusal;
use self::edges::EdgeMetrics;
pub use self::facts::{LabelFacts, LabelValues, MetricFacts, MetricKind, Presence};
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

/// All metrics of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    facts: Vec<MetricFacts>,
    of_channels: ChannelMetrics,
    of_progress: ProgressMetrics,
    of_locks: LockMetrics,
    of_requests: RequestMetrics,
    of_edges: EdgeMetrics,
    of_policies: PolicyMetrics,
    of_storage: StorageMetrics,
    of_copies: CopyMetrics,
    of_network: NetworkMetrics,
    of_calls: CallMetrics,
    of_vitals: VitalMetrics,
    of_process: ProcessMetrics,
}

impl Metrics {
    /// Registers every metric. `version` is that of the binary, `started` when the process began.
    #[must_use]
    pub fn new(version: &str, started: Timestamp) -> Self {
        let r = Registrar::new();
        let of_channels = ChannelMetrics::register(&r);
        let of_progress = ProgressMetrics::register(&r);
        let of_locks = LockMetrics::register(&r);
        let of_requests = RequestMetrics::register(&r);
        let of_edges = EdgeMetrics::register(&r);
        let of_policies = PolicyMetrics::register(&r);
        let of_storage = StorageMetrics::register(&r);
        let of_copies = CopyMetrics::register(&r);
        let of_network = NetworkMetrics::register(&r);
        let of_calls = CallMetrics::register(&r);
        let of_vitals = VitalMetrics::register(&r);
        let of_process = ProcessMetrics::register(&r);
        of_process.start(version, started);
        let (registry, facts) = r.finish();
        Self {
            registry,
            facts,
            of_channels,
            of_progress,
            of_locks,
            of_requests,
            of_edges,
            of_policies,
            of_storage,
            of_copies,
            of_network,
            of_calls,
            of_vitals,
            of_process,
        }
    }

    /// What is said of each metric, in the order of the documentation.
    #[must_use]
    pub fn facts(&self) -> &[MetricFacts] {
        &self.facts
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.of_process.refresh();
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
