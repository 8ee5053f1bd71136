//! Who may begin a handshake: how often a host may, how many at once, and how many at once all of them together.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use libp2p::swarm::ConnectionId;
use strait_primitives::NodeId;
use strait_resilience::{Bulkhead, Clock, Permit, Refusal};

use crate::address::Address;
use crate::limits::{HANDSHAKES_OF_HOST_MAX, KEPT_MAX};
use crate::policies::Policies;

/// The door of all connections that others begin.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The limits.
    policies: Arc<Policies>,
    /// Makes the number by which a host is known, so that nobody can choose whose bucket they share.
    secret: RandomState,
    /// Those in their handshakes.
    handshakes: BTreeMap<ConnectionId, Handshake>,
    /// Where kept peers came from last; at most [`KEPT_MAX`].
    known: BTreeMap<NodeId, IpAddr>,
}

/// A handshake that somebody has begun.
#[derive(Debug)]
struct Handshake {
    /// From there.
    host: IpAddr,
    /// Among those that may be under way.
    _place: Permit<Arc<Bulkhead>>,
}

impl Admission {
    /// Knows no host yet.
    pub(crate) fn new(policies: Arc<Policies>) -> Self {
        let (handshakes, known) = (BTreeMap::new(), BTreeMap::new());
        Self { policies, secret: RandomState::new(), handshakes, known }
    }

    /// Whether someone at this address may begin one more connection now; if so, it has a place until
    /// [`Self::handle_ended`].
    pub(crate) fn admit<C: Clock>(
        &mut self,
        connection: ConnectionId,
        address: &Address,
        ip: IpAddr,
        clock: &C,
    ) -> Result<(), Refusal> {
        let host = network(ip);
        if !ip.is_loopback() {
            self.policies.host_dials.admit(self.secret.hash_one(host), clock)?;
            let begun = self.handshakes.values().filter(|handshake| handshake.host == host).count();
            if begun >= HANDSHAKES_OF_HOST_MAX {
                return Err(Refusal::BulkheadFull { limit: HANDSHAKES_OF_HOST_MAX });
            }
        }
        // After its host's allowance, so that one host cannot take all places as fast as they are given back.
        let places = &self.policies.handshakes;
        let of_kind = if address.is_tcp() { &places.tcp } else { &places.quic };
        let place = match Bulkhead::enter(Arc::clone(of_kind)) {
            Err(_) if self.known.values().any(|known| *known == host) => {
                Bulkhead::enter(Arc::clone(&places.known))?
            }
            entered => entered?,
        };
        self.handshakes.insert(connection, Handshake { host, _place: place });
        Ok(())
    }

    /// A handshake is over, however it ended.
    pub(crate) fn handle_ended(&mut self, connection: ConnectionId) {
        self.handshakes.remove(&connection);
    }

    /// A kept peer has come from this address: its host finds a place when strangers have taken all others.
    pub(crate) fn handle_kept(
        &mut self,
        peer: NodeId,
        ip: IpAddr,
        is_kept: impl Fn(&NodeId) -> bool,
    ) {
        if self.known.len() >= KEPT_MAX && !self.known.contains_key(&peer) {
            self.known.retain(|known, _| is_kept(known));
        }
        self.known.insert(peer, network(ip));
    }
}

/// The part of an address that stands for its owner: what one customer is given.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use strait_resilience::{Decision, SteppedClock};

    use super::*;
    use crate::policies::PolicySettings;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn tcp() -> Address {
        "/ip4/192.0.2.1/tcp/1".parse().unwrap()
    }

    fn admission(settings: PolicySettings) -> Admission {
        Admission::new(Arc::new(Policies::new(settings)))
    }

    #[test]
    fn a_host_that_dials_too_often_is_refused_and_its_neighbours_are_not() {
        let (settings, clock) = (PolicySettings::default(), SteppedClock::default());
        let mut admission = admission(settings);
        let mut admit = |text: &str| {
            let connection = ConnectionId::new_unchecked(0);
            let admitted = admission.admit(connection, &tcp(), ip(text), &clock);
            admission.handle_ended(connection);
            admitted.is_ok()
        };
        for count in 0..settings.host_dials.burst {
            assert!(admit(&format!("2001:db8::{count}")));
        }
        assert!(!admit("2001:db8::ffff"));
        assert!(admit("2001:db8:0:1::1"));
        assert!(admit("192.0.2.1"));
        for _ in 0..10 * settings.host_dials.burst {
            assert!(admit("127.0.0.1"), "this machine is no stranger");
        }
    }

    #[test]
    fn handshakes_of_all_hosts_together_are_bounded_and_each_that_ends_makes_room() {
        let clock = SteppedClock::default();
        let mut admission =
            admission(PolicySettings { handshakes_max: 3, ..PolicySettings::default() });
        let mut admit = |number: usize| {
            let host = IpAddr::from([10, 0, 0, u8::try_from(number).unwrap()]);
            admission.admit(ConnectionId::new_unchecked(number), &tcp(), host, &clock)
        };
        assert_eq!([1, 2, 3].map(|number| admit(number).is_ok()), [true; 3]);
        assert_eq!(admit(4), Err(Refusal::BulkheadFull { limit: 3 }));
        admission.handle_ended(ConnectionId::new_unchecked(4));
        let number = ConnectionId::new_unchecked(5);
        assert!(
            admission.admit(number, &tcp(), ip("10.0.0.5"), &clock).is_err(),
            "it never had a place"
        );
        admission.handle_ended(ConnectionId::new_unchecked(2));
        assert!(admission.admit(number, &tcp(), ip("10.0.0.5"), &clock).is_ok());
        assert_eq!(admission.handshakes.len(), 3);
        let [handshakes, ..] = admission.policies.bulkheads().map(|tally| tally.counts());
        assert_eq!(handshakes.of(Decision::Refused), 2);
    }

    #[test]
    fn strangers_over_quic_keep_nobody_out_who_comes_over_tcp_or_from_a_kept_peers_host() {
        let clock = SteppedClock::default();
        let mut admission =
            admission(PolicySettings { handshakes_max: 3, ..PolicySettings::default() });
        let friend = NodeId::from_bytes([2; 33]);
        admission.handle_kept(friend, ip("198.51.100.7"), |_| true);
        let quic: Address = "/ip4/192.0.2.1/udp/1/quic-v1".parse().unwrap();
        let mut number = 0;
        let mut admit = |address: &Address, from: &str| {
            number += 1;
            admission.admit(ConnectionId::new_unchecked(number), address, ip(from), &clock).is_ok()
        };
        let strangers = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
        assert_eq!(strangers.map(|host| admit(&quic, host)), [true, true, true, false]);
        assert!(admit(&quic, "198.51.100.7"), "places of its own");
        assert_eq!(strangers.map(|host| admit(&tcp(), host)), [true, true, true, false]);
        assert!(admit(&tcp(), "198.51.100.7"));
        assert!(!admit(&tcp(), "10.0.0.5"));
    }

    #[test]
    fn one_host_has_few_handshakes_at_once() {
        let clock = SteppedClock::default();
        let mut admission = admission(PolicySettings::default());
        let mut admit = |number: usize, from: &str| {
            admission.admit(ConnectionId::new_unchecked(number), &tcp(), ip(from), &clock).is_ok()
        };
        let admitted = (0..10).filter(|number| admit(*number, "10.0.0.1")).count();
        assert_eq!(admitted, HANDSHAKES_OF_HOST_MAX);
        assert!(admit(10, "10.0.0.2"));
    }
}
