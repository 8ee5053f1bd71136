//! Agreeing on a contract before a round opens it (protocol sections 5 and 11).

use strait_primitives::{BlockHeight, ChannelId, CommitmentNumber, ContractId};

use crate::{ContractBytes, Note};

/// Offers terms; the agreement, once given, cannot be withdrawn before `valid_to`.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OfferContract {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The contract to be: chosen by the offerer, never used before on this channel.
    #[n(1)]
    pub contract: ContractId,
    /// The terms, as `strait-contract` encodes them.
    #[n(2)]
    pub terms: ContractBytes,
    /// The last commitment number at which it may be opened.
    #[n(3)]
    pub valid_to: CommitmentNumber,
    /// The last height of the chain at which it may be opened: an offer that stands while prices move is a gift.
    #[n(4)]
    pub until: Option<BlockHeight>,
}

/// Agrees to the terms offered.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct AgreeContract {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The contract.
    #[n(1)]
    pub contract: ContractId,
}

/// Refuses the terms offered.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct RefuseContract {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The contract.
    #[n(1)]
    pub contract: ContractId,
    /// Why, for people.
    #[n(2)]
    pub note: Note,
}
