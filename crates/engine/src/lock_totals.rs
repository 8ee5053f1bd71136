//! How many locks are in use and what they hold, for who watches the node.

use strait_payment::{IncomingState, OutgoingState};
use strait_primitives::MilliSats;

use crate::engine::Engine;

/// Locks in use by where they stand, and what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LockTotals {
    /// Offered by this node, and not accepted yet.
    pub proposed: usize,
    /// Offered by this node, and in both sides' commitments.
    pub standing: usize,
    /// Offered by peers, and nothing is decided.
    pub arrived: usize,
    /// Offered by peers, for this node's user to decide.
    pub held: usize,
    /// Offered by peers, and passed on.
    pub forwarding: usize,
    /// Whose preimage is known, of both sides.
    pub claiming: usize,
    /// Offered by peers, and on their way back.
    pub cancelling: usize,
    /// What those hold that this node offered.
    pub sent: MilliSats,
    /// What those hold that peers offered.
    pub received: MilliSats,
}

impl Engine {
    /// Counts all locks in use.
    pub(crate) fn lock_totals(&self) -> LockTotals {
        let sum = |total: MilliSats, more| total.checked_add(more).unwrap_or(MilliSats::MAX);
        let mut totals = LockTotals::default();
        for (_, lock) in self.payments.incoming() {
            totals.received = sum(totals.received, lock.terms.amount);
            match lock.state {
                IncomingState::Arrived => totals.arrived += 1,
                IncomingState::Held => totals.held += 1,
                IncomingState::Forwarding { .. } => totals.forwarding += 1,
                IncomingState::Claiming => totals.claiming += 1,
                IncomingState::Cancelling { .. } => totals.cancelling += 1,
            }
        }
        for (key, lock) in self.payments.outgoing() {
            totals.sent = sum(totals.sent, lock.terms.amount);
            match lock.state {
                _ if self.payments.outgoing_preimage(key).is_some() => totals.claiming += 1,
                OutgoingState::Proposed => totals.proposed += 1,
                OutgoingState::Standing => totals.standing += 1,
            }
        }
        totals
    }
}
