//! The network between the nodes: connections that keep order, take their time, and break.
//!
//! A connection is a pair of one-way queues. A cut loses what is in flight in both; until an end notices it goes on
//! sending into nothing (half-open). Two nodes have one link at a time: a new connection replaces the old one at each end
//! when that end learns of it, as in `strait-net`. Connections of different pairs know nothing of each other's order.

use std::collections::{BTreeMap, VecDeque};

use strait_primitives::Timestamp;

use crate::place::Place;

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Whether bytes still get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    Cut,
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    place: Place,
    /// Frames on their way to it, in order.
    coming: VecDeque<Vec<u8>>,
    /// The latest arrival planned: order is kept.
    latest: Timestamp,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    wire: Wire,
    ends: [End; 2],
}

impl Connection {
    fn end(&mut self, place: Place) -> Option<&mut End> {
        self.ends.iter_mut().find(|end| end.place == place)
    }

    fn other(&self, place: Place) -> Option<Place> {
        self.ends.iter().map(|end| end.place).find(|end| *end != place)
    }
}

/// A node's view of another: the one, then the other.
type Pair = (Place, Place);

/// All connections that still matter.
#[derive(Debug, Default)]
pub(crate) struct Network {
    next: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What each node takes for its live link with each peer.
    links: BTreeMap<Pair, ConnectionId>,
}

impl Network {
    /// The live link of a node with a peer, as far as it knows.
    pub(crate) fn link(&self, place: Place, peer: Place) -> Option<ConnectionId> {
        self.links.get(&(place, peer)).copied()
    }

    /// All live links of a node.
    pub(crate) fn links_of(&self, place: Place) -> Vec<(Place, ConnectionId)> {
        let own = self.links.iter().filter(|((near, _), _)| *near == place);
        own.map(|((_, peer), id)| (*peer, *id)).collect()
    }

    /// Everything that some node takes for a live link.
    pub(crate) fn live(&self) -> Vec<(Pair, ConnectionId)> {
        self.links.iter().map(|(pair, id)| (*pair, *id)).collect()
    }

    /// A new connection, not yet known at either end.
    pub(crate) fn connect(&mut self, near: Place, far: Place, now: Timestamp) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let end = |place| End { place, coming: VecDeque::new(), latest: now };
        let connection = Connection { wire: Wire::Whole, ends: [end(near), end(far)] };
        self.connections.insert(id, connection);
        id
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self, place: Place, id: ConnectionId) -> Option<Place> {
        self.connections.get(&id)?.other(place)
    }

    /// One end learns of the connection and uses it from now on; returns the link it replaces.
    pub(crate) fn come_up(&mut self, place: Place, id: ConnectionId) -> Option<ConnectionId> {
        let peer = self.peer(place, id)?;
        self.links.insert((place, peer), id)
    }

    /// True while bytes get through.
    pub(crate) fn is_whole(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.wire == Wire::Whole)
    }

    /// Nothing arrives at this end before that time.
    pub(crate) fn hold_back(&mut self, place: Place, id: ConnectionId, until: Timestamp) {
        if let Some(end) = self.connections.get_mut(&id).and_then(|c| c.end(place)) {
            end.latest = end.latest.max(until);
        }
    }

    /// Puts a frame on the way from one node to another; returns when it arrives, unless it is lost at once.
    pub(crate) fn send(
        &mut self,
        from: Place,
        to: Place,
        frame: Vec<u8>,
        earliest: Timestamp,
    ) -> Option<(ConnectionId, Timestamp)> {
        let id = self.link(from, to)?;
        let connection = self.connections.get_mut(&id)?;
        if connection.wire == Wire::Cut {
            return None;
        }
        let end = connection.end(to)?;
        end.latest = end.latest.max(earliest);
        end.coming.push_back(frame);
        Some((id, end.latest))
    }

    /// The frame that arrives now, and from whom; none if the connection broke before.
    pub(crate) fn take(&mut self, to: Place, id: ConnectionId) -> Option<(Place, Vec<u8>)> {
        let from = self.peer(to, id)?;
        if self.link(to, from) != Some(id) {
            return None;
        }
        let frame = self.connections.get_mut(&id)?.end(to)?.coming.pop_front()?;
        Some((from, frame))
    }

    /// Breaks a connection; what is in flight is lost.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.wire = Wire::Cut;
            connection.ends.iter_mut().for_each(|end| end.coming.clear());
        }
    }

    /// One end ends the connection in order: what it has sent still arrives, the rest is lost.
    pub(crate) fn hang_up(&mut self, place: Place, id: ConnectionId) -> Timestamp {
        let Some(connection) = self.connections.get_mut(&id) else { return Timestamp::default() };
        connection.wire = Wire::Cut;
        let mut last = Timestamp::default();
        for end in &mut connection.ends {
            if end.place == place {
                end.coming.clear();
            } else {
                last = end.latest;
            }
        }
        last
    }

    /// One end knows that the connection is gone; returns the peer if it was the live link with it.
    pub(crate) fn forget(&mut self, place: Place, id: ConnectionId) -> Option<Place> {
        let peer = self.peer(place, id)?;
        let was_live = self.link(place, peer) == Some(id);
        if was_live {
            self.links.remove(&(place, peer));
        }
        if self.link(peer, place) != Some(id) && self.link(place, peer) != Some(id) {
            self.connections.remove(&id);
        }
        was_live.then_some(peer)
    }
}
