//! Dials: resolved, begun, failed, answered.

use core::net::IpAddr;

use libp2p::PeerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use strait_primitives::NodeId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Service;
use crate::address::{Address, Host};
use crate::handle::{Connect, ConnectError};
use crate::identity::{from_peer_id, to_peer_id};
use crate::limits::{CONNECTS_WAITING_MAX, HOPE};
use crate::lock::locked;
use crate::resolve::resolve;

/// Someone who waits for a link.
#[derive(Debug)]
pub(super) struct Waiter {
    /// To whom.
    peer: NodeId,
    /// Where.
    address: Address,
    /// The dial made for it; none while it waits for what becomes of a connection that was there already.
    dial: Option<ConnectionId>,
    /// When to give up, once the connection has been closed.
    until: Option<Instant>,
    /// To the one who waits.
    answer: oneshot::Sender<Result<(), ConnectError>>,
}

/// A dial to be made.
#[derive(Debug)]
pub(super) struct Dial {
    /// Whom to expect.
    pub(super) peer: NodeId,
    /// Where.
    pub(super) addresses: Vec<Address>,
    /// Who waits for it; nobody when the peer is kept.
    pub(super) waiter: Option<Waiter>,
}

impl Service {
    /// Someone wants a link.
    pub(super) fn handle_connect(&mut self, Connect { peer, address, answer }: Connect) {
        self.waiters.retain(|waiter| !waiter.answer.is_closed());
        // The receiver may be gone in each of these answers: then nobody misses it.
        if self.board.link(&peer).is_some() {
            let _ = answer.send(Ok(()));
        } else if self.waiters.len() + self.resolving.len() >= CONNECTS_WAITING_MAX {
            let _ = answer.send(Err(ConnectError::Busy));
        } else {
            let waiter = Waiter { peer, address: address.clone(), dial: None, until: None, answer };
            self.resolve_and_dial(Dial { peer, addresses: vec![address], waiter: Some(waiter) });
        }
    }

    /// Dials, after resolving names if there are any.
    pub(super) fn resolve_and_dial(&mut self, mut dial: Dial) {
        if dial.addresses.iter().all(|address| matches!(address.host(), Host::Ip(_))) {
            self.dial(dial);
            return;
        }
        self.resolving.spawn(async move {
            dial.addresses = resolve(dial.addresses).await;
            dial
        });
    }

    /// Begins a dial.
    pub(super) fn dial(&mut self, Dial { peer, addresses, waiter }: Dial) {
        let condition = match waiter {
            Some(_) => PeerCondition::Disconnected,
            None => PeerCondition::DisconnectedAndNotDialing,
        };
        let peer_id = to_peer_id(peer).expect("checked before it was asked for");
        let addresses: Vec<_> = addresses.iter().map(|a| a.as_multiaddr().clone()).collect();
        // A port of its own: from the listening port, two nodes that dial each other at once would meet in the
        // middle of one TCP connection, each taking itself for the dialler.
        let options = DialOpts::peer_id(peer_id)
            .condition(condition)
            .allocate_new_port()
            .addresses(addresses)
            .build();
        let dial = options.connection_id();
        self.waiters.extend(waiter.map(|waiter| Waiter { dial: Some(dial), ..waiter }));
        self.dialing.insert(dial, peer);
        self.board.meters.dial_attempts.count();
        if let Err(error) = self.swarm.dial(options) {
            self.handle_dial_error(dial, error);
        }
    }

    /// A dial has failed.
    pub(super) fn handle_dial_error(&mut self, dial: ConnectionId, error: DialError) {
        let Some(peer) = self.dialing.remove(&dial) else { return };
        if let DialError::DialPeerConditionFalse(_) = error {
            // A connection is there or on its way: the link that comes of it answers, or its end.
            for waiter in self.waiters.iter_mut().filter(|waiter| waiter.dial == Some(dial)) {
                waiter.dial = None;
            }
            let entropy = self.entropy();
            if self.board.link(&peer).is_none() {
                locked(&self.board.dialer).handle_link_down(&peer, Instant::now(), entropy);
            }
            return;
        }
        self.board.meters.dial_failures.count();
        tracing::debug!(%peer, %error, "dial failed");
        let entropy = self.entropy();
        locked(&self.board.dialer).handle_link_down(&peer, Instant::now(), entropy);
        let waiting = self.waiters.iter().position(|waiter| waiter.dial == Some(dial));
        if let Some(waiter) = waiting.map(|index| self.waiters.swap_remove(index)) {
            let _ = waiter.answer.send(Err(explain(error, waiter.peer, waiter.address)));
        }
    }

