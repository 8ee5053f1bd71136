//! What an operator decides about the engine, checked before it gets here.

use std::collections::BTreeSet;

use bitcoin::Network;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash as _;
use strait_channel::OpeningPolicy;
use strait_payment::LockPolicy;
use strait_primitives::{BlockDelta, Digest, FeeRate, MilliSats, ModuleHash, NodeId, Sats};
use strait_wallet::AddressGap;
use strait_wire::Parameters;

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
    /// What tests, fuzzers and the simulated world begin from: a chain without value, a few small channels.
    #[must_use]
    pub fn regtest(node: NodeId) -> Self {
        let genesis = genesis_block(Network::Regtest).block_hash();
        Self {
            node,
            opening: OpeningPolicy {
                chain: Digest::from_bytes(genesis.to_byte_array()),
                parameters: Parameters {
                    delay: BlockDelta::new(6),
                    locks_max: 30,
                    contract_locks_max: 0,
                    lock_min: MilliSats::from_const(1_000_000),
                    dust_exposure_max: MilliSats::from_const(5_000_000),
                    depth: BlockDelta::new(3),
                },
                delay_max: BlockDelta::new(2_016),
                depth_max: BlockDelta::new(144),
                capacity_min: Sats::from_const(20_000),
                capacity_max: Sats::from_const(16_000_000),
            },
            channels_max: 8,
            channels_per_peer_max: 8,
            unfunded_max: 3,
            contract_collateral_max: MilliSats::from_const(500_000_000),
            contract_modules: None,
            inbound: Inbound::Accepted,
            accept_reserve: ReserveRule::Demanded,
            fee_rate_max: FeeRate::from_sat_per_kvb(500_000),
            fallback_fee_rate: FeeRate::from_sat_per_kvb(2_000),
            reserve_fee_rate: FeeRate::from_sat_per_kvb(20_000),
            locks: LockPolicy::default(),
            final_depth: BlockDelta::new(6),
            address_gap: AddressGap::DEFAULT,
        }
    }

    /// Confirmations from which on nothing that was seen on chain is undone any more: at the final depth itself a
    /// reorganisation as deep as that still takes the block away.
    pub(crate) fn irreversible_depth(&self) -> BlockDelta {
        let depth = self.final_depth.max(FINAL_DEPTH_MIN).to_u32();
        BlockDelta::new(depth.saturating_add(FORGET_MARGIN.to_u32()))
    }

    /// Confirmations of its end after which a channel that held so much is forgotten, and a round that was never accepted
    /// called failed.
    pub(crate) fn forget_depth(&self, capacity: Sats) -> BlockDelta {
        let more = (capacity.to_sat() / DEPTH_STEP.to_sat()).min(DEPTH_STEPS_MAX);
        let more = u32::try_from(more).expect("a few hundred at most");
        BlockDelta::new(self.irreversible_depth().to_u32().saturating_add(more))
    }
}
