//! Agreeing on a contract before a round opens it (protocol sections 5 and 11).

use strait_primitives::{ChannelId, CommitmentNumber, ContractId, MilliSats, ModuleHash};

use crate::{ContractBytes, Note};

/// What both sides sign up to: the limits are the protocol's own for the named metering version.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct WireTerms {
    /// The module.
    #[n(0)]
    pub module: ModuleHash,
    /// Its parameters.
    #[n(1)]
    pub params: ContractBytes,
    /// What the channel's opener puts in.
    #[n(2)]
    pub collateral_opener: MilliSats,
    /// What the channel's acceptor puts in.
    #[n(3)]
    pub collateral_acceptor: MilliSats,
    /// The limits, encoded as `strait-contract` encodes them.
    #[n(4)]
    pub limits: ContractBytes,
}

/// Offers terms; the agreement, once given, cannot be withdrawn before `valid_to`.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OfferContract {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The contract to be: chosen by the offerer, never used before on this channel.
    #[n(1)]
    pub contract: ContractId,
    /// The terms.
    #[n(2)]
    pub terms: WireTerms,
    /// The last commitment number at which it may be opened.
    #[n(3)]
    pub valid_to: CommitmentNumber,
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
