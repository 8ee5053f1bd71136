//! What an operator decides about locks, checked before it gets here.

use strait_primitives::{BlockDelta, MilliSats};

use crate::limits::MILLION;

/// Whether locks are passed on from one channel to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// They are, for a fee.
    Allowed,
    /// Every lock that is not for this node goes back.
    Refused,
}

/// What this node takes on itself with locks, for each peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// Blocks that anything on chain may take longer than it should, at each end of a lock.
    pub margin: BlockDelta,
    /// Blocks from now to the latest expiry that is wanted.
    pub lead_max: BlockDelta,
    /// The least lock that is held or passed on.
    pub amount_min: MilliSats,
    /// The most locks in use with one peer, in each direction, over all its channels.
    pub peer_locks_max: usize,
    /// The most value in them.
    pub peer_value_max: MilliSats,
    /// The most value in those of them that are too small to be settled on chain.
    pub peer_dust_max: MilliSats,
    /// Whether locks are passed on.
    pub forwarding: Forwarding,
    /// What passing one on costs.
    pub fee_base: MilliSats,
    /// What it costs beside, in millionths of the amount passed on.
    pub fee_millionths: u32,
}

impl Default for LockPolicy {
    fn default() -> Self {
        Self {
            margin: BlockDelta::new(18),
            lead_max: BlockDelta::new(2_016),
            amount_min: MilliSats::from_const(1_000),
            peer_locks_max: 90,
            peer_value_max: MilliSats::from_const(100_000_000_000),
            peer_dust_max: MilliSats::from_const(5_000_000),
            forwarding: Forwarding::Allowed,
            fee_base: MilliSats::from_const(1_000),
            fee_millionths: 1_000,
        }
    }
}

impl LockPolicy {
    /// What passing this much on costs.
    #[must_use]
    pub fn fee(&self, amount: MilliSats) -> MilliSats {
        let part = u128::from(amount.to_msat()) * u128::from(self.fee_millionths);
        let part = part.div_ceil(u128::from(MILLION));
        let part = u64::try_from(part).ok().and_then(|part| MilliSats::new(part).ok());
        part.and_then(|part| part.checked_add(self.fee_base)).unwrap_or(MilliSats::MAX)
    }

    /// Blocks before its expiry by which a lock must be settled: the delay after a close of this node's own, and once
    /// the margin.
    #[must_use]
    pub const fn settle_within(&self, delay: BlockDelta) -> BlockDelta {
        BlockDelta::new(delay.to_u32().saturating_add(self.margin.to_u32()))
    }

    /// Blocks before its expiry by which a lock must have come to be of use.
    #[must_use]
    pub const fn needed(&self, delay: BlockDelta) -> BlockDelta {
        BlockDelta::new(self.settle_within(delay).to_u32().saturating_add(self.margin.to_u32()))
    }
}
