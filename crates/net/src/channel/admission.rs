//! Who may begin a handshake: how often a host may, and how many at once all of them together.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use libp2p::swarm::ConnectionId;
use strait_resilience::{Bulkhead, Clock, Permit, Refusal};

use crate::policies::Policies;

/// The door of all connections that others begin.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The limits.
    policies: Arc<Policies>,
    /// Makes the number by which a host is known, so that nobody can choose whose bucket they share.
    secret: RandomState,
    /// Those in their handshakes.
    handshakes: BTreeMap<ConnectionId, Permit<Arc<Bulkhead>>>,
}

impl Admission {
    /// Knows no host yet.
    pub(crate) fn new(policies: Arc<Policies>) -> Self {
        Self { policies, secret: RandomState::new(), handshakes: BTreeMap::new() }
    }

    /// Whether `ip` may begin one more connection now; if so, it has a place until [`Self::handle_ended`].
    pub(crate) fn admit<C: Clock>(
        &mut self,
        connection: ConnectionId,
        ip: IpAddr,
        clock: &C,
    ) -> Result<(), Refusal> {
        if !ip.is_loopback() {
            let host = self.secret.hash_one(network(ip));
            self.policies.host_dials.admit(host, clock)?;
        }
        // After its host's allowance, so that one host cannot take all places as fast as they are given back.
        let place = Bulkhead::enter(Arc::clone(&self.policies.handshakes))?;
        self.handshakes.insert(connection, place);
        Ok(())
    }

    /// A handshake is over, however it ended.
    pub(crate) fn handle_ended(&mut self, connection: ConnectionId) {
        self.handshakes.remove(&connection);
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

    fn admission(settings: PolicySettings) -> Admission {
        Admission::new(Arc::new(Policies::new(settings)))
    }

    #[test]
    fn a_host_that_dials_too_often_is_refused_and_its_neighbours_are_not() {
        let (settings, clock) = (PolicySettings::default(), SteppedClock::default());
        let mut admission = admission(settings);
        let mut admit = |text: &str| {
            let connection = ConnectionId::new_unchecked(0);
            let admitted = admission.admit(connection, ip(text), &clock);
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
            admission.admit(ConnectionId::new_unchecked(number), host, &clock)
        };
        assert_eq!([1, 2, 3].map(|number| admit(number).is_ok()), [true; 3]);
        assert_eq!(admit(4), Err(Refusal::BulkheadFull { limit: 3 }));
        admission.handle_ended(ConnectionId::new_unchecked(4));
        let number = ConnectionId::new_unchecked(5);
        assert!(admission.admit(number, ip("10.0.0.5"), &clock).is_err(), "it never had a place");
        admission.handle_ended(ConnectionId::new_unchecked(2));
        assert!(admission.admit(number, ip("10.0.0.5"), &clock).is_ok());
        assert_eq!(admission.handshakes.len(), 3);
        let [handshakes, _] = admission.policies.bulkheads().map(|tally| tally.counts());
        assert_eq!(handshakes.of(Decision::Refused), 2);
    }
}
