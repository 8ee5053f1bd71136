//! The machine that follows the best chain of a source.
//!
//! States: the window of recent blocks, oldest first, whose last is the follower's tip. Input: what a
//! [`ChainSource`] answers. Output: [`ChainStep`]s in order. Laws:
//!
//! - steps taken one after another always form a chain: what is connected extends the tip, what is disconnected is
//!   the tip;
//! - a step is returned exactly once, and the window has moved exactly as far as the steps returned;
//! - the same answers give the same steps.
//!
//! ```text
//! poll:  tip unchanged ───────────────────────────────▶ nothing
//!        our tip stands in the source's chain ────────▶ Connected…
//!        it does not: last common block in the window ▶ Disconnected…, Connected…
//!        no common block in the window ───────────────▶ ReorganisationTooDeep
//! ```

use std::collections::VecDeque;

use bitcoin::params::Params;
use bitcoin::{Block, BlockHash, CompactTarget, Network};
use strait_primitives::{BlockDelta, BlockHeight};
use thiserror::Error;

use crate::block_check::{Place, check_block};
use crate::limits::FOLLOWER_WINDOW_BLOCKS;
use crate::{BlockFault, BlockId, ChainError, ChainSource};

#[cfg(test)]
mod tests;

/// One step along the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainStep {
    /// The block became the tip.
    Connected {
        /// Its height.
        height: BlockHeight,
        /// The block, checked.
        block: Block,
    },
    /// The block was the tip and left the best chain.
    Disconnected {
        /// Its height.
        height: BlockHeight,
        /// Its hash.
        hash: BlockHash,
    },
}

/// Why a list of known blocks is not a starting point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// A follower starts at a known block.
    #[error("a follower needs at least one known block")]
    Empty,
    /// Known blocks come in order, without gaps.
    #[error("a known block at height {actual} follows one at height {previous}")]
    Gap {
        /// The height before.
        previous: BlockHeight,
        /// The height that does not follow it.
        actual: BlockHeight,
    },
}

/// Follows the best chain of any source and tells it as steps.
#[derive(Debug, Clone)]
pub struct Follower {
    /// Recent blocks of the followed chain, oldest first, without gaps; never empty.
    window: VecDeque<BlockId>,
    /// The rules of the network.
    params: Params,
    /// The tip's target, once it was asked for; the target of the block above depends on it.
    tip_bits: Option<CompactTarget>,
}

impl Follower {
    /// Starts behind the last of these known blocks, given oldest first and without gaps.
    ///
    /// The more are given (up to [`FOLLOWER_WINDOW_BLOCKS`], older ones are forgotten), the deeper the
    /// reorganisation it can follow. A node that starts fresh gives the genesis block or its present tip.
    ///
    /// # Errors
    /// [`CheckpointError`] if there is none or there is a gap.
    pub fn new(
        network: Network,
        known: impl IntoIterator<Item = BlockId>,
    ) -> Result<Self, CheckpointError> {
        let mut window: VecDeque<BlockId> = VecDeque::new();
        for block in known {
            if let Some(last) = window.back()
                && block.height != last.height.saturating_add(BlockDelta::new(1))
            {
                return Err(CheckpointError::Gap { previous: last.height, actual: block.height });
            }
            remember(&mut window, block);
        }
        if window.is_empty() {
            return Err(CheckpointError::Empty);
        }
        Ok(Self { window, params: Params::new(network), tip_bits: None })
    }

    /// The last block of the followed chain.
    #[must_use]
    pub fn tip(&self) -> BlockId {
        *self.window.back().expect("the window is never empty")
    }

    /// The blocks remembered, oldest first: what a restart gives to [`Follower::new`].
    pub fn known(&self) -> impl Iterator<Item = BlockId> + '_ {
        self.window.iter().copied()
    }

    /// Asks the source for news and returns at most `steps_max` steps; none when the tips agree.
    ///
    /// If the source fails after some steps were taken, these are returned and the failure shows at the next call,
    /// so that no step is lost.
    ///
    /// # Errors
    /// [`ChainError`] from the source; [`ChainError::InvalidBlock`] if it serves a block that is not valid;
    /// [`ChainError::ReorganisationTooDeep`] if its chain forks off before the oldest remembered block. The follower
    /// has then not moved.
    pub fn poll(
        &mut self,
        source: &mut dyn ChainSource,
        steps_max: usize,
    ) -> Result<Vec<ChainStep>, ChainError> {
        let mut steps = Vec::new();
        let target = source.tip()?;
        if target == self.tip() || steps_max == 0 {
            return Ok(steps);
        }
        let kept = self.common_with(source)?;
        while self.window.len() > kept && steps.len() < steps_max {
            let left = self.window.pop_back().expect("the window is longer than what is kept");
            self.tip_bits = None;
            steps.push(ChainStep::Disconnected { height: left.height, hash: left.hash });
        }
        assert!(!self.window.is_empty(), "a follower keeps the block it forks from");
        while steps.len() < steps_max {
            match self.next_block(source) {
                Ok(Some(step)) => steps.push(step),
                Ok(None) => break,
                Err(error) if steps.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(steps)
    }

    /// How many remembered blocks, from the oldest, the source's best chain shares; at least one.
    fn common_with(&self, source: &mut dyn ChainSource) -> Result<usize, ChainError> {
        for (index, block) in self.window.iter().enumerate().rev() {
            if source.block_hash_at(block.height)? == Some(block.hash) {
                return Ok(index.saturating_add(1));
            }
        }
        let oldest = self.window.front().expect("the window is never empty").height;
        Err(ChainError::ReorganisationTooDeep { oldest, window: self.window.len() })
    }

    /// Connects the block above the tip, if the source has one that extends it.
    fn next_block(
        &mut self,
        source: &mut dyn ChainSource,
    ) -> Result<Option<ChainStep>, ChainError> {
        let tip = self.tip();
        let height = tip.height.saturating_add(BlockDelta::new(1));
        let Some(hash) = source.block_hash_at(height)? else { return Ok(None) };
        let block = source.block(hash)?;
        if block.header.prev_blockhash != tip.hash
            && source.block_hash_at(tip.height)? != Some(tip.hash)
        {
            // The chain was reorganised between two questions; the next poll finds the fork.
            return Ok(None);
        }
        let parent_bits = self.tip_bits(source)?;
        let place = Place { height, parent: tip.hash, parent_bits };
        check_block(&block, hash, place, &self.params)
            .map_err(|fault| ChainError::InvalidBlock { height, hash, fault })?;
        remember(&mut self.window, BlockId { height, hash });
        self.tip_bits = Some(block.header.bits);
        Ok(Some(ChainStep::Connected { height, block }))
    }

    /// The tip's target. Its header is asked for once after a start or a fork, and proves itself by its hash.
    fn tip_bits(&mut self, source: &mut dyn ChainSource) -> Result<CompactTarget, ChainError> {
        if let Some(bits) = self.tip_bits {
            return Ok(bits);
        }
        let BlockId { height, hash } = self.tip();
        let header = source.header(hash)?.header;
        let actual = header.block_hash();
        if actual != hash {
            let fault = BlockFault::Hash { actual };
            return Err(ChainError::InvalidBlock { height, hash, fault });
        }
        self.tip_bits = Some(header.bits);
        Ok(header.bits)
    }
}

/// Appends a block and forgets the oldest beyond the window.
fn remember(window: &mut VecDeque<BlockId>, block: BlockId) {
    window.push_back(block);
    if window.len() > FOLLOWER_WINDOW_BLOCKS {
        window.pop_front();
    }
}
