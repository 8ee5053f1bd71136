//! A round: from agreed number n to n+1 (protocol section 6).

use strait_primitives::{
    ChannelId, CommitmentNumber, RevocationHash, RevocationSecret, SchnorrSignature,
};

use crate::Operations;

/// Whether the receiver of a proposal wants the turn next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum TurnWish {
    /// It has nothing to propose.
    #[n(0)]
    Content,
    /// The proposer must yield with its `Finalize`.
    #[n(1)]
    Wanted,
}

/// What becomes of the turn when a round ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum TurnMove {
    /// The proposer keeps it.
    #[n(0)]
    Keep,
    /// It goes to the receiver.
    #[n(1)]
    Yield,
}

/// Proposes the ledger of number n+1 and signs the receiver's commitment to it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Propose {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// n+1.
    #[n(1)]
    pub number: CommitmentNumber,
    /// What changes.
    #[n(2)]
    pub operations: Operations,
    /// The signature on the receiver's commitment n+1.
    #[n(3)]
    pub signature: SchnorrSignature,
}

/// Accepts n+1 and revokes the receiver's commitment n.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Accept {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// n+1.
    #[n(1)]
    pub number: CommitmentNumber,
    /// The signature on the proposer's commitment n+1.
    #[n(2)]
    pub signature: SchnorrSignature,
    /// The receiver's secret n.
    #[n(3)]
    pub secret: RevocationSecret,
    /// The hash of the receiver's secret n+2.
    #[n(4)]
    pub next_hash: RevocationHash,
    /// Whether the receiver wants the turn.
    #[n(5)]
    pub turn: TurnWish,
}

/// Revokes the proposer's commitment n: the round is over.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Finalize {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// n+1.
    #[n(1)]
    pub number: CommitmentNumber,
    /// The proposer's secret n.
    #[n(2)]
    pub secret: RevocationSecret,
    /// The hash of the proposer's secret n+2.
    #[n(3)]
    pub next_hash: RevocationHash,
    /// What becomes of the turn.
    #[n(4)]
    pub turn: TurnMove,
}

/// Asks the holder of the turn for a round that yields it.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct RequestTurn {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The agreed number the asker sees.
    #[n(1)]
    pub number: CommitmentNumber,
}
