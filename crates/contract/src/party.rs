//! The two parties as the contract sees them: the same names on both machines.

use core::fmt;
use core::ops::Not;

/// A party of a contract. The channel's opener is always `First`, its acceptor `Second`, whoever opened the contract.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Party {
    /// The opener of the channel.
    #[n(0)]
    First,
    /// The acceptor of the channel.
    #[n(1)]
    Second,
}

impl Not for Party {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}
