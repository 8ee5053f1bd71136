//! What a commitment is made from: the channel's terms, a number's spec, and what is wrong with them.

use bitcoin::OutPoint;
use strait_primitives::{
    BlockDelta, BlockHeight, CommitmentNumber, Digest, LockId, MilliSats, PaymentHash,
    RevocationHash, Sats,
};
use thiserror::Error;

use crate::keys::ChannelPublicKeys;
use crate::wallet_script::WalletScript;

/// The part a side plays in one commitment transaction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Role {
    /// The side that may publish it, and whose own outputs wait.
    #[n(0)]
    Broadcaster,
    /// The side that signed it for the other.
    #[n(1)]
    Countersignatory,
}

/// What is the same in all commitments of one broadcaster.
#[derive(Debug, Clone)]
pub struct CommitmentTerms {
    /// Keys of the side that may publish these commitments.
    pub broadcaster: ChannelPublicKeys,
    /// Keys of the other side.
    pub countersignatory: ChannelPublicKeys,
    /// Which of them opened the channel.
    pub opener: Role,
    /// Blocks that every path of the broadcaster waits.
    pub delay: BlockDelta,
    /// The wallet that holds the countersignatory's balance.
    pub countersignatory_wallet: WalletScript,
    /// The funding output's place.
    pub funding_outpoint: OutPoint,
    /// The funding output's value: the channel's capacity.
    pub capacity: Sats,
}

/// Why no commitments can be built on these terms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The delay is outside the protocol's bounds.
    #[error("a delay of {actual} is outside {min} to {max}")]
    Delay {
        /// The delay as given.
        actual: BlockDelta,
        /// The shortest.
        min: BlockDelta,
        /// The longest.
        max: BlockDelta,
    },
    /// The funding script belongs to other keys.
    #[error("the funding script is of other keys than the channel's")]
    FundingKeys,
}

/// A lock inside a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LockSpec {
    /// The offerer's count.
    #[n(0)]
    pub id: LockId,
    /// Who is refunded at expiry.
    #[n(1)]
    pub offered_by: Role,
    /// The value; its output rounds down.
    #[n(2)]
    pub amount: MilliSats,
    /// What claims it.
    #[n(3)]
    pub payment_hash: PaymentHash,
    /// From when on it is refunded.
    #[n(4)]
    pub expiry: BlockHeight,
}

/// What differs from one commitment to the next.
#[derive(Debug, Clone, Copy)]
pub struct CommitmentSpec<'a> {
    /// The commitment's number.
    pub number: CommitmentNumber,
    /// The broadcaster's hash for that number: who knows its preimage takes all the broadcaster could want.
    pub revocation_hash: RevocationHash,
    /// The broadcaster's balance.
    pub broadcaster_balance: MilliSats,
    /// The countersignatory's balance.
    pub countersignatory_balance: MilliSats,
    /// All live locks, contracts' included; with the balances they add up to the capacity.
    pub locks: &'a [LockSpec],
    /// The salted hash of the whole ledger, while a contract is live.
    pub ledger_hash: Option<Digest>,
}

/// Why a ledger makes no commitment. A ledger that keeps the protocol's rules never causes one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Balances and locks do not add up to the capacity.
    #[error("balances and locks add up to {ledger:?} where the channel holds {capacity}")]
    Unbalanced {
        /// Their sum; `None` above all the money there is.
        ledger: Option<MilliSats>,
        /// What they must add up to.
        capacity: MilliSats,
    },
    /// One side offers more locks than a relayable transaction holds.
    #[error("{actual} locks offered by the {by:?}, at most {limit}")]
    LockCount {
        /// The offerer.
        by: Role,
        /// Locks given.
        actual: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A lock's expiry is zero or no height at all.
    #[error("the expiry {expiry} of lock {id:?} is not a height that a script can check")]
    Expiry {
        /// The lock.
        id: LockId,
        /// Its expiry.
        expiry: BlockHeight,
    },
}
