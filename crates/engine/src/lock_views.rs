//! What users see of locks.

use strait_payment::{
    EndedLock, Incoming, IncomingState, LockKey, LockTerms, Origin, Outcome, Outgoing,
    OutgoingState,
};
use strait_primitives::{BlockHeight, MilliSats, NodeId, PaymentHash, Preimage, Side};
use strait_wire::{CancelReason, Route};

use crate::engine::Engine;

/// What this node is to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockRole {
    /// Its user offered it.
    Payer,
    /// It is for its user.
    Payee,
    /// It passes it on, or it is what passes another on.
    Forwarder,
}

/// In what part of its life a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockStage {
    /// Offered by this node; the peer has not accepted the round.
    Proposed,
    /// Offered by this node, and in both sides' commitments.
    Standing,
    /// Offered by the peer; nothing is decided.
    Arrived,
    /// Offered by the peer, for this node's user to claim or to give back.
    Held,
    /// Offered by the peer, and passed on or about to be.
    Forwarding,
    /// Its preimage is known, and it is on its way to its receiver.
    Claiming,
    /// It is on its way back to its offerer.
    Cancelling(CancelReason),
    /// Its receiver has it. Over.
    Claimed,
    /// Its receiver gave it back. Over.
    Cancelled(CancelReason),
    /// The chain gave it back. Over.
    Expired,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// Its name; the side in it says who offered it.
    pub lock: LockKey,
    /// The other node; unknown once the channel is forgotten.
    pub peer: Option<NodeId>,
    /// What this node is to it.
    pub role: LockRole,
    /// In what part of its life it is.
    pub stage: LockStage,
    /// How much.
    pub amount: MilliSats,
    /// Whoever shows its preimage takes it.
    pub payment_hash: PaymentHash,
    /// From this height on its offerer may take it back on chain.
    pub expiry: BlockHeight,
    /// Where it is to go from its receiver on.
    pub route: Route,
    /// The lock that it passes on, or that passes it on.
    pub linked: Option<LockKey>,
    /// Its preimage, once it was shown: the payer's receipt.
    pub preimage: Option<Preimage>,
}

impl Engine {
    /// All locks in use, and the last ones that are over.
    #[must_use]
    pub fn lock_views(&self) -> Vec<LockView> {
        let incoming = self.payments.incoming().map(|(key, lock)| self.view_incoming(*key, lock));
        let outgoing = self.payments.outgoing().map(|(key, lock)| self.view_outgoing(*key, lock));
        let ended = self.payments.ended().map(|lock| self.view_ended(lock));
        incoming.chain(outgoing).chain(ended).collect()
    }

    /// One lock.
    #[must_use]
    pub fn lock_view(&self, key: &LockKey) -> Option<LockView> {
        let incoming = self.payments.find_incoming(key).map(|lock| self.view_incoming(*key, lock));
        let outgoing = || self.payments.find_outgoing(key).map(|l| self.view_outgoing(*key, l));
        let ended = || {
            let lock = self.payments.ended().find(|lock| lock.key == *key);
            lock.map(|lock| self.view_ended(lock))
        };
        incoming.or_else(outgoing).or_else(ended)
    }

    fn view(&self, lock: LockKey, terms: &LockTerms, route: &Route) -> LockView {
        let LockTerms { amount, payment_hash, expiry } = *terms;
        let live = self.channels.get(&lock.channel).map(strait_channel::Channel::peer);
        let peer = live.or_else(|| self.book.ended.find(&lock.channel).map(|ended| ended.peer));
        LockView {
            lock,
            peer,
            role: LockRole::Forwarder,
            stage: LockStage::Arrived,
            amount,
            payment_hash,
            expiry,
            route: route.clone(),
            linked: None,
            preimage: None,
        }
    }

    fn view_incoming(&self, key: LockKey, lock: &Incoming) -> LockView {
        let stage = match lock.state {
            IncomingState::Arrived => LockStage::Arrived,
            IncomingState::Held => LockStage::Held,
            IncomingState::Forwarding { .. } => LockStage::Forwarding,
            IncomingState::Claiming => LockStage::Claiming,
            IncomingState::Cancelling { reason } => LockStage::Cancelling(reason),
        };
        LockView {
            role: receiver_role(&lock.route),
            stage,
            linked: lock.onward,
            preimage: self.payments.incoming_preimage(&key),
            ..self.view(key, &lock.terms, &lock.route)
        }
    }

    fn view_outgoing(&self, key: LockKey, lock: &Outgoing) -> LockView {
        let preimage = self.payments.outgoing_preimage(&key);
        let stage = match (lock.state, preimage) {
            (_, Some(_)) => LockStage::Claiming,
            (OutgoingState::Proposed, None) => LockStage::Proposed,
            (OutgoingState::Standing, None) => LockStage::Standing,
        };
        let (role, linked) = of_origin(lock.origin);
        LockView { role, stage, linked, preimage, ..self.view(key, &lock.terms, &lock.route) }
    }

    fn view_ended(&self, lock: &EndedLock) -> LockView {
        let (role, linked) = match (lock.key.offerer, lock.origin) {
            (Side::Holder, Some(origin)) => of_origin(origin),
            (Side::Holder, None) | (Side::Counterparty, _) => {
                (receiver_role(&lock.route), lock.onward)
            }
        };
        let stage = match lock.outcome {
            Outcome::Claimed => LockStage::Claimed,
            Outcome::Cancelled { reason } => LockStage::Cancelled(reason),
            Outcome::Expired => LockStage::Expired,
        };
        let preimage = lock.preimage;
        LockView { role, stage, linked, preimage, ..self.view(lock.key, &lock.terms, &lock.route) }
    }
}

const fn of_origin(origin: Origin) -> (LockRole, Option<LockKey>) {
    match origin {
        Origin::User(_) => (LockRole::Payer, None),
        Origin::Forward(from) => (LockRole::Forwarder, Some(from)),
    }
}

const fn receiver_role(route: &Route) -> LockRole {
    if route.hops().is_empty() { LockRole::Payee } else { LockRole::Forwarder }
}
