//! Where nodes are: multiaddresses of the kinds this crate speaks, parsed once.
//!
//! `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>` or `…/udp/<port>/quic-v1`. Whose node is there is said beside it, in a
//! [`PeerAddress`].

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use strait_primitives::NodeId;
use thiserror::Error;

use crate::identity::from_peer_id;

/// A place to listen at or to dial.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Multiaddr);

/// A node and a place where it can be reached: `<node id>@<address>`, or `<address>/p2p/<peer id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// Whom to expect there.
    pub peer: NodeId,
    /// Where.
    pub address: Address,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a multiaddress at all.
    #[error("{text:?} is not a multiaddress like /ip4/192.0.2.1/tcp/9735")]
    Malformed {
        /// The text.
        text: String,
    },
    /// A multiaddress of a transport that is not spoken here.
    #[error("{text:?} is neither …/tcp/<port> nor …/udp/<port>/quic-v1 at an ip4, ip6 or dns host")]
    Unsupported {
        /// The text.
        text: String,
    },
    /// The part that names the peer is missing, or is no secp256k1 key.
    #[error("{text:?} names no node: write <node id>@<address> or <address>/p2p/<peer id>")]
    Nobody {
        /// The text.
        text: String,
    },
}

/// The host of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// Numbers.
    Ip(IpAddr),
    /// A name still to be resolved.
    Name(String),
}

/// Reads the host; the rest must be TCP or QUIC and nothing more.
#[expect(clippy::wildcard_enum_match_arm, reason = "multiaddresses have more kinds than we speak")]
fn host_of(address: &Multiaddr) -> Option<Host> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => Host::Ip(ip.into()),
        Protocol::Ip6(ip) => Host::Ip(ip.into()),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => {
            Host::Name(name.into_owned())
        }
        _ => return None,
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(_), None, None) | (Protocol::Udp(_), Some(Protocol::QuicV1), None) => {
            Some(host)
        }
        _ => None,
    }
}

impl Address {
    /// Takes what libp2p reports, without the peer's name at its end. `None` if it is of no kind spoken here.
    pub(crate) fn from_multiaddr(mut address: Multiaddr) -> Option<Self> {
        if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            address.pop();
        }
        host_of(&address).map(|_| Self(address))
    }

    /// The form libp2p wants.
    pub(crate) const fn as_multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    /// Where the node's host is.
    pub(crate) fn host(&self) -> Host {
        host_of(&self.0).expect("checked when made")
    }

    /// The host's number, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self.host() {
            Host::Ip(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        match self.0.iter().nth(1) {
            Some(Protocol::Tcp(port) | Protocol::Udp(port)) => port,
            _ => unreachable!("an address was made without a port: {self}"),
        }
    }

    /// Whether the transport is TCP; else it is QUIC.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.0.iter().nth(1), Some(Protocol::Tcp(_)))
    }

    /// The same transport and port at another host.
    pub(crate) fn at(&self, ip: IpAddr) -> Self {
        Self(core::iter::once(Protocol::from(ip)).chain(self.0.iter().skip(1)).collect())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address: Multiaddr =
            text.parse().map_err(|_| AddressError::Malformed { text: text.into() })?;
        host_of(&address).ok_or_else(|| AddressError::Unsupported { text: text.into() })?;
        Ok(Self(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let nobody = || AddressError::Nobody { text: text.into() };
        if let Some((peer, address)) = text.split_once('@') {
            let peer = peer.parse().map_err(|_| nobody())?;
            return Ok(Self { peer, address: address.parse()? });
        }
        let whole: Multiaddr =
            text.parse().map_err(|_| AddressError::Malformed { text: text.into() })?;
        let Some(Protocol::P2p(peer)) = whole.iter().last() else {
            return Err(nobody());
        };
        let peer = from_peer_id(&peer).map_err(|_| nobody())?;
        let address = Address::from_multiaddr(whole)
            .ok_or_else(|| AddressError::Unsupported { text: text.into() })?;
        Ok(Self { peer, address })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.peer, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, to_peer_id};

    #[test]
    fn tcp_and_quic_addresses_are_read_and_others_refused() {
        for text in [
            "/ip4/127.0.0.1/tcp/0",
            "/ip6/::1/udp/9735/quic-v1",
            "/dns4/peer.example/tcp/9735",
            "/dns/peer.example/udp/9735/quic-v1",
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.into()));
        }
        for text in ["", "127.0.0.1:9735", "/ip4/1.2.3/tcp/1", "/ip4/1.2.3.4/tcp/99999"] {
            let address = text.parse::<Address>();
            assert!(address.is_err(), "{text:?} is {address:?}");
        }
        for text in ["/ip4/1.2.3.4", "/ip4/1.2.3.4/udp/1", "/ip4/1.2.3.4/tcp/1/ws", "/tcp/1"] {
            let refused = Err(AddressError::Unsupported { text: text.into() });
            assert_eq!(text.parse::<Address>(), refused);
        }
    }

    #[test]
    fn a_peer_is_named_before_or_behind_its_address() {
        let peer = Identity::from_secret([5; 32]).unwrap().node_id();
        let address: Address = "/ip4/192.0.2.7/tcp/9735".parse().unwrap();
        let expect = PeerAddress { peer, address: address.clone() };
        assert_eq!(expect.to_string().parse(), Ok(expect.clone()));
        let behind = format!("{address}/p2p/{}", to_peer_id(peer).unwrap());
        assert_eq!(behind.parse(), Ok(expect));
        let nobody = address.to_string();
        assert_eq!(nobody.parse::<PeerAddress>(), Err(AddressError::Nobody { text: nobody }));
    }

    #[test]
    fn a_resolved_address_keeps_transport_and_port() {
        let named: Address = "/dns4/peer.example/udp/7/quic-v1".parse().unwrap();
        assert_eq!(named.port(), 7);
        assert_eq!(named.at([192, 0, 2, 1].into()).to_string(), "/ip4/192.0.2.1/udp/7/quic-v1");
    }
}
