//! Metrics of what takes several steps: openings, closes, and the deadlines on the way.

use prometheus::{GaugeVec, IntGaugeVec};

use super::labels::{Label, labels};
use super::registry::Registrar;
use super::{Metrics, gauge_value};

labels! {
    /// The step that an opening is at.
    OpeningStep, "phase" {
        /// Asked for, not answered.
        Offered = "offered",
        /// Agreed to, not signed.
        Answered = "answered",
        /// Signed by the opener alone.
        Signed = "signed",
        /// The funding transaction is in no block.
        Unconfirmed = "unconfirmed",
        /// It is not deep enough.
        Confirming = "confirming",
    }
}

labels! {
    /// The step that a close is at.
    CloseStep, "phase" {
        /// A closing transaction is being agreed.
        ShuttingDown = "shutting_down",
        /// It is complete, and in no block.
        Agreed = "agreed",
        /// This node's commitment is broadcast, and in no block.
        Forced = "forced",
        /// Only the peer can close, and has not.
        Lost = "lost",
        /// A commitment is in a block, and outputs of it are not spent.
        Unsettled = "unsettled",
        /// All is spent, and not deep enough.
        Settling = "settling",
    }
}

labels! {
    /// What happens at the deadline.
    DeadlineKind, "kind" {
        /// A lock goes back, unless its user claims it before.
        HeldLock = "held_lock",
        /// A channel is closed by force, because the peer does not let a lock be claimed.
        ClaimedLock = "claimed_lock",
        /// A channel is closed by force, because a sent lock is over and the peer does not give it back.
        SentLock = "sent_lock",
        /// The offerer may take back a lock that this node claims on chain.
        Claim = "claim",
        /// A thief may take what this node takes from them.
        Penalty = "penalty",
    }
}

/// Metrics of what takes several steps.
#[derive(Debug)]
pub(super) struct ProgressMetrics {
    openings: IntGaugeVec,
    closes: IntGaugeVec,
    deadlines: GaugeVec,
}

impl ProgressMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Channels and money");
        Self {
            openings: r
                .gauges::<OpeningStep>("strait_openings", "Openings under way by their step."),
            closes: r.gauges::<CloseStep>("strait_closes", "Closes under way by their step."),
            deadlines: r.levels::<DeadlineKind>(
                "strait_deadline_blocks",
                "Blocks until the nearest deadline of a kind, less than 0 if it is past, infinite if there is none.",
                f64::INFINITY,
            ),
        }
    }
}

impl Metrics {
    /// Tells how many openings are at a step.
    pub fn set_openings(&self, step: OpeningStep, count: u64) {
        self.of_progress.openings.with_label_values(&[step.value()]).set(gauge_value(count));
    }

    /// Tells how many closes are at a step.
    pub fn set_closes(&self, step: CloseStep, count: u64) {
        self.of_progress.closes.with_label_values(&[step.value()]).set(gauge_value(count));
    }

    /// Tells how many blocks there are until the nearest deadline of a kind; fewer than none if it is past.
    pub fn set_deadline(&self, kind: DeadlineKind, blocks: Option<i32>) {
        let gauge = self.of_progress.deadlines.with_label_values(&[kind.value()]);
        gauge.set(blocks.map_or(f64::INFINITY, f64::from));
    }
}
