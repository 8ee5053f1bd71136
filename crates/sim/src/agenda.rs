//! What is to happen, and when: a queue ordered by simulated time, ties broken by who was first.

use std::collections::BTreeMap;

use strait_primitives::{Millis, Timestamp};

use crate::network::ConnectionId;
use crate::place::Place;

/// A start of a node; what was planned for an earlier one does not happen any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Life(pub(crate) u64);

/// Happenings within one millisecond after which nothing can be getting on any more.
const HAPPENINGS_PER_MS_MAX: u64 = 20_000;

/// Something that will happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The engine takes what waits in its inbox.
    Engine(Place, Life),
    /// The writer's write is done.
    Write(Place, Life),
    /// The node is told that time has passed.
    Tick(Place, Life),
    /// The node asks its chain for news and hands in what it wants mined.
    Chain(Place, Life),
    /// The node tries to reach a peer.
    Dial(Place, Life, Place),
    /// The other end of a new connection comes up.
    Answer(Place, ConnectionId),
    /// The next frame to this node arrives.
    Arrival(Place, ConnectionId),
    /// This node notices that the connection is gone.
    Notice(Place, ConnectionId),
    /// The node is started again.
    Start(Place),
    /// The ghosts of this node look at the chain.
    Ghosts(Place),
    /// A user of this node does something.
    User(Place),
    /// A block is found.
    Block,
    /// Something goes wrong.
    Misfortune,
}

/// The queue and the clock.
#[derive(Debug)]
pub(crate) struct Agenda {
    now: Timestamp,
    serial: u64,
    /// Happenings since the clock moved.
    in_this_ms: u64,
    queue: BTreeMap<(Timestamp, u64), Happening>,
}

impl Agenda {
    /// Nothing planned, at this time.
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self { now, serial: 0, in_this_ms: 0, queue: BTreeMap::new() }
    }

    /// The simulated time.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The simulated time in whole seconds, as blocks carry it.
    pub(crate) const fn now_s(&self) -> u64 {
        self.now.to_unix_ms() / 1_000
    }

    /// Plans a happening.
    pub(crate) fn after(&mut self, span: Millis, happening: Happening) {
        self.at(self.now.after(span), happening);
    }

    /// Plans a happening for a given time, which may be now.
    pub(crate) fn at(&mut self, time: Timestamp, happening: Happening) {
        self.serial += 1;
        self.queue.insert((time.max(self.now), self.serial), happening);
    }

    /// The next happening; the clock moves to its time.
    pub(crate) fn next(&mut self) -> Option<Happening> {
        let ((time, _), happening) = self.queue.pop_first()?;
        self.in_this_ms = if time == self.now { self.in_this_ms + 1 } else { 0 };
        assert!(
            self.in_this_ms < HAPPENINGS_PER_MS_MAX,
            "the world runs on the spot: {happening:?}"
        );
        self.now = time;
        Some(happening)
    }
}
