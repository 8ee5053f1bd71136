//! Metrics of locks: how many are in use, what they hold, and what happens to them.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use strait_primitives::Sats;

use super::labels::{Label, labels};
use super::registry::Registrar;
use super::{Direction, Metrics, gauge_value};

labels! {
    /// Where a lock in use stands.
    LockPhase, "state" {
        /// Sent, and not accepted yet.
        Proposed = "proposed",
        /// Sent, and in both sides' commitments.
        Standing = "standing",
        /// Received, and nothing is decided.
        Arrived = "arrived",
        /// Received, for the user to decide.
        Held = "held",
        /// Received, and passed on.
        Forwarding = "forwarding",
        /// Its preimage is known.
        Claiming = "claiming",
        /// Received, and on its way back.
        Cancelling = "cancelling",
    }
}

labels! {
    /// Why this node gives a received lock back.
    LockReturn, "reason" {
        /// Its expiry is too near, or came too near.
        Expired = "expired",
        /// Too small, too far in time, or over a quota.
        Unwanted = "unwanted",
        /// What passed it on came back.
        Downstream = "downstream",
        /// No channel can carry it on.
        NoRoute = "no_route",
        /// Its amount or expiry leaves this node too little for passing it on.
        Terms = "terms",
        /// Its user does not want it.
        Declined = "declined",
        /// Anything else.
        Other = "other",
    }
}

/// Metrics of locks.
#[derive(Debug)]
pub(super) struct LockMetrics {
    in_use: IntGaugeVec,
    value: IntGaugeVec,
    offered: IntCounterVec,
    claimed: IntCounterVec,
    cancelled: IntCounterVec,
    forwarded: IntCounter,
    returned: IntCounterVec,
    expired: IntCounter,
}

impl LockMetrics {
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Locks");
        Self {
            in_use: r.gauges::<LockPhase>(
                "strait_locks",
                "Locks in use by state, of all channels. What is held waits for this node's user.",
            ),
            value: r.gauges::<Direction>("strait_locks_value_sat", "What locks in use hold."),
            offered: r.counters::<Direction>(
                "strait_locks_offered_total",
                "Locks that rounds add, counted when the round is proposed or accepted.",
            ),
            claimed: r.counters::<Direction>(
                "strait_locks_claimed_total",
                "Locks that rounds claim, by who offered the lock.",
            ),
            cancelled: r.counters::<Direction>(
                "strait_locks_cancelled_total",
                "Locks that rounds give back, by who offered the lock.",
            ),
            forwarded: r.counter(
                "strait_locks_forwarded_total",
                "Received locks that this node decided to pass on.",
            ),
            returned: r.counters::<LockReturn>(
                "strait_locks_returned_total",
                "Received locks that this node decided to give back.",
            ),
            expired: r.counter(
                "strait_locks_expired_total",
                "Sent locks that the chain gave back to this node for good.",
            ),
        }
    }
}

impl Metrics {
    /// Tells how many locks in use stand where.
    pub fn set_locks(&self, phase: LockPhase, count: u64) {
        self.of_locks.in_use.with_label_values(&[phase.value()]).set(gauge_value(count));
    }

    /// Tells what the locks in use of one direction hold.
    pub fn set_locks_value(&self, direction: Direction, value: Sats) {
        let gauge = self.of_locks.value.with_label_values(&[direction.value()]);
        gauge.set(gauge_value(value.to_sat()));
    }

    /// Counts a lock that a round adds.
    pub fn lock_offered(&self, direction: Direction) {
        self.of_locks.offered.with_label_values(&[direction.value()]).inc();
    }

    /// Counts a lock that a round claims.
    pub fn lock_claimed(&self, direction: Direction) {
        self.of_locks.claimed.with_label_values(&[direction.value()]).inc();
    }

    /// Counts a lock that a round gives back.
    pub fn lock_cancelled(&self, direction: Direction) {
        self.of_locks.cancelled.with_label_values(&[direction.value()]).inc();
    }

    /// Counts a received lock that is to be passed on.
    pub fn lock_forwarded(&self) {
        self.of_locks.forwarded.inc();
    }

    /// Counts a received lock that is to be given back.
    pub fn lock_returned(&self, reason: LockReturn) {
        self.of_locks.returned.with_label_values(&[reason.value()]).inc();
    }

    /// Counts a sent lock that the chain gave back.
    pub fn lock_expired(&self) {
        self.of_locks.expired.inc();
    }
}
