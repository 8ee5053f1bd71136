//! The engine's bounds, with unit and reason.

use strait_primitives::{BlockDelta, Sats};

/// Requests whose outcome is remembered: the oldest key is forgotten first. About 100 bytes each. Part of the fold, so
/// a constant: a node that replays must forget what it forgot.
pub(crate) const REQUESTS_MAX: usize = 1 << 18;
/// Recent blocks kept, to find the fork of a reorganisation: two days.
pub(crate) const RECENT_BLOCKS: usize = 288;
/// Coins one opening or payment may spend, so that its transaction stays well below what nodes relay.
pub(crate) const INPUTS_MAX: usize = 100;
/// The smallest channel this node asks for; peers that follow the protocol accept no smaller one.
pub(crate) const CAPACITY_MIN: Sats = Sats::from_const(20_000);
/// The least depth from which on what the chain did counts as final when a channel is forgotten, whatever the operator
/// trusts otherwise: the deepest reorganisation that this node is built to live through.
pub(crate) const FINAL_DEPTH_MIN: BlockDelta = BlockDelta::new(6);
/// Blocks beyond the final depth for which a channel is kept. At the final depth itself a reorganisation as deep as that
/// still takes the last spend away, and with it comes the time of a revoked commitment: somebody must be there to punish
/// it.
pub(crate) const FORGET_MARGIN: BlockDelta = BlockDelta::new(6);
