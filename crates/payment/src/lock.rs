//! Locks, and where each stands.

use strait_primitives::{BlockHeight, ChannelId, MilliSats, PaymentHash, Preimage, RequestKey};
use strait_wire::{CancelReason, Route};

use crate::key::LockKey;

/// What a lock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LockTerms {
    /// How much.
    #[n(0)]
    pub amount: MilliSats,
    /// Whoever shows its preimage takes it.
    #[n(1)]
    pub payment_hash: PaymentHash,
    /// From this height on the offerer may take it back on chain.
    #[n(2)]
    pub expiry: BlockHeight,
}

/// A lock that a peer offered, from the end of the round on that added it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Incoming {
    /// What it says.
    #[n(0)]
    pub terms: LockTerms,
    /// Where its sender wants it passed on to.
    #[n(1)]
    pub route: Route,
    /// The lock that passes it on, from the proposal on that carries that: never changed, never taken back.
    #[n(2)]
    pub onward: Option<LockKey>,
    /// Where it stands.
    #[n(3)]
    pub state: IncomingState,
}

/// Where an incoming lock stands. It goes down this list and never up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum IncomingState {
    /// Nothing is decided yet.
    #[n(0)]
    Arrived,
    /// It is for this node, whose user decides.
    #[n(1)]
    Held,
    /// It is passed on.
    #[n(2)]
    Forwarding {
        /// Through which channel.
        #[n(0)]
        channel: ChannelId,
    },
    /// Its preimage is known, and it is to be had.
    #[n(3)]
    Claiming,
    /// It goes back.
    #[n(4)]
    Cancelling {
        /// Why.
        #[n(0)]
        reason: CancelReason,
    },
}

/// Why this node offers a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Origin {
    /// A user asked for it, under this key.
    #[n(0)]
    User(#[n(0)] RequestKey),
    /// It passes another lock on.
    #[n(1)]
    Forward(#[n(0)] LockKey),
}

/// A lock that this node offers, from the proposal on that adds it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Outgoing {
    /// What it says.
    #[n(0)]
    pub terms: LockTerms,
    /// Where it is to go from the peer on.
    #[n(1)]
    pub route: Route,
    /// Why it is offered.
    #[n(2)]
    pub origin: Origin,
    /// Where it stands.
    #[n(3)]
    pub state: OutgoingState,
}

/// Where an outgoing lock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum OutgoingState {
    /// The peer may enforce it, and has not accepted.
    #[n(0)]
    Proposed,
    /// It stands in both sides' commitments.
    #[n(1)]
    Standing,
}

/// How a lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Outcome {
    /// Its receiver has it.
    #[n(0)]
    Claimed,
    /// Its receiver gave it back.
    #[n(1)]
    Cancelled {
        /// Why.
        #[n(0)]
        reason: CancelReason,
    },
    /// The chain settled it without its preimage, as far as this node knows: back to its offerer.
    #[n(2)]
    Expired,
}

/// A lock that is over, for those who ask. Nothing decides by it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct EndedLock {
    /// Which.
    #[n(0)]
    pub key: LockKey,
    /// What it said.
    #[n(1)]
    pub terms: LockTerms,
    /// Where it was to go from its receiver on.
    #[n(2)]
    pub route: Route,
    /// Why this node offered it, if it did.
    #[n(3)]
    pub origin: Option<Origin>,
    /// The lock that passed it on, if one did.
    #[n(4)]
    pub onward: Option<LockKey>,
    /// How it ended.
    #[n(5)]
    pub outcome: Outcome,
    /// Its preimage, if it became known.
    #[n(6)]
    pub preimage: Option<Preimage>,
}
