//! Connections: made, answered, replaced, cut, and noticed to be gone.

use strait_engine::Input;
use strait_wire::Message;

use super::World;
use super::effects::describe;
use crate::agenda::{Happening, Life};
use crate::host::Chore;
use crate::network::ConnectionId;
use crate::place::Place;

impl World {
    /// The node wants to stay connected: dials as long as it lives.
    pub(super) fn keep_connected(&mut self, place: Place) {
        let host = self.hosts.at_mut(place);
        let life = host.life;
        let Some(running) = &mut host.running else { return };
        if running.planned.insert(Chore::Dial) {
            self.plan_between(0, 100, Happening::Dial(place, life));
        }
    }

    pub(super) fn dial(&mut self, place: Place, life: Life) {
        self.plan_between(100, 2_000, Happening::Dial(place, life));
        if self.network.link(place).is_some() || self.hosts.at(!place).running.is_none() {
            return;
        }
        let now = self.agenda.now();
        let connection = self.network.connect(now);
        let delay = self.choices.below(self.weather.latency_ms_max + 1);
        let up = now.after(strait_primitives::Millis(delay));
        self.network.hold_back(!place, connection, up);
        self.come_up(place, connection);
        self.agenda.at(up, Happening::Answer(!place, connection));
    }

    pub(super) fn answer(&mut self, place: Place, connection: ConnectionId) {
        if !self.network.is_whole(connection) {
            return;
        }
        if self.hosts.at(place).running.is_none() {
            self.network.cut(connection);
            self.plan_between(0, 100, Happening::Notice(!place, connection));
            return;
        }
        self.come_up(place, connection);
    }

    /// A connection is up at one end, in the place of an older one.
    fn come_up(&mut self, place: Place, connection: ConnectionId) {
        let peer = self.hosts.at(!place).node_id();
        if let Some(older) = self.network.come_up(place, connection) {
            self.network.cut(older);
            self.network.forget(place, older);
            self.plan_between(0, 500, Happening::Notice(!place, older));
            self.tell(&format!("{place} replaces connection {}", older.0));
            self.put(place, Input::PeerDisconnected(peer));
        }
        self.tell(&format!("{place} is connected ({})", connection.0));
        self.put(place, Input::PeerConnected(peer));
    }

    /// The next frame arrives.
    pub(super) fn arrive(&mut self, place: Place, connection: ConnectionId) {
        let Some(frame) = self.network.take(place, connection) else { return };
        let peer = self.hosts.at(!place).node_id();
        let message = Message::from_frame(&frame).expect("what one node writes the other reads");
        let message = message.expect("both know the same messages");
        self.tell(&format!("{place} hears {}", describe(&message)));
        self.put(place, Input::PeerMessage(peer, Box::new(message)));
    }

    /// One end learns that a connection is gone.
    pub(super) fn notice(&mut self, place: Place, connection: ConnectionId) {
        if !self.network.forget(place, connection) {
            return;
        }
        let peer = self.hosts.at(!place).node_id();
        self.tell(&format!("{place} has lost connection {}", connection.0));
        self.put(place, Input::PeerDisconnected(peer));
    }

    /// The node itself ends its link.
    pub(super) fn hang_up(&mut self, place: Place) {
        let Some(connection) = self.network.link(place) else { return };
        let last = self.network.hang_up(place, connection);
        self.tell(&format!("{place} hangs up connection {}", connection.0));
        self.notice(place, connection);
        let delay = self.choices.below(self.weather.latency_ms_max + 1);
        let at = last.max(self.agenda.now()).after(strait_primitives::Millis(delay));
        self.agenda.at(at, Happening::Notice(!place, connection));
    }

    /// Bytes stop getting through; each end notices in its own time.
    pub(super) fn cut(&mut self) {
        let links = Place::BOTH.map(|place| self.network.link(place));
        for connection in links.into_iter().flatten() {
            self.network.cut(connection);
            self.tally.cuts += 1;
            self.tell(&format!("connection {} is cut", connection.0));
            for end in Place::BOTH {
                let slow = if self.choices.chance(200) { 20_000 } else { 300 };
                self.plan_between(0, slow, Happening::Notice(end, connection));
            }
        }
    }
}
