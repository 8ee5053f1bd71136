//! The phases before both commitments 0 are signed.

use strait_wire::{AcceptChannel, OpenChannel};

use crate::event::Signed;
use crate::setup::FundingOutput;

/// The opener has asked.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Offered {
    /// What was sent; sent again after a reconnection.
    #[n(0)]
    pub open: OpenChannel,
}

/// The acceptor has answered.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Answered {
    /// What was received; a repeated request must equal it.
    #[n(0)]
    pub open: OpenChannel,
    /// What was answered; sent again after a reconnection.
    #[n(1)]
    pub accept: AcceptChannel,
}

/// The opener has signed the acceptor's commitment 0.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OpeningSigned {
    /// What was sent first.
    #[n(0)]
    pub open: OpenChannel,
    /// What was answered.
    #[n(1)]
    pub accept: AcceptChannel,
    /// The funding output that follows.
    #[n(2)]
    pub funding: FundingOutput,
    /// The signature on the acceptor's commitment 0; sent again after a reconnection.
    #[n(3)]
    pub signature: Signed,
}
