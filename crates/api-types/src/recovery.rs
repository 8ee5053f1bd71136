//! `/v1/recovery`: channels whose state is not trusted, and how they end.

use serde::{Deserialize, Serialize};

use crate::{ChannelPhase, PeerConnection};

/// Why a channel's state is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum RecoveryDoubt {
    /// It comes from a backup: later states may exist.
    Restored,
    /// The peer has proved that a later state exists: to publish this one is to lose everything.
    Outdated,
    /// A reason this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// How a channel is to end, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum RecoveryChoice {
    /// The peer is asked to close by force.
    AskPeer,
    /// A close together is signed if it brings as much as approved.
    ApproveClose,
    /// This node's commitment is published, whatever comes of it.
    AcceptLoss,
    /// A choice this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// A channel whose state is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recovery {
    /// The channel, in hex.
    pub channel_id: String,
    /// The other node, in hex.
    pub peer_node_id: String,
    /// Whether it can be asked now.
    pub peer_connection: PeerConnection,
    /// Where the channel is in its life.
    pub phase: ChannelPhase,
    /// Why its state is not trusted.
    pub doubt: RecoveryDoubt,
    /// When the backup was made, in milliseconds since 1970; left out if the state does not come from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_taken_at_ms: Option<u64>,
    /// Number of the last commitment that this node knows.
    pub commitment_number: u64,
    /// The number that the peer says it is at; left out until it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_commitment_number: Option<u64>,
    /// What the channel holds: what an accepted loss may cost.
    pub capacity_sat: u64,
    /// This node's balance in the last state that it knows.
    pub holder_balance_msat: u64,
    /// What a close together would bring this node now, by the peer's ledger; left out if the peer offers none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_brings_sat: Option<u64>,
    /// What was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<RecoveryChoice>,
    /// What a close must bring at least, if one was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_sat: Option<u64>,
}

/// Channels whose state is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryList {
    /// The channels, by id.
    pub channels: Vec<Recovery>,
}

/// Says how such a channel is to end. Answered when the choice is durable; chosen again, it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RecoverRequest {
    /// Asks the peer to close by force, now and on each connection.
    AskPeer,
    /// Signs the close that the peer offers by its ledger, if it brings this node so much or more.
    ApproveClose {
        /// The least.
        at_least_sat: u64,
    },
    /// Publishes this node's commitment. If it was revoked since the backup, the peer takes everything in the channel.
    AcceptLoss {
        /// The caller's own word for what may be lost: the channel's `capacity_sat`.
        may_lose_sat: u64,
    },
}
