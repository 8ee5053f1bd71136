//! The channel protocol over all connections: admits them, and decides which one carries a peer's stream.

use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use strait_primitives::NodeId;
use strait_resilience::CoarseClock;
use thiserror::Error;
use tokio::time::Instant;

use super::admission::Admission;
use super::handler::{Handler, Open, Report, Role, role};
use crate::address::Address;
use crate::event::{Direction, DisconnectReason};
use crate::identity::from_peer_id;
use crate::limits::{CONNECTIONS_PER_PEER_MAX, SIMULTANEOUS, STRANGER_STAYS};
use crate::lock::locked;
use crate::switchboard::Switchboard;

/// What the service hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A link to this peer is up.
    LinkUp(NodeId),
    /// This peer was reached and has no use for us.
    Unsupported(NodeId),
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Denied {
    #[error("this peer has {CONNECTIONS_PER_PEER_MAX} connections already")]
    PerPeer,
    #[error("the peer's address is of no known kind")]
    Address,
}

/// One established connection.
#[derive(Debug)]
struct Connection {
    /// With whom.
    peer: NodeId,
    /// Its name in libp2p.
    peer_id: PeerId,
    /// Where the peer is.
    address: Address,
    /// Who dialled.
    direction: Direction,
    /// Since when.
    since: Instant,
    /// Whether the opener chose it for the stream.
    part: Part,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing yet, or nothing any more.
    Spare,
    /// The stream is being negotiated on it.
    Chosen,
    /// The stream is on it, or was.
    Linked,
}

/// The protocol over all connections.
pub(crate) struct Behaviour {
    /// Shared with the rest of the node.
    board: Arc<Switchboard>,
    /// Those that are established.
    connections: BTreeMap<ConnectionId, Connection>,
    /// Who may dial us.
    admission: Admission,
    /// For libp2p to do.
    actions: VecDeque<ToSwarm<Notice, Open>>,
    /// libp2p, when it waits for an action.
    waker: Option<Waker>,
}

