//! Picking a channel up after a disconnection (protocol section 9).

use strait_primitives::{ChannelId, CommitmentNumber, Digest, RevocationSecret};

/// Which end of an outstanding round the sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum RoundRole {
    /// It sent the proposal.
    #[n(0)]
    Proposer,
    /// It sent the acceptance.
    #[n(1)]
    Receiver,
}

/// A round the sender began or accepted and has not seen the end of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OutstandingRound {
    /// Its end of it.
    #[n(0)]
    pub role: RoundRole,
    /// n+1.
    #[n(1)]
    pub number: CommitmentNumber,
    /// The SHA-256 of the proposal's signature, which commits to everything the proposal changes.
    #[n(2)]
    pub digest: Digest,
}

/// How far the sender trusts its own account of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum StoreState {
    /// It has followed the channel without a gap.
    #[n(0)]
    Whole,
    /// It was restored from a backup, or has lost data: the sender signs nothing but a close, and waits for its operator.
    #[n(1)]
    Restored,
}

/// Says where the sender stands in one channel.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Reestablish {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The last number whose round the sender has seen the end of.
    #[n(1)]
    pub agreed: CommitmentNumber,
    /// A round in flight.
    #[n(2)]
    pub outstanding: Option<OutstandingRound>,
    /// The receiver's last secret that the sender holds, and the number it revokes: proof of how far the receiver has
    /// gone, should the receiver have forgotten.
    #[n(3)]
    pub last_secret: Option<(CommitmentNumber, RevocationSecret)>,
    /// How far this account may be trusted.
    #[n(4)]
    pub store: StoreState,
}
