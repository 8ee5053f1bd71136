//! The engine's bounds, with unit and reason.

use strait_primitives::{BlockDelta, Millis, Sats};
use strait_wallet::BLOCKS_KEPT;

/// Requests that are remembered whatever their age; beyond them the oldest is forgotten first. 40 to 100 bytes each in a
/// snapshot. Part of the fold, so a constant: a node that replays must forget what it forgot.
pub(crate) const REQUESTS_KEPT: usize = 1 << 18;
/// No outcome younger than this is forgotten, however many there are: ten times what the interface lets a caller wait.
/// Part of the fold.
pub(crate) const KEPT_AT_LEAST: Millis = Millis(600_000);
/// Requests known or waiting: with more no new key is taken. At a snapshot's 40 to 60 bytes each where that many come
/// within [`KEPT_AT_LEAST`], some 60 MB.
pub(crate) const REQUESTS_MAX: usize = 1 << 20;
/// Time between two that are told to the log, while there is something that ages.
pub(crate) const CLOCK_EVERY: Millis = Millis(60_000);
/// Openings of peers that no block has funded yet, by one peer and by all, within [`OPENINGS_WITHIN`]: each costs the log
/// some two kilobytes for ever and its opener nothing, whether it is given up or never paid for. What a block funds is
/// counted no more.
pub(crate) const OPENINGS_PER_PEER_MAX: usize = 20;
/// See [`OPENINGS_PER_PEER_MAX`]: strangers' names cost nothing either.
pub(crate) const OPENINGS_MAX: usize = 100;
/// The time in which so many are answered: an hour, so that the log grows by five megabytes a day at most.
pub(crate) const OPENINGS_WITHIN: Millis = Millis(3_600_000);
/// One part in so many of the room for never-funded channels is not for strangers, however many of them come.
pub(crate) const UNFUNDED_KEPT_PART: usize = 4;
/// Blocks that a stranger's signed channel keeps its place for sure while others wait for one: an hour, in which a
/// transaction that pays what others pay is mined.
pub(crate) const STRANGERS_FUND_WITHIN: BlockDelta = BlockDelta::new(6);
/// Messages of one connection that led to no event, less [`IDLE_PER_STEP`] for each that did, after which it is ended: a
/// peer asks for the turn once a round, and repeats itself only after a reconnection.
pub(crate) const IDLE_MESSAGES_MAX: u32 = 1_000;
/// What each channel with the peer adds to [`IDLE_MESSAGES_MAX`]: each says where it stands, and asks for its turn.
pub(crate) const IDLE_PER_CHANNEL: u32 = 8;
/// See [`IDLE_MESSAGES_MAX`].
pub(crate) const IDLE_PER_STEP: u32 = 4;
/// Fuel that one peer's proposals earn back in a millisecond: a quarter of what the thread could burn, at 2 ns each.
pub(crate) const FUEL_OF_PEER_PER_MS: u64 = 125_000;
/// Fuel that all peers' proposals together earn back in a millisecond: two thirds of what the thread could burn.
pub(crate) const FUEL_OF_ALL_PER_MS: u64 = 333_000;
/// How far a peer may be ahead of what it earned: the costliest round, 8 s of earning, is then answered well within the
/// 30 s that its proposer waits.
pub(crate) const FUEL_AHEAD_OF_PEER: Millis = Millis(2_000);
/// How far all may be ahead together, before whoever owes anything waits.
pub(crate) const FUEL_AHEAD_OF_ALL: Millis = Millis(2_000);
/// A peer that has said nothing for so long waits for nothing.
pub(crate) const SILENT_AFTER: Millis = Millis(5_000);
/// Faults and complaints of one connection after which it is ended, whoever the peer is: an honest one has a few.
pub(crate) const FAULTS_MAX: u32 = 64;
/// Channels that are over and still shown: about 200 bytes each. Part of the fold, so a constant.
pub(crate) const ENDED_CHANNELS_MAX: usize = 1_000;
/// Recent blocks kept, to find the fork of a reorganisation: two days. More than any reorganisation may undo.
pub const RECENT_BLOCKS: usize = 288;
/// Locks beyond those that stand that the reserve for a close has room for: what a few rounds may add before this node
/// looks at its coins again. At 43 vB each they add a third to what a close without locks is reckoned with.
pub(crate) const LOCK_ROOM: u64 = 10;
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
/// For each time that a channel held so much, it is kept for one block more: a deeper reorganisation costs more to make,
/// and pays only where there is more to take.
pub(crate) const DEPTH_STEP: Sats = Sats::from_const(50_000_000);
/// Blocks that are added so at most: a day.
pub(crate) const DEPTH_STEPS_MAX: u64 = 144;

// A block that the node can lose, its wallet can lose as well.
const _: () = assert!(RECENT_BLOCKS < BLOCKS_KEPT.to_u32() as usize);
const _: () = assert!(REQUESTS_KEPT < REQUESTS_MAX);
/// While the disk is nearly full, rounds that begin something take at most one part in so many of the room that is wanted:
/// 80 MiB of the default. A peer that has this node's locks to claim might fill the rest with them.
pub(crate) const LOW_DISK_PART: u64 = 16;
/// What a round takes in the log beside its operations and contracts: two events of signatures, secrets and hashes.
pub(crate) const ROUND_BYTES_MAX: u64 = 2_048;
/// Tokens at a time: a person can still read the list.
pub const TOKENS_MAX: usize = 1_000;
/// Bytes of a token's label: a name and a purpose.
pub const TOKEN_LABEL_BYTES_MAX: usize = 64;
/// How long the holder of an expired token is told that it expired, and not that it is unknown.
pub(crate) const EXPIRED_TOKENS_KEPT: Millis = Millis(86_400_000);
