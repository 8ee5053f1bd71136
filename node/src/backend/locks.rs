//! Locks: the engine's facts in the interface's types, and what is asked about them.

use strait_api::{ApiError, LockQuery, OfferLock};
use strait_api_types::{
    ErrorCode, Lock, LockCancelReason, LockDirection, LockHop, LockList, LockRole, LockState,
    PreimageHex,
};
use strait_engine::{Answer, Command, LockKey, LockStage, LockView};
use strait_primitives::{Preimage, RequestKey, Side};
use strait_wire::{CancelReason, Hop};

use super::NodeBackend;
use super::refusals::wrong_kind;
use super::tokens::charged_to;

impl NodeBackend {
    pub(super) async fn lock_page(&self, query: LockQuery) -> Result<LockList, ApiError> {
        let Answer::Locks(mut views) = self.ask(Command::Locks).await? else {
            return Err(wrong_kind());
        };
        views.retain(|view| is_wanted(view, &query));
        views.sort_unstable_by_key(|view| view.lock);
        let next_after = match views.get(query.limit.saturating_sub(1)) {
            Some(last) if views.len() > query.limit => Some(last.lock.to_string()),
            Some(_) | None => None,
        };
        Ok(LockList {
            locks: views.iter().take(query.limit).map(lock_answer).collect(),
            next_after,
        })
    }

    pub(super) async fn ask_lock(&self, command: Command) -> Result<LockView, ApiError> {
        let Answer::Lock(view) = self.ask(command).await? else { return Err(wrong_kind()) };
        Ok(*view)
    }

    pub(super) async fn offer(&self, key: RequestKey, asked: OfferLock) -> Result<Lock, ApiError> {
        let OfferLock { payer, channel, amount, payment_hash, expiry, route } = asked;
        let command = Command::OfferLock { key, channel, amount, payment_hash, expiry, route };
        let answer = self.ask(charged_to(payer, command)).await?;
        if let Answer::Lock(view) = &answer {
            return Ok(lock_answer(view));
        }
        // The key is known, and the lock is over for so long that nothing else is.
        if matches!(answer, Answer::Done(_)) {
            return Err(ApiError::new(
                ErrorCode::LockForgotten,
                "the lock was offered under this key before, and has long been over",
                "the events tell how it ended; a new lock needs a key of its own",
            ));
        }
        Err(wrong_kind())
    }

    pub(super) async fn claim(
        &self,
        key: RequestKey,
        lock: LockKey,
        preimage: Preimage,
    ) -> Result<Lock, ApiError> {
        let view = self.ask_lock(Command::ClaimLock { key, lock, preimage }).await?;
        ended_as(&view, |stage| matches!(stage, LockStage::Claimed))
    }

    pub(super) async fn cancel(&self, key: RequestKey, lock: LockKey) -> Result<Lock, ApiError> {
        let view = self.ask_lock(Command::CancelLock { key, lock }).await?;
        ended_as(&view, |stage| matches!(stage, LockStage::Cancelled(_) | LockStage::Expired))
    }
}

/// The lock, if it ended as was asked.
fn ended_as(view: &LockView, is_as_asked: fn(LockStage) -> bool) -> Result<Lock, ApiError> {
    let lock = lock_answer(view);
    if is_as_asked(view.stage) {
        return Ok(lock);
    }
    Err(ApiError::new(
        ErrorCode::LockNotHeld,
        format!("lock {} ended otherwise: it is {}", lock.lock_id, lock.state.as_str()),
        "the channel was closed before its round; GET /v1/locks and the events tell what became of it",
    ))
}

fn is_wanted(view: &LockView, query: &LockQuery) -> bool {
    query.channel.is_none_or(|channel| channel == view.lock.channel)
        && query.offerer.is_none_or(|offerer| offerer == view.lock.offerer)
        && query.state.is_none_or(|state| state == state_of(view.stage).0)
        && query.after.is_none_or(|after| view.lock > after)
}

