//! The two nodes of a world.

use core::fmt;
use core::ops::Not;

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The one.
    Alice,
    /// The other.
    Bob,
}

impl Place {
    /// Both, in a fixed order.
    pub const BOTH: [Self; 2] = [Self::Alice, Self::Bob];
}

impl Not for Place {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        })
    }
}

/// One value for each node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Two<T> {
    pub(crate) alice: T,
    pub(crate) bob: T,
}

impl<T> Two<T> {
    /// Makes the value of each.
    pub(crate) fn of(mut make: impl FnMut(Place) -> T) -> Self {
        Self { alice: make(Place::Alice), bob: make(Place::Bob) }
    }

    /// The value of `place`.
    pub(crate) const fn at(&self, place: Place) -> &T {
        match place {
            Place::Alice => &self.alice,
            Place::Bob => &self.bob,
        }
    }

    /// The value of `place`, to change it.
    pub(crate) const fn at_mut(&mut self, place: Place) -> &mut T {
        match place {
            Place::Alice => &mut self.alice,
            Place::Bob => &mut self.bob,
        }
    }
}
