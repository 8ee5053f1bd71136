//! `GET /v1/status`: the node at a glance.

use serde::{Deserialize, Serialize};

/// The node at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusResponse {
    /// Version of the node's program.
    pub version: String,
    /// The node's id: its compressed secp256k1 public key in hex, 33 bytes.
    pub node_id: String,
    /// Addresses the node listens on, as libp2p multiaddrs.
    pub listen_addresses: Vec<String>,
    /// What the node knows of the chain.
    pub chain: ChainStatus,
    /// Channels by phase.
    pub channels: ChannelCounts,
    /// Peers connected now.
    pub peers_connected: u32,
    /// Contracts that are open.
    pub contracts_open: u32,
    /// The event log.
    pub log: LogStatus,
    /// When the node's process started, in milliseconds since 1970.
    pub started_at_ms: u64,
}

/// The Bitcoin network a node lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum Network {
    /// Real money.
    Mainnet,
    /// The fourth public test network.
    Testnet4,
    /// A test network with signed blocks.
    Signet,
    /// A private chain that makes blocks on demand.
    Regtest,
    /// A network this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

impl Network {
    /// The network as configuration and interface spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
            Self::Unknown => "unknown",
        }
    }
}

/// How far the node's view of the chain can be trusted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ChainState {
    /// The node follows the tip.
    Synced,
    /// Blocks are still being read.
    Syncing,
    /// The chain's source does not answer.
    Unreachable,
    /// A state this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// What the node knows of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChainStatus {
    /// The network.
    pub network: Network,
    /// Whether the tip is being followed.
    pub state: ChainState,
    /// Height of the last block the node has read.
    pub tip_height: u32,
    /// Hash of that block, in the usual reversed hex.
    pub tip_hash: String,
}

/// Channels by phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelCounts {
    /// Not yet usable: negotiating or waiting for confirmations.
    pub opening: u32,
    /// Usable.
    pub open: u32,
    /// Closing, until the last output is settled.
    pub closing: u32,
    /// Finished.
    pub closed: u32,
}

/// The event log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogStatus {
    /// Place of the last durable event; 0 in an empty log.
    pub head_seq: u64,
    /// Bytes the log takes on disk.
    pub size_bytes: u64,
}