    /// A peer's last connection is closed: whoever waits for what it dialled waits not much longer, and whoever found an
    /// older one in its way, which was only ending, dials now.
    pub(super) fn handle_last_closed(&mut self, peer_id: &PeerId, connection: ConnectionId) {
        let until = Instant::now() + HOPE;
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.dial == Some(connection)) {
            waiter.until = Some(until);
        }
        let Ok(peer) = from_peer_id(peer_id) else { return };
        let is_next = |waiter: &mut Waiter| waiter.peer == peer && waiter.dial.is_none();
        for waiter in self.waiters.extract_if(.., is_next).collect::<Vec<_>>() {
            if !waiter.answer.is_closed() {
                let addresses = vec![waiter.address.clone()];
                self.dial(Dial { peer, addresses, waiter: Some(waiter) });
            }
        }
    }

    /// Answers those whose time is up, and says when the next one's is.
    pub(super) fn expire_waiters(&mut self, now: Instant) -> Option<Instant> {
        for waiter in self.waiters.extract_if(.., |waiter| waiter.until.is_some_and(|at| at <= now))
        {
            let _ = waiter.answer.send(Err(ConnectError::Closed { peer: waiter.peer }));
        }
        self.waiters.iter().filter_map(|waiter| waiter.until).min()
    }

    /// Answers everyone who waits for `peer`.
    pub(super) fn answer(
        &mut self,
        peer: &NodeId,
        mut result: impl FnMut() -> Result<(), ConnectError>,
    ) {
        for waiter in self.waiters.extract_if(.., |waiter| waiter.peer == *peer) {
            let _ = waiter.answer.send(result());
        }
    }
}

/// What a failed dial means to the one who asked for it.
fn explain(error: DialError, peer: NodeId, address: Address) -> ConnectError {
    match error {
        DialError::LocalPeerId { .. } => ConnectError::Itself,
        DialError::NoAddresses => ConnectError::Unresolved { address },
        DialError::WrongPeerId { obtained, .. } => {
            ConnectError::OtherPeer { address, expected: peer, found: obtained.to_base58() }
        }
        DialError::Denied { cause } => ConnectError::Refused { peer, source: Box::new(cause) },
        error @ (DialError::Transport(_)
        | DialError::Aborted
        | DialError::DialPeerConditionFalse(_)) => {
            ConnectError::Unreachable { address, source: Box::new(error) }
        }
    }
}

/// Whether an address that a peer reports of itself is worth a dial: at the host where we see the peer, or public.
/// Else a peer could send us to knock at the doors of our own network.
pub(super) fn is_worth_learning(address: &Address, seen: IpAddr) -> bool {
    let Some(ip) = address.ip() else { return false };
    let is_public = match ip.to_canonical() {
        IpAddr::V4(ip) => {
            !(ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    };
    address.port() > 0 && (is_public || ip.to_canonical() == seen.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_send_us_to_doors_of_our_own_network() {
        let check = |address: &str, seen: &str, expect: bool| {
            let worth = is_worth_learning(&address.parse().unwrap(), seen.parse().unwrap());
            assert_eq!(worth, expect, "{address} from {seen}");
        };
        check("/ip4/8.8.8.8/tcp/9735", "198.51.100.1", true);
        check("/ip4/10.0.0.5/tcp/9735", "10.0.0.5", true);
        check("/ip4/10.0.0.5/tcp/22", "198.51.100.1", false);
        check("/ip4/127.0.0.1/tcp/8332", "198.51.100.1", false);
        check("/ip4/127.0.0.1/tcp/8332", "127.0.0.1", true);
        check("/ip4/169.254.169.254/tcp/80", "198.51.100.1", false);
        check("/ip6/::1/udp/1/quic-v1", "2001:db8::1", false);
        check("/ip6/2600::1/udp/1/quic-v1", "2001:db8::1", true);
        check("/dns4/metadata.internal/tcp/80", "198.51.100.1", false);
        check("/ip4/8.8.8.8/tcp/0", "198.51.100.1", false);
    }
}
