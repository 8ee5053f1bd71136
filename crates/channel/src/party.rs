//! One value for each party, and how contracts call the parties.

use strait_primitives::Party;

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
    /// The value of `party`.
    pub const fn get(&self, party: Party) -> &T {
        match party {
            Party::Opener => &self.opener,
            Party::Acceptor => &self.acceptor,
        }
    }

    /// The value of `party`, to change it.
    pub const fn entry(&mut self, party: Party) -> &mut T {
        match party {
            Party::Opener => &mut self.opener,
            Party::Acceptor => &mut self.acceptor,
        }
    }
}

/// How a contract's module calls a party.
#[must_use]
pub const fn contract_party(party: Party) -> strait_contract::Party {
    match party {
        Party::Opener => strait_contract::Party::First,
        Party::Acceptor => strait_contract::Party::Second,
    }
}

/// The party that a contract's module calls by this name.
#[must_use]
pub const fn channel_party(party: strait_contract::Party) -> Party {
    match party {
        strait_contract::Party::First => Party::Opener,
        strait_contract::Party::Second => Party::Acceptor,
    }
}
