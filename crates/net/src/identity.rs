//! The node's key as libp2p sees it, and the two-way street between [`NodeId`] and libp2p's `PeerId`.
//!
//! A `PeerId` of a secp256k1 key is the identity multihash of that key, so each can be made from the other without
//! asking anyone. Peers with keys of other kinds have no [`NodeId`] and are refused.

use core::fmt;

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, secp256k1};
use strait_primitives::NodeId;
use thiserror::Error;

/// The code of the identity multihash: the digest is the content.
const IDENTITY_MULTIHASH: u64 = 0;

/// The node's secret key and the id that follows from it.
#[derive(Clone)]
pub struct Identity {
    /// The key pair; signs handshakes.
    keypair: Keypair,
    /// Its public half.
    node_id: NodeId,
}

/// Why bytes are not a node's key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Zero, or not below the order of the curve.
    #[error("the secret is not a secp256k1 scalar")]
    Secret,
    /// The bytes are no compressed point.
    #[error("node id {node_id} is not a point of secp256k1")]
    NotAPoint {
        /// The id.
        node_id: NodeId,
    },
    /// A peer with an Ed25519, RSA or ECDSA key, or with a hashed id.
    #[error("peer {peer} is not named by a secp256k1 key")]
    Foreign {
        /// The peer in libp2p's base-58 form.
        peer: String,
    },
}

impl Identity {
    /// Takes the node's secret key.
    ///
    /// # Errors
    ///
    /// When the bytes are not a valid secp256k1 scalar.
    pub fn from_secret(secret: [u8; 32]) -> Result<Self, IdentityError> {
        let secret =
            secp256k1::SecretKey::try_from_bytes(secret).map_err(|_| IdentityError::Secret)?;
        let pair = secp256k1::Keypair::from(secret);
        let node_id = NodeId::from_bytes(pair.public().to_bytes());
        Ok(Self { keypair: pair.into(), node_id })
    }

    /// The id that peers know this node by.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The key pair for libp2p.
    pub(crate) const fn keypair(&self) -> &Keypair {
        &self.keypair
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.node_id)
    }
}

/// What libp2p calls this node.
pub(crate) fn to_peer_id(node_id: NodeId) -> Result<PeerId, IdentityError> {
    let key = secp256k1::PublicKey::try_from_bytes(node_id.as_bytes())
        .map_err(|_| IdentityError::NotAPoint { node_id })?;
    Ok(PublicKey::from(key).to_peer_id())
}

/// What we call this peer.
pub(crate) fn from_peer_id(peer: &PeerId) -> Result<NodeId, IdentityError> {
    let hash: &libp2p::multihash::Multihash<64> = peer.as_ref();
    let key = (hash.code() == IDENTITY_MULTIHASH)
        .then(|| PublicKey::try_decode_protobuf(hash.digest()).ok())
        .flatten()
        .and_then(|key| key.try_into_secp256k1().ok())
        .ok_or_else(|| IdentityError::Foreign { peer: peer.to_base58() })?;
    Ok(NodeId::from_bytes(key.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_id_and_peer_id_are_made_from_each_other() {
        for first in 1..20 {
            let identity = Identity::from_secret([first; 32]).unwrap();
            let peer = to_peer_id(identity.node_id()).unwrap();
            assert_eq!(peer, identity.keypair().public().to_peer_id());
            assert_eq!(from_peer_id(&peer), Ok(identity.node_id()));
            assert!(peer.to_base58().starts_with("16Uiu2HA"), "the known form of secp256k1 ids");
        }
    }

    #[test]
    fn what_is_no_secp256k1_key_is_refused() {
        assert_eq!(Identity::from_secret([0; 32]).unwrap_err(), IdentityError::Secret);
        assert_eq!(Identity::from_secret([0xff; 32]).unwrap_err(), IdentityError::Secret);
        let node_id = NodeId::from_bytes([7; 33]);
        assert_eq!(to_peer_id(node_id), Err(IdentityError::NotAPoint { node_id }));
        // An Ed25519 identity and a SHA-256 one, both from the libp2p specification of peer ids.
        for foreign in [
            "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
            "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        ] {
            let peer: PeerId = foreign.parse().unwrap();
            assert_eq!(from_peer_id(&peer), Err(IdentityError::Foreign { peer: foreign.into() }));
        }
    }
}
