//! The network between the two nodes: connections that keep order, take their time, and break.
//!
//! A connection is a pair of one-way queues. A cut loses what is in flight in both; until an end notices it goes on
//! sending into nothing (half-open). A node has one link at a time: a new connection replaces the old one at each end
//! when that end learns of it, as in `strait-net`.

use std::collections::{BTreeMap, VecDeque};

use strait_primitives::Timestamp;

use crate::place::{Place, Two};

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Whether bytes still get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    Cut,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    wire: Wire,
    /// Frames on their way to each node, with the time they arrive.
    to: Two<VecDeque<(Timestamp, Vec<u8>)>>,
    /// The latest arrival planned to each node: order is kept.
    latest: Two<Timestamp>,
}

/// All connections that still matter.
#[derive(Debug, Default)]
pub(crate) struct Network {
    next: u64,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What each node takes for its live link.
    links: Two<Option<ConnectionId>>,
}

impl Network {
    /// The live link of a node, as far as it knows.
    pub(crate) const fn link(&self, place: Place) -> Option<ConnectionId> {
        *self.links.at(place)
    }

    /// A new connection, not yet known at either end.
    pub(crate) fn connect(&mut self, now: Timestamp) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let connection = Connection {
            wire: Wire::Whole,
            to: Two::default(),
            latest: Two { alice: now, bob: now },
        };
        self.connections.insert(id, connection);
        id
    }

    /// One end learns of the connection and uses it from now on; returns the link it replaces.
    pub(crate) fn come_up(&mut self, place: Place, id: ConnectionId) -> Option<ConnectionId> {
        self.links.at_mut(place).replace(id)
    }

    /// True while bytes get through.
    pub(crate) fn is_whole(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.wire == Wire::Whole)
    }

    /// Nothing arrives at this end before that time.
    pub(crate) fn hold_back(&mut self, place: Place, id: ConnectionId, until: Timestamp) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let latest = connection.latest.at_mut(place);
            *latest = (*latest).max(until);
        }
    }

    /// Puts a frame on the way from one node; returns when it arrives, unless it is lost at once.
    pub(crate) fn send(
        &mut self,
        from: Place,
        frame: Vec<u8>,
        earliest: Timestamp,
    ) -> Option<(ConnectionId, Timestamp)> {
        let id = self.link(from)?;
        let connection = self.connections.get_mut(&id)?;
        if connection.wire == Wire::Cut {
            return None;
        }
        let latest = connection.latest.at_mut(!from);
        *latest = (*latest).max(earliest);
        let arrival = *latest;
        connection.to.at_mut(!from).push_back((arrival, frame));
        Some((id, arrival))
    }

    /// The frame that arrives now; none if the connection broke before.
    pub(crate) fn take(&mut self, to: Place, id: ConnectionId) -> Option<Vec<u8>> {
        if self.link(to) != Some(id) {
            return None;
        }
        let connection = self.connections.get_mut(&id)?;
        connection.to.at_mut(to).pop_front().map(|(_, frame)| frame)
    }

    /// Breaks a connection; what is in flight is lost.
    pub(crate) fn cut(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.wire = Wire::Cut;
            connection.to = Two::default();
        }
    }

    /// One end ends the connection in order: what it has sent still arrives, the rest is lost.
    pub(crate) fn hang_up(&mut self, place: Place, id: ConnectionId) -> Timestamp {
        let Some(connection) = self.connections.get_mut(&id) else { return Timestamp::default() };
        connection.wire = Wire::Cut;
        connection.to.at_mut(place).clear();
        *connection.latest.at(!place)
    }

    /// One end knows that the connection is gone; true if it was its live link.
    pub(crate) fn forget(&mut self, place: Place, id: ConnectionId) -> bool {
        let was_live = self.link(place) == Some(id);
        if was_live {
            *self.links.at_mut(place) = None;
        }
        if Place::BOTH.iter().all(|place| self.link(*place) != Some(id)) {
            self.connections.remove(&id);
        }
        was_live
    }
}
