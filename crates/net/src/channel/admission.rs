//! How often a host may begin a connection: handshakes cost us more than they cost the caller.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::bucket::{Bucket, Empty};
use crate::limits::{HOSTS_REMEMBERED_MAX, Limits};

/// One bucket per host, for as many hosts as are remembered.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Connections a host may begin at once.
    burst: u64,
    /// And in a second after that.
    per_second: u64,
    /// A host is an IPv4 address or the first 64 bits of an IPv6 one: what one customer is given.
    hosts: BTreeMap<IpAddr, Bucket>,
}

impl Admission {
    /// Remembers no host yet.
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            burst: limits.dials_per_host_burst,
            per_second: limits.dials_per_host_per_second,
            hosts: BTreeMap::new(),
        }
    }

    /// Whether `ip` may begin one more connection now.
    pub(crate) fn admit(&mut self, ip: IpAddr, now: Instant) -> Result<(), Empty> {
        if ip.is_loopback() {
            return Ok(());
        }
        let host = network(ip);
        if !self.hosts.contains_key(&host) && self.hosts.len() >= HOSTS_REMEMBERED_MAX {
            self.make_room(now);
        }
        let full = || Bucket::new(self.per_second, self.burst, now);
        self.hosts.entry(host).or_insert_with(full).try_take(now)
    }

    /// Forgets every host whose bucket is full again, or else the one that is nearest to it.
    fn make_room(&mut self, now: Instant) {
        self.hosts.retain(|_, bucket| bucket.full_at() > now);
        if self.hosts.len() < HOSTS_REMEMBERED_MAX {
            return;
        }
        let stalest = self.hosts.iter().min_by_key(|(_, bucket)| bucket.full_at());
        if let Some(host) = stalest.map(|(host, _)| *host) {
            self.hosts.remove(&host);
        }
    }
}

/// The part of an address that stands for its owner.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_dials_too_often_is_refused_and_its_neighbours_are_not() {
        let now = Instant::now();
        let limits = Limits::default();
        let mut admission = Admission::new(&limits);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for count in 0..limits.dials_per_host_burst {
            let within = format!("2001:db8::{count}");
            assert_eq!(admission.admit(ip(&within), now), Ok(()));
        }
        assert_eq!(admission.admit(ip("2001:db8::ffff"), now), Err(Empty));
        assert_eq!(admission.admit(ip("2001:db8:0:1::1"), now), Ok(()));
        assert_eq!(admission.admit(ip("192.0.2.1"), now), Ok(()));
    }

    #[test]
    fn the_memory_of_hosts_is_bounded() {
        let now = Instant::now();
        let limits = Limits::default();
        let mut admission = Admission::new(&limits);
        for host in 0..HOSTS_REMEMBERED_MAX + 10 {
            let bits = 0x0a00_0000 + u32::try_from(host).unwrap();
            assert_eq!(admission.admit(IpAddr::V4(bits.into()), now), Ok(()));
        }
        assert_eq!(admission.hosts.len(), HOSTS_REMEMBERED_MAX);
    }
}