impl Behaviour {
    /// No connections yet.
    pub(crate) fn new(board: Arc<Switchboard>) -> Self {
        Self {
            admission: Admission::new(Arc::clone(&board.policies)),
            board,
            connections: BTreeMap::new(),
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// Where the peer of a connection is.
    pub(crate) fn address_of(&self, connection: ConnectionId) -> Option<&Address> {
        self.connections.get(&connection).map(|held| &held.address)
    }

    /// Admits a connection whose peer has proved its key.
    fn admit(
        &self,
        peer_id: &PeerId,
        address: &Multiaddr,
        direction: Direction,
    ) -> Result<Handler, ConnectionDenied> {
        let peer = from_peer_id(peer_id).map_err(ConnectionDenied::new)?;
        let count = self.connections.values().filter(|held| held.peer == peer).count();
        if count >= CONNECTIONS_PER_PEER_MAX {
            return Err(ConnectionDenied::new(Denied::PerPeer));
        }
        let address = Address::from_multiaddr(address.clone())
            .ok_or_else(|| ConnectionDenied::new(Denied::Address))?;
        Ok(Handler::new(Arc::clone(&self.board), peer, direction, address))
    }

    /// Takes note of a connection; as the opener, decides whether it is to carry the stream.
    fn handle_established(&mut self, connection: ConnectionId, held: Connection) {
        let (peer, peer_id, now) = (held.peer, held.peer_id, held.since);
        self.connections.insert(connection, held);
        match role(self.board.own, peer) {
            Role::Accepter => return,
            Role::Opener => {}
        }
        // One whose link has ended is only waiting to be closed: it is nobody's rival.
        let has_link = self.board.link(&peer).is_some();
        let mut chosen = self.connections.values_mut().filter(|held| {
            let is_rival = match held.part {
                Part::Spare => false,
                Part::Chosen => true,
                Part::Linked => has_link,
            };
            held.peer == peer && is_rival
        });
        match chosen.next() {
            Some(first) if now.duration_since(first.since) < SIMULTANEOUS => {
                self.act(close(peer_id, connection));
                return;
            }
            Some(first) => first.part = Part::Spare,
            None => {}
        }
        if let Some(held) = self.connections.get_mut(&connection) {
            held.part = Part::Chosen;
        }
        let handler = NotifyHandler::One(connection);
        self.act(ToSwarm::NotifyHandler { peer_id, handler, event: Open });
    }

    /// Others may begin so many connections; once the last place is taken, the stranger that has been here longest makes
    /// room for the next. Else a few hundred idle strangers would be all that this node ever meets.
    fn make_room(&mut self, newest: ConnectionId, now: Instant) {
        let most = usize::try_from(self.board.limits.connections_inbound_max).unwrap_or(usize::MAX);
        let kept: BTreeSet<NodeId> = locked(&self.board.dialer).kept().collect();
        let Some(oldest) = in_the_way(&self.connections, newest, most, now, &kept) else { return };
        let Some(held) = self.connections.get(&oldest) else { return };
        let (peer, closing) = (held.peer, close(held.peer_id, oldest));
        if let Some(link) = self.board.link(&peer) {
            self.board.close(&link, DisconnectReason::MadeRoom);
        }
        self.act(closing);
    }

    /// The link is up on `connection`: the peer's other connections have had their time.
    fn handle_link_up(&mut self, connection: ConnectionId) {
        let Some(held) = self.connections.get_mut(&connection) else { return };
        held.part = Part::Linked;
        let (peer, ip) = (held.peer, held.address.ip());
        let dialer = locked(&self.board.dialer);
        if let Some(ip) = ip.filter(|_| dialer.is_kept(&peer)) {
            self.admission.handle_kept(peer, ip, |known| dialer.is_kept(known));
        }
        drop(dialer);
        let others: Vec<_> = self
            .connections
            .iter()
            .filter(|(id, held)| held.peer == peer && **id != connection)
            .map(|(id, held)| close(held.peer_id, *id))
            .collect();
        for other in others {
            self.act(other);
        }
        self.act(ToSwarm::GenerateEvent(Notice::LinkUp(peer)));
    }

    /// Gives libp2p something to do.
    fn act(&mut self, action: ToSwarm<Notice, Open>) {
        self.actions.push_back(action);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The connection that makes room for the next newcomer, if there is no place left: the oldest that a stranger began.
fn in_the_way(
    connections: &BTreeMap<ConnectionId, Connection>,
    newest: ConnectionId,
    most: usize,
    now: Instant,
    kept: &BTreeSet<NodeId>,
) -> Option<ConnectionId> {
    let inbound = || connections.iter().filter(|(_, held)| held.direction == Direction::Inbound);
    if inbound().count() < most {
        return None;
    }
    let may_go = |(id, held): &(&ConnectionId, &Connection)| {
        **id != newest
            && !kept.contains(&held.peer)
            && now.duration_since(held.since) >= STRANGER_STAYS
    };
    inbound().filter(may_go).min_by_key(|(_, held)| held.since).map(|(id, _)| *id)
}

/// Closes one connection.
const fn close(peer_id: PeerId, connection: ConnectionId) -> ToSwarm<Notice, Open> {
    ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(connection) }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Notice;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let unknown = || ConnectionDenied::new(Denied::Address);
        let address = Address::from_multiaddr(remote.clone()).ok_or_else(unknown)?;
        let ip = address.ip().ok_or_else(unknown)?;
        let admitted = self.admission.admit(connection, &address, ip, &CoarseClock);
        admitted.map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.admit(&peer, remote, Direction::Inbound)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        self.admit(&peer, remote, Direction::Outbound)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events grow with its versions, and the rest do not concern us"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                let address = event.endpoint.get_remote_address().clone();
                let peer = from_peer_id(&event.peer_id).expect("admitted above");
                let address = Address::from_multiaddr(address).expect("admitted above");
                let (since, part) = (Instant::now(), Part::Spare);
                let direction = match event.endpoint {
                    ConnectedPoint::Dialer { .. } => Direction::Outbound,
                    ConnectedPoint::Listener { .. } => Direction::Inbound,
                };
                let peer_id = event.peer_id;
                self.admission.handle_ended(event.connection_id);
                let held = Connection { peer, peer_id, address, direction, since, part };
                self.handle_established(event.connection_id, held);
                self.make_room(event.connection_id, since);
            }
            // Whichever behaviour turned it away, or whatever else failed.
            FromSwarm::ListenFailure(event) => self.admission.handle_ended(event.connection_id),
            FromSwarm::ConnectionClosed(event) => {
                self.connections.remove(&event.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer_id: PeerId,
        connection: ConnectionId,
        report: Report,
    ) {
        let peer = self.connections.get(&connection).map(|held| held.peer);
        match report {
            Report::Up => return self.handle_link_up(connection),
            Report::Unsupported => {
                if let Some(peer) = peer {
                    self.act(ToSwarm::GenerateEvent(Notice::Unsupported(peer)));
                }
            }
            Report::NoRoom => tracing::warn!(?peer, "no room for another link"),
            Report::Ended(reason) => tracing::debug!(?peer, %reason, "link ended"),
        }
        self.act(close(peer_id, connection));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Notice, THandlerInEvent<Self>>> {
        if let Some(action) = self.actions.pop_front() {
            return Poll::Ready(action);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use crate::identity::{Identity, to_peer_id};

    use super::*;

    fn held(secret: u8, direction: Direction, since: Instant) -> Connection {
        let peer = Identity::from_secret([secret; 32]).unwrap().node_id();
        Connection {
            peer,
            peer_id: to_peer_id(peer).unwrap(),
            address: "/ip4/127.0.0.1/tcp/1".parse().unwrap(),
            direction,
            since,
            part: Part::Spare,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_stranger_makes_room_once_the_last_place_is_taken() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let rows = [
            held(1, Direction::Inbound, at(0)),
            held(2, Direction::Outbound, at(1)),
            held(3, Direction::Inbound, at(2)),
            held(4, Direction::Inbound, at(3)),
            held(5, Direction::Inbound, at(60)),
        ];
        let friend = rows[0].peer;
        let id = ConnectionId::new_unchecked;
        let connections: BTreeMap<_, _> = (0..).map(id).zip(rows).collect();
        let check = |most, now, kept: &[NodeId], expect: Option<usize>| {
            let kept = kept.iter().copied().collect();
            let found = in_the_way(&connections, id(4), most, at(now), &kept);
            assert_eq!(found, expect.map(id), "of {most} places after {now} s");
        };
        check(5, 60, &[], None);
        check(4, 60, &[], Some(0));
        check(4, 60, &[friend], Some(2));
        check(4, 9, &[], None);
        check(4, 11, &[friend], None);
        check(1, 12, &[friend], Some(2));
    }
}
