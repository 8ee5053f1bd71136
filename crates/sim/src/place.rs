//! The nodes of a world.

use core::fmt;

/// One of the nodes of a world, of which there are two to five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u8);

/// What the nodes are called.
const NAMES: [&str; Place::MOST] = ["alice", "bob", "carol", "dave", "erin"];

impl Place {
    /// The most nodes in a world.
    pub const MOST: usize = 5;
    /// The first node, which every world has.
    pub const ALICE: Self = Self(0);
    /// The second, which every world has too.
    pub const BOB: Self = Self(1);

    /// The first nodes, in a fixed order.
    pub fn first(count: usize) -> impl Iterator<Item = Self> + Clone {
        (0_u8..).take(count.min(Self::MOST)).map(Self)
    }

    /// The node of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::first(Self::MOST).find(|place| place.name() == name)
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().expect("every node has a name")
    }

    /// Its place in a list of all nodes.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Each<T>(Vec<T>);

impl<T> Each<T> {
    /// Makes the value of each.
    pub(crate) fn of(places: impl Iterator<Item = Place>, make: impl FnMut(Place) -> T) -> Self {
        Self(places.map(make).collect())
    }

    /// The value of `place`.
    pub(crate) fn at(&self, place: Place) -> &T {
        self.0.get(place.index()).expect("a place of this world")
    }

    /// The value of `place`, to change it.
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut T {
        self.0.get_mut(place.index()).expect("a place of this world")
    }

    /// All values, in the order of the places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
