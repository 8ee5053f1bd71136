//! `/v1/channels`: opening, looking at and closing channels.

use serde::{Deserialize, Serialize};

/// Asks for a new channel. Answered when the opening is durable; `channel_open` in the event stream tells when it is usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenChannelRequest {
    /// The peer's node id in hex, 33 bytes.
    pub node_id: String,
    /// Where the peer listens, as a libp2p multiaddr; needed only if it is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What this node puts into the channel.
    pub capacity_sat: u64,
    /// Fee rate of the funding transaction in satoshis per 1,000 virtual bytes; estimated if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_kvb: Option<u64>,
}

/// Who started a channel or a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ChannelRole {
    /// This node did.
    Opener,
    /// The other node did.
    Acceptor,
    /// A role this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// Where a channel is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ChannelPhase {
    /// Parameters and signatures are being exchanged; no coin has moved.
    Negotiating,
    /// The funding transaction waits for its confirmations.
    AwaitingFunding,
    /// Usable.
    Open,
    /// A cooperative close is being agreed or waits for its confirmation.
    Closing,
    /// A commitment is on the chain, or on its way there, and its outputs are being settled.
    ForceClosing,
    /// The counterparty proved that this node is behind; it never broadcasts and waits to be paid.
    DataLost,
    /// Its state comes from a backup: nothing is signed until the operator says how it ends.
    Quarantined,
    /// Every output is settled and buried.
    Closed,
    /// The opening was given up; its coins are free.
    Abandoned,
    /// A phase this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Channel {
    /// The channel's id in hex, 32 bytes.
    pub channel_id: String,
    /// The other node's id in hex, 33 bytes.
    pub peer_node_id: String,
    /// Who opened it.
    pub role: ChannelRole,
    /// Where it is in its life.
    pub phase: ChannelPhase,
    /// What the funding output holds.
    pub capacity_sat: u64,
    /// This node's balance.
    pub holder_balance_msat: u64,
    /// The other node's balance.
    pub counterparty_balance_msat: u64,
    /// What this node could pay now: its balance less its reserve.
    pub spendable_msat: u64,
    /// Number of the latest commitment both sides agreed to.
    pub commitment_number: u64,
    /// Locks that are live.
    pub locks: u32,
    /// Contracts that are open.
    pub contracts: u32,
    /// Blocks this node must wait for its own money after closing alone.
    pub delay_blocks: u32,
    /// The funding transaction, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_txid: Option<String>,
    /// Which output of the funding transaction, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funding_output_index: Option<u32>,
    /// The transaction that spends the funding output, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing_txid: Option<String>,
}

/// Channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelList {
    /// The channels, by id; finished ones included.
    pub channels: Vec<Channel>,
}

/// Asks for a channel to be closed. Answered when the decision is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CloseChannelRequest {
    /// How to close.
    pub mode: CloseMode,
}

/// How to close a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CloseMode {
    /// Both sign one transaction; needs the peer, and no live contract or lock.
    Cooperative,
    /// Broadcast the latest commitment; needs nobody, costs more, and this node's money waits `delay_blocks`.
    Force,
}
