//! The one lock of the scripted node.

use strait_api_types::{ErrorCode, Lock, LockDirection, LockHop, LockRole, LockState, PreimageHex};
use strait_payment::{LockKey, payment_hash_of};
use strait_primitives::{LockId, NodeId, Preimage, Side};

use super::CHANNEL;
use crate::{ApiError, LockQuery, OfferLock};

/// The one lock the node holds.
pub const LOCK: LockKey = LockKey { channel: CHANNEL, offerer: Side::Counterparty, id: LockId(4) };
/// What claims it.
pub const PREIMAGE: Preimage = Preimage::from_bytes([0x44; Preimage::LEN]);

/// The lock in a state.
pub(super) fn held(state: LockState) -> Lock {
    let preimage =
        (state == LockState::Claimed).then(|| PreimageHex(hex::encode(PREIMAGE.as_bytes())));
    Lock {
        lock_id: LOCK.to_string(),
        channel_id: CHANNEL.to_string(),
        direction: LockDirection::Received,
        number: LOCK.id.0,
        peer_node_id: Some(NodeId::from_bytes([2; NodeId::LEN]).to_string()),
        role: LockRole::Payee,
        state,
        reason: None,
        amount_msat: 1_000_000,
        payment_hash: payment_hash_of(&PREIMAGE).to_string(),
        expiry: 500,
        route: Vec::new(),
        forwarded_to: None,
        forwarded_from: None,
        preimage,
    }
}

/// A lock that was just offered.
pub(super) fn offered(request: &OfferLock) -> Lock {
    let hops = request.route.hops().iter().map(|hop| LockHop {
        node_id: hop.node.to_string(),
        amount_msat: hop.amount.to_msat(),
        expiry: hop.expiry.to_u32(),
    });
    Lock {
        lock_id: format!("{}-sent-0", request.channel),
        channel_id: request.channel.to_string(),
        direction: LockDirection::Sent,
        number: 0,
        role: LockRole::Payer,
        amount_msat: request.amount.to_msat(),
        payment_hash: request.payment_hash.to_string(),
        expiry: request.expiry.to_u32(),
        route: hops.collect(),
        ..held(LockState::Standing)
    }
}

/// The one lock, on the one page.
pub(super) fn page(query: &LockQuery) -> Vec<Lock> {
    let is_wanted = query.channel.is_none_or(|channel| channel == CHANNEL)
        && query.offerer.is_none_or(|offerer| offerer == LOCK.offerer)
        && query.state.is_none_or(|state| state == LockState::Held)
        && query.after.is_none_or(|after| after < LOCK);
    is_wanted.then(|| held(LockState::Held)).into_iter().collect()
}

/// Claims the lock if the preimage is right.
pub(super) fn claimed(preimage: &Preimage) -> Result<Lock, ApiError> {
    if payment_hash_of(preimage) != payment_hash_of(&PREIMAGE) {
        return Err(ApiError::new(
            ErrorCode::WrongPreimage,
            "the preimage does not open the lock",
            "give the one whose SHA-256 is payment_hash",
        ));
    }
    Ok(held(LockState::Claimed))
}
