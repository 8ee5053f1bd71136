//! Connections: made, answered, replaced, cut, and noticed to be gone.

use strait_engine::Input;
use strait_wire::Message;

use super::World;
use super::effects::describe;
use crate::agenda::{Happening, Life};
use crate::host::Chore;
use crate::network::ConnectionId;
use crate::oracle::Violation;
use crate::place::Place;

impl World {
    /// The node wants to stay connected with a peer: dials as long as it lives.
    pub(super) fn keep_connected(&mut self, place: Place, peer: Place) {
        let host = self.hosts.at_mut(place);
        let life = host.life;
        let Some(running) = &mut host.running else { return };
        if running.planned.insert(Chore::Dial(peer)) {
            self.plan_between(0, 100, Happening::Dial(place, life, peer));
        }
    }

    pub(super) fn dial(&mut self, place: Place, life: Life, peer: Place) {
        self.plan_between(100, 2_000, Happening::Dial(place, life, peer));
        if self.network.link(place, peer).is_some() || self.hosts.at(peer).running.is_none() {
            return;
        }
        let now = self.agenda.now();
        let connection = self.network.connect(place, peer, now);
        let delay = self.choices.below(self.weather.latency_ms_max + 1);
        let up = now.after(strait_primitives::Millis(delay));
        self.network.hold_back(peer, connection, up);
        self.come_up(place, peer, connection);
        self.agenda.at(up, Happening::Answer(peer, connection));
    }

    pub(super) fn answer(&mut self, place: Place, connection: ConnectionId) {
        if !self.network.is_whole(connection) {
            return;
        }
        let Some(peer) = self.network.peer(place, connection) else { return };
        if self.hosts.at(place).running.is_none() {
            self.network.cut(connection);
            self.plan_between(0, 100, Happening::Notice(peer, connection));
            return;
        }
        self.come_up(place, peer, connection);
    }

    /// A connection is up at one end, in the place of an older one.
    fn come_up(&mut self, place: Place, peer: Place, connection: ConnectionId) {
        let node = self.hosts.at(peer).node_id();
        if let Some(older) = self.network.come_up(place, connection) {
            self.network.cut(older);
            self.network.forget(place, older);
            self.plan_between(0, 500, Happening::Notice(peer, older));
            self.tell(&format!("{place} replaces connection {}", older.0));
            self.put(place, Input::PeerDisconnected(node));
        }
        self.tell(&format!("{place} is connected with {peer} ({})", connection.0));
        self.put(place, Input::PeerConnected(node));
    }

    /// The next frame arrives. Who says what cannot be read is hung up on, as `strait-net` does.
    pub(super) fn arrive(
        &mut self,
        place: Place,
        connection: ConnectionId,
    ) -> Result<(), Violation> {
        let Some((peer, frame)) = self.network.take(place, connection) else { return Ok(()) };
        let node = self.hosts.at(peer).node_id();
        match Message::from_frame(&frame) {
            Ok(Some(message)) => {
                self.tell(&format!("{place} hears {peer}: {}", describe(&message)));
                self.put(place, Input::PeerMessage(node, Box::new(message)));
            }
            Ok(None) => {}
            Err(error) if self.topology.is_hostile(peer) => {
                self.tell(&format!("{place} cannot read {peer}: {error}"));
                self.hang_up(place, peer);
            }
            Err(error) => {
                let what = error.to_string();
                return Err(Violation::Accused { node: place.to_string(), what });
            }
        }
        Ok(())
    }

    /// One end learns that a connection is gone.
    pub(super) fn notice(&mut self, place: Place, connection: ConnectionId) {
        let Some(peer) = self.network.forget(place, connection) else { return };
        let node = self.hosts.at(peer).node_id();
        self.tell(&format!("{place} has lost connection {} with {peer}", connection.0));
        self.put(place, Input::PeerDisconnected(node));
    }

    /// The node itself ends its link with a peer.
    pub(super) fn hang_up(&mut self, place: Place, peer: Place) {
        let Some(connection) = self.network.link(place, peer) else { return };
        let last = self.network.hang_up(place, connection);
        self.tell(&format!("{place} hangs up connection {} with {peer}", connection.0));
        let delay = self.choices.below(self.weather.latency_ms_max + 1);
        let at = last.max(self.agenda.now()).after(strait_primitives::Millis(delay));
        self.agenda.at(at, Happening::Notice(peer, connection));
        self.notice(place, connection);
    }

    /// Bytes stop getting through between some who are connected; each end notices in its own time.
    pub(super) fn cut(&mut self) {
        let live = self.network.live();
        if live.is_empty() {
            return;
        }
        let ((near, far), _) = *self.choices.pick(&live);
        let ends = [(near, far), (far, near)];
        let links = ends.map(|(one, other)| self.network.link(one, other));
        for connection in links.into_iter().flatten() {
            self.network.cut(connection);
            self.tally.cuts += 1;
            self.tell(&format!("connection {} is cut", connection.0));
            for end in [near, far] {
                let slow = if self.choices.chance(200) { 20_000 } else { 300 };
                self.plan_between(0, slow, Happening::Notice(end, connection));
            }
        }
    }
}