pub(super) fn lock_answer(view: &LockView) -> Lock {
    let (state, reason) = state_of(view.stage);
    let linked = view.linked.map(|lock| lock.to_string());
    let (direction, forwarded_to, forwarded_from) = match view.lock.offerer {
        Side::Holder => (LockDirection::Sent, None, linked),
        Side::Counterparty => (LockDirection::Received, linked, None),
    };
    Lock {
        lock_id: view.lock.to_string(),
        channel_id: view.lock.channel.to_string(),
        direction,
        number: view.lock.id.0,
        peer_node_id: view.peer.map(|peer| peer.to_string()),
        role: role_of(view.role),
        state,
        reason,
        amount_msat: view.amount.to_msat(),
        payment_hash: view.payment_hash.to_string(),
        expiry: view.expiry.to_u32(),
        route: view.route.hops().iter().map(hop_answer).collect(),
        forwarded_to,
        forwarded_from,
        preimage: view.preimage.map(|preimage| PreimageHex(hex::encode(preimage.as_bytes()))),
    }
}

fn hop_answer(hop: &Hop) -> LockHop {
    LockHop {
        node_id: hop.node.to_string(),
        amount_msat: hop.amount.to_msat(),
        expiry: hop.expiry.to_u32(),
    }
}

const fn role_of(role: strait_engine::LockRole) -> LockRole {
    match role {
        strait_engine::LockRole::Payer => LockRole::Payer,
        strait_engine::LockRole::Payee => LockRole::Payee,
        strait_engine::LockRole::Forwarder => LockRole::Forwarder,
    }
}

const fn state_of(stage: LockStage) -> (LockState, Option<LockCancelReason>) {
    match stage {
        LockStage::Proposed => (LockState::Proposed, None),
        LockStage::Standing => (LockState::Standing, None),
        LockStage::Arrived => (LockState::Arrived, None),
        LockStage::Held => (LockState::Held, None),
        LockStage::Forwarding => (LockState::Forwarding, None),
        LockStage::Claiming => (LockState::Claiming, None),
        LockStage::Cancelling(reason) => (LockState::Cancelling, Some(reason_of(reason))),
        LockStage::Claimed => (LockState::Claimed, None),
        LockStage::Cancelled(reason) => (LockState::Cancelled, Some(reason_of(reason))),
        LockStage::Expired => (LockState::Expired, None),
    }
}

/// Why a lock goes back, in the interface's words.
pub(crate) const fn reason_of(reason: CancelReason) -> LockCancelReason {
    match reason {
        CancelReason::Unknown => LockCancelReason::NotKnown,
        CancelReason::Unwanted => LockCancelReason::Unwanted,
        CancelReason::Expired => LockCancelReason::Expired,
        CancelReason::Downstream => LockCancelReason::Downstream,
        CancelReason::NoRoute => LockCancelReason::NoRoute,
        CancelReason::Terms => LockCancelReason::Terms,
        CancelReason::Declined => LockCancelReason::Declined,
        _ => LockCancelReason::Unknown,
    }
}

/// A refusal in the interface's words: its code, and what would be right.
pub(super) type Refusal = (ErrorCode, &'static str);

pub(super) const UNKNOWN: Refusal = (
    ErrorCode::LockNotFound,
    "GET /v1/locks lists the locks in use and the last thousand that are over",
);
pub(super) const NOT_HELD: Refusal = (
    ErrorCode::LockNotHeld,
    "only a received lock whose state is held can be claimed or given back; GET /v1/locks tells its state",
);
pub(super) const WRONG_PREIMAGE: Refusal = (
    ErrorCode::WrongPreimage,
    "the peer was shown nothing; give the preimage whose SHA-256 is the lock's payment_hash",
);
pub(super) const EXPIRY: Refusal = (
    ErrorCode::ExpiryOutOfRange,
    "choose a height in between; the receiver wants its delay and two margins from the tip",
);
pub(super) const EXPIRED: Refusal = (
    ErrorCode::ExpiryOutOfRange,
    "nothing was offered; offer it with a later expiry, under a new key",
);
pub(super) const REVOCATION_HASH: Refusal = (
    ErrorCode::InvalidField,
    "nothing was offered; ask whoever is to be paid for another payment_hash, and wonder why it chose this one",
);
pub(super) const TOO_FAR: Refusal =
    (ErrorCode::ExpiryOutOfRange, "choose a height below the end that the message names");
pub(super) const TOO_MANY: Refusal = (
    ErrorCode::LimitReached,
    "wait until a lock in this direction is over, or use another channel",
);
pub(super) const TOO_SMALL: Refusal =
    (ErrorCode::InvalidField, "offer at least the smallest amount allowed, or pay without a lock");
pub(super) const TOO_MUCH_DUST: Refusal = (
    ErrorCode::LimitReached,
    "offer more than the dust limit in one lock, or wait until small locks are over",
);
