//! The bounds of this crate, each with its reason.

use strait_primitives::FeeRate;

/// The lowest rate a source may answer when asked what block space costs: 1 sat/vB, what every node relays, whatever
/// its version.
pub const FEE_RATE_FLOOR: FeeRate = FeeRate::RELAY_FLOOR;

/// Recent blocks a follower remembers: a reorganisation that forks deeper is an error.
///
/// Almost two days of blocks; the deepest reorganisation Bitcoin has seen since 2013 is 24 blocks. Whoever is told the
/// steps must remember more blocks than this, or a reorganisation would leave nothing to stand on.
pub const FOLLOWER_WINDOW_BLOCKS: usize = 280;

/// Transactions in one submission: a parent and the child that pays for it (BIP-0431).
pub(crate) const SUBMISSION_TRANSACTIONS_MAX: usize = 2;

const _: () = assert!(SUBMISSION_TRANSACTIONS_MAX >= 1 && FOLLOWER_WINDOW_BLOCKS >= 1);
