//! The key that is a node's identity towards its peers.

use core::fmt;

use bitcoin::secp256k1::{All, Secp256k1, SecretKey};
use strait_primitives::NodeId;
use zeroize::Zeroizing;

/// The node's identity key: also its libp2p identity. Erased when dropped, never printed.
pub struct NodeKey {
    /// The secret.
    secret: SecretKey,
    /// Its public key.
    node_id: NodeId,
}

impl NodeKey {
    /// Wraps the derived key.
    pub(crate) fn new(secret: SecretKey, context: &Secp256k1<All>) -> Self {
        let node_id = NodeId::from_bytes(secret.public_key(context).serialize());
        Self { secret, node_id }
    }

    /// The public name of the node.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The secret itself, for the network layer, which signs its handshakes with it.
    #[must_use]
    pub fn expose_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.secret_bytes())
    }
}

impl Drop for NodeKey {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.node_id)
    }
}
