//! Every bound of the wallet, with its unit, its reason and its source.

use bitcoin::Weight;
use strait_primitives::{BlockDelta, FeeRate, Sats, VBytes};

/// Blocks below the tip whose hashes are all kept: the deepest reorganisation that can be followed.
///
/// A week of blocks. Deeper down only blocks that hold a transaction of the wallet are remembered.
pub const BLOCKS_KEPT: BlockDelta = BlockDelta::new(1_008);
/// Heights between two sweeps of forgotten block hashes, so that most blocks cost nothing to append.
pub(crate) const BLOCKS_SWEPT_EVERY: u32 = 144;

/// The highest fee rate that is believed: 10,000 sat/vB, five times the worst that Bitcoin has seen.
pub const FEE_RATE_MAX: FeeRate = FeeRate::from_sat_per_kvb(10_000_000);
/// Inputs of one payment. 1,500 key-path inputs weigh 345,000 of the 400,000 that nodes relay.
pub const SEND_INPUTS_MAX: usize = 1_500;
/// Outputs of one payment. 200 outputs of 43 bytes weigh 34,400, which fits beside the inputs.
pub const SEND_OUTPUTS_MAX: usize = 200;
/// The heaviest transaction that nodes relay (Bitcoin Core's `MAX_STANDARD_TX_WEIGHT`).
pub(crate) const TRANSACTION_WEIGHT_MAX: Weight = Weight::from_wu(400_000);

/// The largest child of an unconfirmed version-3 transaction (BIP-0431, rule 5).
pub const BUMP_CHILD_VBYTES_MAX: VBytes = VBytes(1_000);
/// A commitment without locks but with the ledger hash: what a close at the reserve's rate has to lift.
pub const COMMITMENT_VBYTES: VBytes = VBytes(252);
/// Separate coins that the reserve asks for at most: closings beyond these follow one block later, from change.
pub const BUMP_COINS_MAX: usize = 10;

/// Version, locktime, both counts, marker and flag of a transaction with fewer than 253 inputs and outputs.
pub(crate) const OVERHEAD_WEIGHT: Weight = Weight::from_wu(42);
/// One key-path input: outpoint, empty script, sequence, and a witness of one 64-byte signature.
pub(crate) const INPUT_WEIGHT: Weight = Weight::from_wu(230);
/// The witness part of [`INPUT_WEIGHT`].
pub(crate) const SATISFACTION_WEIGHT: Weight = Weight::from_wu(66);
/// One key-path input in virtual bytes, rounded up.
pub(crate) const INPUT_VBYTES: VBytes = VBytes(58);
/// One pay-to-taproot output.
pub(crate) const CHANGE_WEIGHT: Weight = Weight::from_wu(172);
/// The anchor input of a fee child: no script, and a witness of nothing.
pub(crate) const ANCHOR_INPUT_WEIGHT: Weight = Weight::from_wu(165);
/// Inputs of a fee child besides the anchor.
pub(crate) const BUMP_INPUTS_MAX: usize = 15;
/// Below this a pay-to-taproot output is dust (Bitcoin Core's default dust relay fee).
pub(crate) const CHANGE_MIN: Sats = Sats::from_const(330);

/// Bytes of one encoded change: a block full of the wallet's own transactions, twice over.
pub(crate) const CHANGE_BYTES_MAX: usize = 8 << 20;
/// Bytes of an encoded state: about a million transactions.
pub(crate) const STATE_BYTES_MAX: usize = 256 << 20;

const _: () = assert!(
    ANCHOR_INPUT_WEIGHT.to_wu()
        + OVERHEAD_WEIGHT.to_wu()
        + CHANGE_WEIGHT.to_wu()
        + 15 * INPUT_WEIGHT.to_wu()
        <= 4 * BUMP_CHILD_VBYTES_MAX.0
);
const _: () = assert!(BUMP_INPUTS_MAX == 15, "the bound above counts 15 inputs");
const _: () = assert!(INPUT_WEIGHT.to_wu() == 41 * 4 + SATISFACTION_WEIGHT.to_wu());
const _: () = assert!(INPUT_VBYTES.0 * 4 >= INPUT_WEIGHT.to_wu());
const _: () = assert!(BLOCKS_SWEPT_EVERY < BLOCKS_KEPT.to_u32());
