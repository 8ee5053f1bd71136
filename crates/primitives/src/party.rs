//! The two parties of a channel by role: the same names on both nodes, so that both compute the same.

use core::ops::Not;

use crate::Side;

/// A party of a channel by how the channel began. `!party` is the other one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Party {
    /// The one that asked for the channel.
    #[n(0)]
    Opener,
    /// The one that agreed to it.
    #[n(1)]
    Acceptor,
}

impl Not for Party {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Opener => Self::Acceptor,
            Self::Acceptor => Self::Opener,
        }
    }
}

impl Party {
    /// The party on `side`, when `self` is this node's own.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        match side {
            Side::Holder => self,
            Side::Counterparty => !self,
        }
    }
}
