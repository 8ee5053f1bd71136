//! The engine's bounds, with unit and reason.

use strait_primitives::{BlockDelta, Sats};
use strait_wallet::BLOCKS_KEPT;

/// Requests whose outcome is remembered: the oldest key is forgotten first. About 100 bytes each. Part of the fold, so
/// a constant: a node that replays must forget what it forgot.
pub(crate) const REQUESTS_MAX: usize = 1 << 18;
/// Channels that are over and still shown: about 200 bytes each. Part of the fold, so a constant.
pub(crate) const ENDED_CHANNELS_MAX: usize = 1_000;
/// Recent blocks kept, to find the fork of a reorganisation: two days. More than any reorganisation may undo.
pub const RECENT_BLOCKS: usize = 288;
/// Contracts whose channel is remembered for the next call; forgotten all at once above that.
pub(crate) const CONTRACT_HOMES_MAX: usize = 1 << 16;
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

// A block that the node can lose, its wallet can lose as well.
const _: () = assert!(RECENT_BLOCKS < BLOCKS_KEPT.to_u32() as usize);
