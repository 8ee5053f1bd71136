//! `/v1/events`: what happened, in the order of the log.

use serde::{Deserialize, Serialize};

use crate::{LockCancelReason, LockChange, PreimageHex};

/// Something that happened. Durable: the node has it in its log before anyone is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Its place in the log. Places grow, each event has its own, and there are gaps: not every record is public.
    pub seq: u64,
    /// When it was decided, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened; `type` names it.
    #[serde(flatten)]
    pub kind: EventKind,
    /// What the round that this event tells of did to locks, beside the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockChange>,
}

/// How a channel's money came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum ChannelOutcome {
    /// Both signed one closing transaction.
    Cooperative,
    /// This node's commitment.
    HolderCommitment,
    /// The other node's commitment.
    CounterpartyCommitment,
    /// A commitment the other node had revoked: this node took everything it could.
    Penalty,
    /// The opening was given up, and the coins are free.
    Abandoned,
    /// An outcome this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub enum EventKind {
    /// The node began to run on a restored log: its channels are quarantined.
    NodeRestored {
        /// When the backup was made, in milliseconds since 1970; left out if there was only the seed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup_taken_at_ms: Option<u64>,
    },
    /// An opening began.
    ChannelOpening {
        /// The channel, in hex.
        channel_id: String,
        /// The other node, in hex.
        peer_node_id: String,
        /// What the funding output will hold.
        capacity_sat: u64,
    },
    /// The funding transaction is signed by all who must.
    ChannelFunded {
        /// The channel, in hex.
        channel_id: String,
        /// The funding transaction.
        funding_txid: String,
    },
    /// The channel is usable.
    ChannelOpen {
        /// The channel, in hex.
        channel_id: String,
    },
    /// Payments of this node became irrevocable.
    PaymentsSent {
        /// The channel, in hex.
        channel_id: String,
        /// The commitment that holds them.
        commitment_number: u64,
        /// How many.
        count: u32,
        /// Their sum.
        total_msat: u64,
    },
    /// Payments of the other node became final.
    PaymentsReceived {
        /// The channel, in hex.
        channel_id: String,
        /// The commitment that holds them.
        commitment_number: u64,
        /// How many.
        count: u32,
        /// Their sum.
        total_msat: u64,
    },
    /// A contract holds its collateral.
    ContractOpened {
        /// The contract, in hex.
        contract_id: String,
        /// Its channel, in hex.
        channel_id: String,
        /// SHA-256 of its module, in hex.
        module_hash: String,
    },
    /// A contract took actions.
    ContractActed {
        /// The contract, in hex.
        contract_id: String,
        /// Its channel, in hex.
        channel_id: String,
        /// The commitment that holds the new state.
        commitment_number: u64,
        /// How many actions.
        count: u32,
    },
    /// A contract's collateral went back.
    ContractSettled {
        /// The contract, in hex.
        contract_id: String,
        /// Its channel, in hex.
        channel_id: String,
        /// What came to this node.
        holder_msat: u64,
        /// What came to the other node.
        counterparty_msat: u64,
    },
    /// A round that did something to locks, and nothing that another type tells; `locks` says what.
    LocksChanged {
        /// The channel, in hex.
        channel_id: String,
        /// The commitment that shows it.
        commitment_number: u64,
    },
    /// A received lock is for this node's user, who claims it or gives it back.
    LockHeld {
        /// The lock.
        lock_id: String,
    },
    /// A received lock is passed on.
    LockForwarding {
        /// The lock.
        lock_id: String,
        /// The channel that carries it on, in hex.
        channel_id: String,
    },
    /// This node's user claims a lock; `claimed` in `locks` of a later event tells that it is done.
    LockClaiming {
        /// The lock.
        lock_id: String,
    },
    /// This node gives a received lock back.
    LockCancelling {
        /// The lock.
        lock_id: String,
        /// Why.
        reason: LockCancelReason,
    },
    /// Someone showed the preimage of locks that this node offered, in a round or on chain: the payer's receipt.
    PreimageLearned {
        /// Their hash, in hex.
        payment_hash: String,
        /// The preimage, in hex.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        preimage: PreimageHex,
    },
    /// The chain gave a lock back to its offerer, for good: one that this node offered, or a received one that it did not
    /// take in time.
    LockExpired {
        /// The lock.
        lock_id: String,
    },
    /// The chain gave a lock to its receiver, for good.
    LockClaimedOnChain {
        /// The lock.
        lock_id: String,
    },
    /// A close began; the channel takes no payment any more.
    ChannelClosing {
        /// The channel, in hex.
        channel_id: String,
    },
    /// A transaction that spends the funding output is in a block.
    ChannelClosed {
        /// The channel, in hex.
        channel_id: String,
        /// That transaction.
        closing_txid: String,
        /// What kind it is.
        outcome: ChannelOutcome,
    },
    /// Every output of the channel is settled and buried.
    ChannelResolved {
        /// The channel, in hex.
        channel_id: String,
        /// How it ended.
        outcome: ChannelOutcome,
    },
    /// A block joined the chain.
    BlockConnected {
        /// Its height.
        height: u32,
        /// Its hash.
        block_hash: String,
    },
    /// A block left the chain in a reorganisation.
    BlockDisconnected {
        /// Its height.
        height: u32,
        /// Its hash.
        block_hash: String,
    },
    /// The wallet's coins changed.
    WalletChanged,
    /// Something this version does not know; never sent.
    #[serde(other)]
    Unknown,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The `from` that asks for what comes after this page.
    pub next_from: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &Event, json: &str) {
        assert_eq!(serde_json::to_string(event).unwrap(), json);
        assert_eq!(&serde_json::from_str::<Event>(json).unwrap(), event);
    }

    #[test]
    fn an_event_is_one_flat_object_that_names_its_type() {
        check(
            &Event {
                seq: 7,
                at_ms: 9,
                kind: EventKind::PaymentsSent {
                    channel_id: "c".into(),
                    commitment_number: 3,
                    count: 2,
                    total_msat: 5,
                },
                locks: Vec::new(),
            },
            r#"{"seq":7,"at_ms":9,"type":"payments_sent","channel_id":"c","commitment_number":3,"count":2,"total_msat":5}"#,
        );
        check(
            &Event { seq: 1, at_ms: 0, kind: EventKind::WalletChanged, locks: Vec::new() },
            r#"{"seq":1,"at_ms":0,"type":"wallet_changed"}"#,
        );
    }

    #[test]
    fn what_a_round_did_to_locks_stands_beside_what_else_it_did() {
        let claimed = LockChange {
            lock_id: "c-sent-0".into(),
            step: crate::LockStep::Claimed,
            amount_msat: None,
            payment_hash: None,
            expiry: None,
            preimage: Some(PreimageHex("00".into())),
            reason: None,
        };
        let kind = EventKind::LocksChanged { channel_id: "c".into(), commitment_number: 3 };
        check(
            &Event { seq: 7, at_ms: 9, kind, locks: vec![claimed] },
            r#"{"seq":7,"at_ms":9,"type":"locks_changed","channel_id":"c","commitment_number":3,"locks":[{"lock_id":"c-sent-0","step":"claimed","preimage":"00"}]}"#,
        );
    }

    #[test]
    fn an_event_of_a_newer_node_reads_as_unknown() {
        let event = r#"{"seq":1,"at_ms":2,"type":"moon_landed","crew":3}"#;
        let event: Event = serde_json::from_str(event).unwrap();
        assert_eq!((event.seq, event.at_ms, event.kind), (1, 2, EventKind::Unknown));
    }

    #[test]
    fn a_new_field_in_a_known_event_is_ignored() {
        let event = r#"{"seq":1,"at_ms":2,"type":"channel_open","channel_id":"c","mood":"fine"}"#;
        let event: Event = serde_json::from_str(event).unwrap();
        assert_eq!(event.kind, EventKind::ChannelOpen { channel_id: "c".into() });
    }
}
