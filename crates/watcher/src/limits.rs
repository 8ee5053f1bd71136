//! The numbers this crate keeps to, each with its unit, reason and source.

use strait_onchain::limits::{DUST_LIMIT, LOCKS_PER_SIDE_MAX, STANDARD_SIZE_MAX};
use strait_primitives::{BlockDelta, FeeRate, Sats};

/// Blocks after which what a block did is taken to be final, unless the caller asks for more (protocol, section 10).
pub const DEPTH_DEFAULT: BlockDelta = BlockDelta::new(6);

/// Blocks for which an output must have cost more than it holds before it is given up: about a week, so that no single
/// spell of high fees decides.
pub const LEFT_BLOCKS: BlockDelta = BlockDelta::new(1_008);

/// Blocks in which a refund should confirm once it can: the margin that a forwarder keeps between the expiries of its
/// two locks (protocol, section 4).
pub(crate) const REFUND_MARGIN: BlockDelta = BlockDelta::new(18);

/// Blocks before a deadline in which fees rise; half the window if that is shorter.
pub(crate) const RISE_BLOCKS_MAX: BlockDelta = BlockDelta::new(18);

/// Times that a fee doubles on the way to its deadline: at the end it is 64 times what is usual.
pub(crate) const DOUBLINGS: u32 = 6;

/// What a replacement must pay above what it replaces (Bitcoin Core's incremental relay fee before version 30; newer
/// nodes ask for less).
pub(crate) const REPLACEMENT_STEP: FeeRate = FeeRate::RELAY_FLOOR;

/// A fee rises only by this part of itself or more, so that estimates that wobble do not replace claims each block.
pub(crate) const REPLACEMENT_PART: u64 = 4;

/// The share of what it saves that a hurried claim may cost: one half. A penalty whose thief can take the output too may
/// cost all of it but [`OUTPUT_LEAST`]: what goes to miners does not pay for theft.
pub(crate) const BUDGET_DIVISOR: u64 = 2;

/// What a claim must leave for its one output.
pub(crate) const OUTPUT_LEAST: Sats = DUST_LIMIT;

/// Blocks for which a child of a commitment without a deadline is waited for before its fee doubles.
pub(crate) const PATIENCE: BlockDelta = BlockDelta::new(18);

/// Virtual bytes of a sweep beside its inputs: 11 of frame and 43 of the longest wallet output.
pub(crate) const SWEEP_FRAME_VBYTES: u64 = 54;

/// Outputs of one commitment that a claim can spend.
pub(crate) const CLAIMS_MAX: usize = 2 * LOCKS_PER_SIDE_MAX + 1;

// The longest claim input is below 130 vB, so one transaction holds all claims of a commitment: none is ever split for
// its size.
const _: () = assert!(CLAIMS_MAX * 130 + 54 <= 100_000);
const _: () = assert!(STANDARD_SIZE_MAX.0 == 100_000, "the relation above is to this limit");
