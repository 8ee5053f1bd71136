//! The two ends of a channel, seen from inside one node.

use core::ops::Not;

/// Whose: this node's, or the other's. `!side` is the other one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Side {
    /// This node.
    #[n(0)]
    Holder,
    /// The node at the other end.
    #[n(1)]
    Counterparty,
}

impl Side {
    /// True for this node's own side.
    #[must_use]
    pub const fn is_holder(self) -> bool {
        matches!(self, Self::Holder)
    }
}

impl Not for Side {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Holder => Self::Counterparty,
            Self::Counterparty => Self::Holder,
        }
    }
}
