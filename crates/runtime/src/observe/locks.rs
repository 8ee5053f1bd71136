//! What is told of locks.

use strait_channel::ChannelEvent;
use strait_engine::LockTotals;
use strait_payment::{Outcome, PaymentEvent};
use strait_primitives::Side;
use strait_telemetry::{Direction, LockPhase, LockReturn, Metrics};
use strait_wire::{CancelReason, Operation};

/// Tells how many locks are in use, and what they hold.
pub(super) fn totals(metrics: &Metrics, totals: &LockTotals) {
    let phases = [
        (LockPhase::Proposed, totals.proposed),
        (LockPhase::Standing, totals.standing),
        (LockPhase::Arrived, totals.arrived),
        (LockPhase::Held, totals.held),
        (LockPhase::Forwarding, totals.forwarding),
        (LockPhase::Claiming, totals.claiming),
        (LockPhase::Cancelling, totals.cancelling),
    ];
    for (phase, count) in phases {
        metrics.set_locks(phase, count as u64);
    }
    metrics.set_locks_value(Direction::Sent, totals.sent.floor_sats());
    metrics.set_locks_value(Direction::Received, totals.received.floor_sats());
}

/// Counts what a round does to locks, when it is proposed or accepted: nobody takes it back.
pub(super) fn round(metrics: &Metrics, event: &ChannelEvent) {
    let (proposer, operations) = if let ChannelEvent::Proposed { operations, .. } = event {
        (Side::Holder, operations)
    } else if let ChannelEvent::Accepted { operations, .. } = event {
        (Side::Counterparty, operations)
    } else {
        return;
    };
    for operation in operations.as_slice() {
        match operation {
            Operation::AddLock { .. } => metrics.lock_offered(direction(proposer)),
            Operation::ClaimLock { .. } => metrics.lock_claimed(direction(!proposer)),
            Operation::CancelLock { .. } => metrics.lock_cancelled(direction(!proposer)),
            Operation::Pay { .. }
            | Operation::RaiseHeight { .. }
            | Operation::OpenContract { .. }
            | Operation::Act { .. }
            | Operation::SettleContract { .. } => {}
        }
    }
}

/// Counts a decision about a lock, and tells the log of it.
pub(super) fn decided(metrics: &Metrics, event: &PaymentEvent) {
    match event {
        PaymentEvent::Held { lock } => tracing::info!(%lock, "a lock is held for this node's user"),
        PaymentEvent::Forwarding { lock, channel } => {
            tracing::debug!(%lock, %channel, "a lock is passed on");
            metrics.lock_forwarded();
        }
        PaymentEvent::Claiming { lock, preimage: _ } => {
            tracing::info!(%lock, "a lock is claimed");
        }
        PaymentEvent::Cancelling { lock, reason } => {
            tracing::info!(%lock, ?reason, "a lock goes back");
            metrics.lock_returned(returned(*reason));
        }
        PaymentEvent::PreimageLearned { preimage: _ } => {
            tracing::debug!("a preimage was shown");
        }
        PaymentEvent::OutgoingGone { lock } => {
            tracing::info!(%lock, "the chain gave a lock back");
            metrics.lock_expired();
        }
        PaymentEvent::EndedOnChain { lock, outcome } => match outcome {
            Outcome::Claimed => {
                tracing::info!(%lock, "the chain gave a lock to its receiver");
            }
            Outcome::Cancelled { .. } | Outcome::Expired => {
                tracing::info!(%lock, "the chain gave a lock back");
                match lock.offerer {
                    Side::Holder => metrics.lock_expired(),
                    Side::Counterparty => {}
                }
            }
        },
    }
}

const fn direction(offerer: Side) -> Direction {
    match offerer {
        Side::Holder => Direction::Sent,
        Side::Counterparty => Direction::Received,
    }
}

const fn returned(reason: CancelReason) -> LockReturn {
    match reason {
        CancelReason::Expired => LockReturn::Expired,
        CancelReason::Unwanted => LockReturn::Unwanted,
        CancelReason::Downstream => LockReturn::Downstream,
        CancelReason::NoRoute => LockReturn::NoRoute,
        CancelReason::Terms => LockReturn::Terms,
        CancelReason::Declined => LockReturn::Declined,
        CancelReason::Unknown | _ => LockReturn::Other,
    }
}
