//! The numbers this crate keeps to, each with its unit, reason and source.

use strait_primitives::{BlockDelta, Sats, VBytes};

/// Outputs below this are trimmed: the dust limit of Bitcoin Core for an unknown witness program, the largest of all
/// witness outputs (protocol, section 3).
pub const DUST_LIMIT: Sats = Sats::from_const(354);

/// The most an anchor holds: Bitcoin Core's dust limit of a pay-to-anchor output (protocol, section 3).
pub const ANCHOR_VALUE_MAX: Sats = Sats::from_const(240);

/// Locks in each direction, contract locks included (protocol, section 3).
pub const LOCKS_PER_SIDE_MAX: usize = 90;

/// The largest version-3 transaction that nodes relay (BIP-0431).
pub const COMMITMENT_SIZE_MAX: VBytes = VBytes(10_000);

/// The largest child of an unconfirmed version-3 transaction that nodes relay (BIP-0431).
pub const ANCHOR_CHILD_SIZE_MAX: VBytes = VBytes(1_000);

/// The shortest wait of a broadcaster's own outputs (protocol, section 4).
pub const DELAY_MIN: BlockDelta = BlockDelta::new(6);

/// The longest wait of a broadcaster's own outputs (protocol, section 4).
pub const DELAY_MAX: BlockDelta = BlockDelta::new(2_016);

/// The first locktime that means seconds rather than a height (consensus rule, `LOCKTIME_THRESHOLD`).
pub const EXPIRY_END: u32 = 500_000_000;

/// The largest transaction that nodes relay at all (Bitcoin Core, `MAX_STANDARD_TX_WEIGHT`), in virtual bytes.
pub const STANDARD_SIZE_MAX: VBytes = VBytes(100_000);
