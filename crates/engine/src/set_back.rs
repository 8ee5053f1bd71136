//! A clock that is set back: what was stamped before moves with it.
//!
//! Stamps in memory say since when a peer owes something, or when it has earned back what its contracts burnt. Against a clock
//! that was set back by a day each of them would last a day longer, and whoever waits for one would wait as long. What is in
//! the log keeps its stamps: requests are remembered for longer, and a token that has expired stays so, because its end is
//! judged by the latest moment that is known of.
//!
//! The clock is looked at with each tick, so that what moves is right to a tick.

use strait_primitives::{Millis, Timestamp};

use crate::engine::Engine;

impl Engine {
    /// Looks at the clock.
    pub(crate) fn note_clock(&mut self, now: Timestamp) {
        let by = self.clock_seen.since(now);
        self.clock_seen = now;
        if by == Millis(0) {
            return;
        }
        self.work.set_back(by);
        for connection in self.connected.values_mut() {
            connection.set_back(by);
        }
        for (at, _, _) in &mut self.answered_openings {
            *at = at.before(by);
        }
        self.clock_noted = self.clock_noted.map(|at| at.before(by));
        for channel in self.channels.values_mut() {
            channel.handle_clock_set_back(by);
        }
    }
}
