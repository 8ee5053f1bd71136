//! What an operator decides about the engine, checked before it gets here.

use std::collections::BTreeSet;

use strait_channel::OpeningPolicy;
use strait_payment::LockPolicy;
use strait_primitives::{BlockDelta, FeeRate, MilliSats, ModuleHash, NodeId, Sats};
use strait_wallet::AddressGap;

use crate::limits::{DEPTH_STEP, DEPTH_STEPS_MAX, FINAL_DEPTH_MIN, FORGET_MARGIN};

/// Whether peers may ask for channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound {
    /// They may.
    Accepted,
    /// Only this node asks.
    Refused,
}

/// Whether a channel that a peer asks for must be covered by the reserve for closing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveRule {
    /// It must.
    Demanded,
    /// It need not: the operator pays in later, or leaves closing to peers.
    Waived,
}

/// The engine's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// This node.
    pub node: NodeId,
    /// What it wants of channels.
    pub opening: OpeningPolicy,
    /// The most channels, over and above which openings are refused.
    pub channels_max: usize,
    /// The most channels with one peer, over and above which its openings are refused.
    pub channels_per_peer_max: usize,
    /// The most channels, of all peers together, that are not on the chain yet: each costs memory and no money.
    pub unfunded_max: usize,
    /// The most of its own money this node has in all contracts of a channel when it agrees to one that a peer offers.
    pub contract_collateral_max: MilliSats,
    /// The only modules that contracts may use; every module that was added without.
    pub contract_modules: Option<BTreeSet<ModuleHash>>,
    /// Whether peers may ask for channels.
    pub inbound: Inbound,
    /// Whether the reserve must cover a channel that a peer asks for.
    pub accept_reserve: ReserveRule,
    /// No estimate above this is believed, and no user may ask for more: a transaction that is in no hurry pays at most
    /// this for its size. What is in a hurry, on chain, is bounded by what it saves.
    pub fee_rate_max: FeeRate,
    /// What closing transactions pay when the chain gives no estimate.
    pub fallback_fee_rate: FeeRate,
    /// The rate at which the reserve must be able to close all channels at once.
    pub reserve_fee_rate: FeeRate,
    /// What it takes on itself with locks.
    pub locks: LockPolicy,
    /// Confirmations after which a channel's end is final; it is forgotten somewhat deeper.
    pub final_depth: BlockDelta,
    /// Addresses of the wallet that are watched beyond the last one handed out. Each is derived at every start; only a
    /// wallet that starts from its seed alone needs many.
    pub address_gap: AddressGap,
}

impl EngineConfig {
    /// Confirmations of its end after which a channel that held so much is forgotten, and a round that was never accepted
    /// called failed.
    pub(crate) fn forget_depth(&self, capacity: Sats) -> BlockDelta {
        let depth = self.final_depth.max(FINAL_DEPTH_MIN).to_u32();
        let more = (capacity.to_sat() / DEPTH_STEP.to_sat()).min(DEPTH_STEPS_MAX);
        let more = u32::try_from(more).expect("a few hundred at most");
        BlockDelta::new(depth.saturating_add(FORGET_MARGIN.to_u32()).saturating_add(more))
    }
}
