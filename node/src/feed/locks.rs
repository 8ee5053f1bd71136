//! What a round and a decision mean for locks, in the interface's events.

use strait_api_types::{EventKind, LockChange, LockStep, PreimageHex};
use strait_engine::LockKey;
use strait_payment::{Outcome, PaymentEvent, payment_hash_of};
use strait_primitives::{ChannelId, LockId, Preimage, Side};
use strait_wire::Operation;

use crate::backend::reason_of;

/// What a finished round did to locks, in its order. `proposer` is whose round it was.
pub(super) fn changes(
    channel: ChannelId,
    proposer: Side,
    operations: &[Operation],
) -> Vec<LockChange> {
    let name = |offerer: Side, id: LockId| LockKey { channel, offerer, id }.to_string();
    let change = |lock_id: String, step: LockStep| LockChange {
        lock_id,
        step,
        amount_msat: None,
        payment_hash: None,
        expiry: None,
        preimage: None,
        reason: None,
    };
    let changes = operations.iter().filter_map(|operation| match operation {
        Operation::AddLock { lock, amount, payment_hash, expiry, route: _ } => Some(LockChange {
            amount_msat: Some(amount.to_msat()),
            payment_hash: Some(payment_hash.to_string()),
            expiry: Some(expiry.to_u32()),
            ..change(name(proposer, *lock), LockStep::Added)
        }),
        Operation::ClaimLock { lock, preimage } => Some(LockChange {
            preimage: Some(shown(preimage)),
            ..change(name(!proposer, *lock), LockStep::Claimed)
        }),
        Operation::CancelLock { lock, reason } => Some(LockChange {
            reason: Some(reason_of(*reason)),
            ..change(name(!proposer, *lock), LockStep::Cancelled)
        }),
        Operation::Pay { .. }
        | Operation::RaiseHeight { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => None,
    });
    changes.collect()
}

/// What a decision about a lock tells. The preimage of a claim is not told before the round that shows it is over.
pub(super) fn decision(event: &PaymentEvent) -> EventKind {
    match event {
        PaymentEvent::Held { lock } => EventKind::LockHeld { lock_id: lock.to_string() },
        PaymentEvent::Forwarding { lock, channel } => {
            EventKind::LockForwarding { lock_id: lock.to_string(), channel_id: channel.to_string() }
        }
        PaymentEvent::Claiming { lock, preimage: _ } => {
            EventKind::LockClaiming { lock_id: lock.to_string() }
        }
        PaymentEvent::Cancelling { lock, reason } => {
            EventKind::LockCancelling { lock_id: lock.to_string(), reason: reason_of(*reason) }
        }
        PaymentEvent::PreimageLearned { preimage } => EventKind::PreimageLearned {
            payment_hash: payment_hash_of(preimage).to_string(),
            preimage: shown(preimage),
        },
        PaymentEvent::OutgoingGone { lock } => EventKind::LockExpired { lock_id: lock.to_string() },
        PaymentEvent::EndedOnChain { lock, outcome } => {
            let lock_id = lock.to_string();
            match outcome {
                Outcome::Claimed => EventKind::LockClaimedOnChain { lock_id },
                Outcome::Cancelled { .. } | Outcome::Expired => EventKind::LockExpired { lock_id },
            }
        }
    }
}

fn shown(preimage: &Preimage) -> PreimageHex {
    PreimageHex(hex::encode(preimage.as_bytes()))
}
