//! The machine's bounds, with unit and reason.

use strait_primitives::{BlockDelta, MilliSats, Millis, Sats};

/// Operations that may wait in one channel: eight full rounds, so that a slow peer cannot fill memory.
pub(crate) const QUEUE_OPERATIONS_MAX: usize = 8 * strait_wire::limits::OPERATIONS_MAX;
/// How long a peer may take for its part of a round before the connection is dropped and made anew.
pub(crate) const ANSWER_WITHIN: Millis = Millis(30_000);
/// Connections in a row in which a connected peer did not do its part, before the channel closes without it.
pub(crate) const STALLS_MAX: u32 = 10;
/// How long those connections must span at least: a peer whose chain backend restarts is not a thief.
pub(crate) const STALLED_WITHIN: Millis = Millis(3_600_000);
/// Blocks by which a proposal may lead this node's tip before waiting for them counts against the peer: one day.
pub(crate) const HEIGHT_LEAD_MAX: BlockDelta = BlockDelta::new(144);
/// Bytes of a proposal that waits in a channel whose funding output is not mined: anybody may have such channels for
/// nothing. Enough for a hundred payments of a peer that sees a block before this node does.
pub(crate) const HELD_UNFUNDED_BYTES_MAX: usize = 4_096;
/// How long an opening may take from the first message to both signatures.
pub(crate) const OPENING_WITHIN: Millis = Millis(600_000);
/// The smallest delay a node may demand (protocol section 4).
pub(crate) const DELAY_MIN: BlockDelta = BlockDelta::new(6);
/// The largest delay a node may demand (protocol section 4).
pub(crate) const DELAY_MAX: BlockDelta = BlockDelta::new(2_016);
/// The smallest channel: both reserves and a close must leave something.
pub(crate) const CAPACITY_MIN: Sats = Sats::from_const(20_000);
/// The most dust a node may be asked to carry.
pub(crate) const DUST_EXPOSURE_MAX: MilliSats = MilliSats::from_const(5_000_000);
/// Confirmations that the opener may be asked to wait for.
pub(crate) const DEPTH_MAX: BlockDelta = BlockDelta::new(144);
/// Blocks that an opener has to bring its funding transaction on chain before an acceptor with nothing in the channel
/// forgets it: two weeks, as is the habit among Lightning nodes.
pub(crate) const UNFUNDED_BLOCKS: BlockDelta = BlockDelta::new(2_016);
/// Blocks by which a lock's expiry may lead the ledger's height: two weeks, as is the habit among Lightning nodes. It is
/// how long one side can keep the other's money, and a closed channel, waiting.
pub(crate) const EXPIRY_LEAD_MAX: BlockDelta = BlockDelta::new(2_016);
/// Locks that each side may offer in a channel's life. What a penalty must know of each stays in memory and in every
/// snapshot, some 70 bytes, and a peer that offers locks and has them cancelled pays nothing: so both sides together cost
/// 18 MB at most. Part of the protocol: both nodes count alike.
pub(crate) const LOCKS_EVER_MAX: u64 = 1 << 17;
/// Contracts offered, agreed to or live in one channel: each adds its state to every snapshot.
pub(crate) const CONTRACTS_MAX: usize = 16;
/// Closing offers made or answered on one connection, so that no peer makes this node sign without end.
pub(crate) const CLOSE_OFFERS_MAX: u32 = 20;

/// Blocks for which an offered contract may be opened by whoever has agreed to it: half a day. A peer that may wait has
/// what its terms are worth when prices move, and pays nothing for it.
pub(crate) const AGREEMENT_BLOCKS: BlockDelta = BlockDelta::new(72);

/// Blocks before that end from which on this node proposes no such round any more: a quarter of a day more in which its
/// proposal finds a connection. Who waits for its user so long has lost nothing but an offer.
pub(crate) const AGREEMENT_MARGIN: BlockDelta = BlockDelta::new(36);

/// Blocks by which the other side accepts such a round later: proposals wait for connections, and tips differ.
pub(crate) const AGREEMENT_GRACE: BlockDelta = BlockDelta::new(72);

/// Blocks that a proposal which may not be accepted any more stays before its channel is closed, counted from when that is
/// found out: an hour, in which a peer that has accepted it in time may say so after a restart of this node.
pub(crate) const AGREEMENT_ANSWER: BlockDelta = BlockDelta::new(6);

const _: () = assert!(AGREEMENT_MARGIN.to_u32() < AGREEMENT_BLOCKS.to_u32());
