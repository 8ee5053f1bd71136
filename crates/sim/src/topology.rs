//! Who is there, who is connected with whom, and who plays foul.

use std::collections::BTreeSet;

use crate::choices::Choices;
use crate::place::Place;

/// How nodes are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each with the next.
    Line,
    /// The first with all others.
    Star,
    /// Each with the next, and the last with the first.
    Ring,
}

/// Two connected nodes, the earlier first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The one.
    pub near: Place,
    /// The other.
    pub far: Place,
}

/// The nodes of a world and their connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    count: usize,
    edges: BTreeSet<Edge>,
    hostile: BTreeSet<Place>,
}

impl Topology {
    /// So many nodes of this shape, of which these play foul.
    #[must_use]
    pub fn new(count: usize, shape: Shape, hostile: impl IntoIterator<Item = Place>) -> Self {
        let places: Vec<Place> = Place::first(count.max(2)).collect();
        let mut edges = BTreeSet::new();
        let mut join = |a: &Place, b: &Place| {
            edges.insert(Edge { near: *a.min(b), far: *a.max(b) });
        };
        match (shape, places.as_slice()) {
            (Shape::Star, [hub, others @ ..]) => others.iter().for_each(|other| join(hub, other)),
            (Shape::Line | Shape::Ring | Shape::Star, _) => {
                places.iter().zip(places.iter().skip(1)).for_each(|(one, next)| join(one, next));
            }
        }
        if let (Shape::Ring, [first, .., last]) = (shape, places.as_slice()) {
            join(last, first);
        }
        let hostile = hostile.into_iter().filter(|place| places.contains(place)).collect();
        Self { count: places.len(), edges, hostile }
    }

    /// Two nodes that play fair.
    #[must_use]
    pub fn pair() -> Self {
        Self::new(2, Shape::Line, [])
    }

    /// The nodes of a run: two as a rule, up to five; in four runs of ten one of them or two play foul.
    #[must_use]
    pub fn draw(choices: &mut Choices) -> Self {
        let count = *choices.pick(&[2, 2, 2, 3, 3, 4, 5]);
        let shape = *choices.pick(&[Shape::Line, Shape::Star, Shape::Ring]);
        let foul = match *choices.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]) {
            2 if count == 2 => 1,
            foul => foul,
        };
        let places: Vec<Place> = Place::first(count).collect();
        let mut hostile = BTreeSet::new();
        while hostile.len() < foul {
            // Without bytes to decide by the same one would be drawn for ever.
            let drawn = *choices.pick(&places);
            let free = places.iter().find(|place| !hostile.contains(*place));
            let chosen = if hostile.contains(&drawn) { free.copied() } else { Some(drawn) };
            hostile.extend(chosen);
        }
        Self::new(count, shape, hostile)
    }

    /// All nodes, in a fixed order.
    pub fn places(&self) -> impl Iterator<Item = Place> + Clone + use<> {
        Place::first(self.count)
    }

    /// All connections.
    pub fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        self.edges.iter().copied()
    }

    /// Those that a node is connected with.
    #[must_use]
    pub fn neighbours(&self, place: Place) -> Vec<Place> {
        let other = |edge: &Edge| match edge {
            Edge { near, far } if *near == place => Some(*far),
            Edge { near, far } if *far == place => Some(*near),
            Edge { .. } => None,
        };
        self.edges.iter().filter_map(other).collect()
    }

    /// True for a node that plays foul.
    #[must_use]
    pub fn is_hostile(&self, place: Place) -> bool {
        self.hostile.contains(&place)
    }

    /// Those that play fair, in a fixed order.
    pub fn honest(&self) -> impl Iterator<Item = Place> + '_ {
        self.places().filter(|place| !self.is_hostile(*place))
    }

    /// Those that play foul, in a fixed order.
    pub fn hostile(&self) -> impl Iterator<Item = Place> + '_ {
        self.hostile.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_joins_whom_it_should() {
        let edges = |count, shape| {
            let topology = Topology::new(count, shape, []);
            topology.edges().map(|e| (e.near.index(), e.far.index())).collect::<Vec<_>>()
        };
        assert_eq!(edges(2, Shape::Ring), [(0, 1)]);
        assert_eq!(edges(4, Shape::Line), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(edges(4, Shape::Star), [(0, 1), (0, 2), (0, 3)]);
        assert_eq!(edges(4, Shape::Ring), [(0, 1), (0, 3), (1, 2), (2, 3)]);
    }

    #[test]
    fn without_anything_to_decide_by_two_play_fair() {
        let mut choices = Choices::from_bytes(Vec::new());
        assert_eq!(Topology::draw(&mut choices), Topology::pair());
    }

    #[test]
    fn somebody_always_plays_fair() {
        for seed in 0..500 {
            let topology = Topology::draw(&mut Choices::from_seed(seed));
            assert!(topology.honest().count() >= 1, "seed {seed}");
        }
    }
}
