//! Metrics of locks: how many are in use, what they hold, and what happens to them.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use strait_primitives::Sats;

use super::labels::Label;
use super::registry::Registrar;
use super::{Direction, Metrics, gauge_value};

/// Where a lock in use stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockPhase {
    /// Sent, and not accepted yet.
    Proposed,
    /// Sent, and in both sides' commitments.
    Standing,
    /// Received, and nothing is decided.
    Arrived,
    /// Received, for the user to decide.
    Held,
    /// Received, and passed on.
    Forwarding,
    /// Its preimage is known.
    Claiming,
    /// Received, and on its way back.
    Cancelling,
}

impl Label for LockPhase {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] = &[
        Self::Proposed,
        Self::Standing,
        Self::Arrived,
        Self::Held,
        Self::Forwarding,
        Self::Claiming,
        Self::Cancelling,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Standing => "standing",
            Self::Arrived => "arrived",
            Self::Held => "held",
            Self::Forwarding => "forwarding",
            Self::Claiming => "claiming",
            Self::Cancelling => "cancelling",
        }
    }
}

/// Why this node gives a received lock back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockReturn {
    /// Its expiry is too near, or came too near.
    Expired,
    /// Too small, too far in time, or over a quota.
    Unwanted,
    /// What passed it on came back.
    Downstream,
    /// No channel can carry it on.
    NoRoute,
    /// Its amount or expiry leaves this node too little for passing it on.
    Terms,
    /// Its user does not want it.
    Declined,
    /// Anything else.
    Other,
}

impl Label for LockReturn {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[
        Self::Expired,
        Self::Unwanted,
        Self::Downstream,
        Self::NoRoute,
        Self::Terms,
        Self::Declined,
        Self::Other,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unwanted => "unwanted",
            Self::Downstream => "downstream",
            Self::NoRoute => "no_route",
            Self::Terms => "terms",
            Self::Declined => "declined",
            Self::Other => "other",
        }
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
        Self {
            in_use: r.gauges::<LockPhase>("strait_locks", "Locks in use by state."),
            value: r.gauges::<Direction>(
                "strait_locks_value_sat",
                "What locks in use hold, in satoshis, by direction.",
            ),
            offered: r.counters::<Direction>(
                "strait_locks_offered_total",
                "Locks that a proposed or accepted round adds, by direction.",
            ),
            claimed: r.counters::<Direction>(
                "strait_locks_claimed_total",
                "Locks that a proposed or accepted round claims, by the lock's direction.",
            ),
            cancelled: r.counters::<Direction>(
                "strait_locks_cancelled_total",
                "Locks that a proposed or accepted round gives back, by the lock's direction.",
            ),
            forwarded: r.counter(
                "strait_locks_forwarded_total",
                "Received locks that this node decided to pass on.",
            ),
            returned: r.counters::<LockReturn>(
                "strait_locks_returned_total",
                "Received locks that this node decided to give back, by reason.",
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
