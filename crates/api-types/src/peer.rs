//! `/v1/peers`: the nodes this one talks to.

use serde::{Deserialize, Serialize};

/// Asks the node to connect to a peer and to stay connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectPeerRequest {
    /// The peer's node id in hex, 33 bytes.
    pub node_id: String,
    /// Where it listens, as a libp2p multiaddr: `/ip4/192.0.2.1/tcp/9736`.
    pub address: String,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peer {
    /// The peer's node id in hex.
    pub node_id: String,
    /// Addresses known for it, as libp2p multiaddrs.
    pub addresses: Vec<String>,
    /// Whether it is connected.
    pub connection: PeerConnection,
    /// Channels with it that are not finished.
    pub channels: u32,
}

/// Whether a peer is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum PeerConnection {
    /// Connected now.
    Connected,
    /// Not connected; the node tries again with growing pauses.
    Reconnecting,
    /// Not connected, and no attempt is planned.
    Disconnected,
    /// A state this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// All peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerList {
    /// The peers, by node id.
    pub peers: Vec<Peer>,
}
