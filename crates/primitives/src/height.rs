//! Places in the block chain and distances between them.

use core::fmt;

/// The height of a block: the genesis block has 0.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    minicbor::Encode,
    minicbor::Decode,
)]
#[cbor(transparent)]
pub struct BlockHeight(#[n(0)] u32);

/// A number of blocks.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    minicbor::Encode,
    minicbor::Decode,
)]
#[cbor(transparent)]
pub struct BlockDelta(#[n(0)] u32);

impl BlockHeight {
    /// Wraps a height.
    #[must_use]
    pub const fn new(height: u32) -> Self {
        Self(height)
    }

    /// The height as a number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The height `delta` blocks later, stopping at the largest.
    #[must_use = "heights are values; the later height is the result"]
    pub const fn saturating_add(self, delta: BlockDelta) -> Self {
        Self(self.0.saturating_add(delta.0))
    }

    /// The height `delta` blocks earlier, stopping at zero.
    #[must_use = "heights are values; the earlier height is the result"]
    pub const fn saturating_sub(self, delta: BlockDelta) -> Self {
        Self(self.0.saturating_sub(delta.0))
    }

    /// Confirmations that something mined at `self` has when the tip is at `tip`: 1 in the tip itself, 0 if not yet.
    #[must_use]
    pub const fn depth_at(self, tip: Self) -> BlockDelta {
        match tip.0.checked_sub(self.0) {
            Some(above) => BlockDelta(above.saturating_add(1)),
            None => BlockDelta(0),
        }
    }
}

impl BlockDelta {
    /// Wraps a number of blocks.
    #[must_use]
    pub const fn new(blocks: u32) -> Self {
        Self(blocks)
    }

    /// The number of blocks.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BlockHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for BlockDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_in_the_tip_has_one_confirmation() {
        let check = |mined, tip, depth| {
            assert_eq!(
                BlockHeight::new(mined).depth_at(BlockHeight::new(tip)),
                BlockDelta::new(depth)
            );
        };
        check(100, 100, 1);
        check(100, 105, 6);
        check(100, 99, 0);
    }
}
