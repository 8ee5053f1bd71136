//! `/v1/locks`: amounts that wait for a preimage.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A preimage in hex. Who shows it takes the lock, so `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreimageHex(pub String);

impl fmt::Debug for PreimageHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreimageHex(hidden)")
    }
}

/// One stop of a way: the node before it offers it a lock like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockHop {
    /// To whom: the node's id in hex, 33 bytes.
    pub node_id: String,
    /// How much. What the node before keeps is its fee.
    pub amount_msat: u64,
    /// With what expiry, as a block height.
    pub expiry: u32,
}

/// Offers a lock over a channel. Answered when it stands in both sides' commitments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfferLockRequest {
    /// The channel to offer it over, in hex.
    pub channel_id: String,
    /// How much, fees of those who pass it on included.
    pub amount_msat: u64,
    /// SHA-256 of the preimage, in hex. Who shows the preimage takes the lock.
    pub payment_hash: String,
    /// The block height from which on it may be taken back on chain.
    pub expiry: u32,
    /// Where the peer is asked to pass it on to, the next stop first; empty or absent if it is for the peer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<LockHop>,
}

/// Claims a lock that is held here. Answered when it is this node's money for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimLockRequest {
    /// The preimage, 32 bytes in hex. The peer learns it.
    pub preimage: PreimageHex,
}

/// Who offered a lock, seen from this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum LockDirection {
    /// This node did.
    Sent,
    /// The peer did.
    Received,
    /// A direction this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// What this node is to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum LockRole {
    /// Its user offered it.
    Payer,
    /// It is for its user.
    Payee,
    /// It passes it on, or passes another on by it.
    Forwarder,
    /// A role this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// Where a lock is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum LockState {
    /// Sent; the peer may enforce it and has not accepted it yet.
    Proposed,
    /// Sent, and in both sides' commitments.
    Standing,
    /// Received, and nothing is decided.
    Arrived,
    /// Received, for this node's user to claim or to give back.
    Held,
    /// Received, and passed on or about to be.
    Forwarding,
    /// Its preimage is known, and it is on its way to its receiver.
    Claiming,
    /// It is on its way back to its offerer.
    Cancelling,
    /// Its receiver has it. Over.
    Claimed,
    /// Its receiver gave it back. Over.
    Cancelled,
    /// The chain gave it back to its offerer, as far as this node knows. Over.
    Expired,
    /// A state this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// Why a lock goes back or went back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum LockCancelReason {
    /// Its receiver knows nothing of it.
    NotKnown,
    /// Its expiry was too near, or came too near while it waited.
    Expired,
    /// Its receiver takes no such lock: too small, too far in time, or over a quota.
    Unwanted,
    /// It failed further along its way.
    Downstream,
    /// No channel to the next node could carry it, or its receiver passes nothing on.
    NoRoute,
    /// Its amount or its expiry left a forwarder too little.
    Terms,
    /// Its receiver's user gave it back.
    Declined,
    /// A reason this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lock {
    /// Its name: channel, direction and number with dashes between. Never its hash: two locks may have the same.
    pub lock_id: String,
    /// Its channel, in hex.
    pub channel_id: String,
    /// Who offered it.
    pub direction: LockDirection,
    /// Which of its offerer's in this channel, counted from 0.
    pub number: u64,
    /// The other node of its channel, in hex; absent once the channel is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_node_id: Option<String>,
    /// What this node is to it.
    pub role: LockRole,
    /// Where it is in its life.
    pub state: LockState,
    /// Why it goes back or went back, while it is `cancelling` and once it is `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LockCancelReason>,
    /// How much.
    pub amount_msat: u64,
    /// SHA-256 of its preimage, in hex.
    pub payment_hash: String,
    /// The block height from which on its offerer may take it back on chain.
    pub expiry: u32,
    /// Where it is to go from its receiver on, the next stop first; empty at its destination.
    pub route: Vec<LockHop>,
    /// The sent lock that passes it on; only of a received one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_to: Option<String>,
    /// The received lock that it passes on; only of a sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_from: Option<String>,
    /// Its preimage in hex, once it was shown: the payer's receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub preimage: Option<PreimageHex>,
}

/// A page of locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockList {
    /// The locks, by channel, direction and number: all that are in use, and the last thousand that are over.
    pub locks: Vec<Lock>,
    /// The `after` that asks for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<String>,
}

/// What a finished round did to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum LockStep {
    /// It was added: it stands in both sides' commitments.
    Added,
    /// Its receiver has it.
    Claimed,
    /// Its offerer has it back.
    Cancelled,
    /// A step this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// One lock that a finished round touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockChange {
    /// Which.
    pub lock_id: String,
    /// What happened to it.
    pub step: LockStep,
    /// How much, of one that was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_msat: Option<u64>,
    /// Its hash, of one that was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_hash: Option<String>,
    /// Its expiry, of one that was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<u32>,
    /// Its preimage, of one that was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub preimage: Option<PreimageHex>,
    /// Why it went back, of one that was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LockCancelReason>,
}

/// Defines the words of an enum as they are written, both ways, so that paths, flags and JSON agree.
macro_rules! words {
    ($name:ident { $($variant:ident = $text:literal,)+ }) => {
        impl $name {
            /// Every value a node sends.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The value as the interface spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown => "unknown",
                }
            }

            /// Reads a value as the interface spells it.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
    };
}

words!(LockDirection { Sent = "sent", Received = "received", });
words!(LockState {
    Proposed = "proposed",
    Standing = "standing",
    Arrived = "arrived",
    Held = "held",
    Forwarding = "forwarding",
    Claiming = "claiming",
    Cancelling = "cancelling",
    Claimed = "claimed",
    Cancelled = "cancelled",
    Expired = "expired",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json_form() {
        for state in LockState::ALL {
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{}\"", state.as_str()));
            assert_eq!(LockState::from_word(state.as_str()), Some(*state));
        }
        for way in LockDirection::ALL {
            assert_eq!(serde_json::to_string(way).unwrap(), format!("\"{}\"", way.as_str()));
            assert_eq!(LockDirection::from_word(way.as_str()), Some(*way));
        }
        assert_eq!(LockState::from_word("unknown"), None);
    }

    #[test]
    fn a_preimage_is_in_the_json_form_and_not_in_the_debug_form() {
        let secret = "ab".repeat(32);
        let request = ClaimLockRequest { preimage: PreimageHex(secret.clone()) };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            format!(r#"{{"preimage":"{secret}"}}"#)
        );
        assert!(!format!("{request:?}").contains("ab"), "{request:?}");
    }
}
