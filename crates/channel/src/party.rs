//! The two parties of a channel by role: the same names on both nodes, so that both compute the same ledger.

use core::ops::Not;

use strait_primitives::Side;

/// Who started the channel. `!party` is the other one.
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

    /// How a contract's module calls this party.
    #[must_use]
    pub const fn to_contract(self) -> strait_contract::Party {
        match self {
            Self::Opener => strait_contract::Party::First,
            Self::Acceptor => strait_contract::Party::Second,
        }
    }

    /// The party that a contract's module calls by this name.
    #[must_use]
    pub const fn from_contract(party: strait_contract::Party) -> Self {
        match party {
            strait_contract::Party::First => Self::Opener,
            strait_contract::Party::Second => Self::Acceptor,
        }
    }
}

/// One value for each party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Pair<T> {
    /// The opener's.
    #[n(0)]
    pub opener: T,
    /// The acceptor's.
    #[n(1)]
    pub acceptor: T,
}

impl<T> Pair<T> {
    /// Puts `own` where `party` stands and `other` where its counterparty stands.
    pub fn of(party: Party, own: T, other: T) -> Self {
        match party {
            Party::Opener => Self { opener: own, acceptor: other },
            Party::Acceptor => Self { opener: other, acceptor: own },
        }
    }

    /// The value of `party`.
    pub const fn get(&self, party: Party) -> &T {
        match party {
            Party::Opener => &self.opener,
            Party::Acceptor => &self.acceptor,
        }
    }

    /// The value of `party`, to change it.
    pub const fn get_mut(&mut self, party: Party) -> &mut T {
        match party {
            Party::Opener => &mut self.opener,
            Party::Acceptor => &mut self.acceptor,
        }
    }
}
