//! What a block must be before the node builds on it: pure checks over one block.
//!
//! Scripts, and what inputs are worth, are not judged here: that is a full node's work. What is judged binds the
//! block's transactions to its header and its header to work, so that a source which lies must mine; and nothing
//! passes that no chain can hold whatever came before, so that whoever counts coins may trust the sums.

use std::collections::BTreeSet;

use bitcoin::params::Params;
use bitcoin::{Amount, Block, BlockHash, CompactTarget, OutPoint, Target, Transaction, Txid};
use strait_primitives::BlockHeight;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// What is wrong with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// It is another block than the one asked for.
    #[error("it hashes to {actual}")]
    Hash {
        /// The hash of what was served.
        actual: BlockHash,
    },
    /// It does not extend the last block.
    #[error("it extends {actual}, the last block is {expected}")]
    Parent {
        /// The last block.
        expected: BlockHash,
        /// The block it extends.
        actual: BlockHash,
    },
    /// Its target is easier than the network allows.
    #[error("its target is easier than the network's easiest")]
    TargetTooEasy,
    /// Its target is easier than the one below allows: within a period of 2016 blocks it stays as it is, and between
    /// two of them it rises fourfold at the most.
    #[error("its target is easier than the block below allows")]
    TargetJump,
    /// Its hash does not meet its target.
    #[error("its hash does not meet its target")]
    ProofOfWork,
    /// Its first transaction, and no other, must create the new coins.
    #[error("its first transaction, and only that, must be a coinbase")]
    Coinbase,
    /// A transaction appears twice, which could forge the same Merkle root.
    #[error("a transaction appears twice")]
    DuplicateTransaction,
    /// A transaction spends nothing, or creates nothing.
    #[error("transaction {txid} lacks inputs or outputs")]
    Hollow {
        /// Which one.
        txid: Txid,
    },
    /// An output is spent twice, be it by one transaction or by two.
    #[error("output {outpoint} is spent twice")]
    SpentTwice {
        /// Which one.
        outpoint: OutPoint,
    },
    /// A transaction creates more than all the money there can be.
    #[error("transaction {txid} creates more than all the money there is")]
    TooMuchMoney {
        /// Which one.
        txid: Txid,
    },
    /// Its transactions are not those its header commits to.
    #[error("its transactions do not match its Merkle root")]
    MerkleRoot,
    /// Its witnesses are not those its coinbase commits to.
    #[error("its witnesses do not match their commitment")]
    WitnessCommitment,
}

/// Where a block is to stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its height.
    pub(crate) height: BlockHeight,
    /// The block below.
    pub(crate) parent: BlockHash,
    /// The target of the block below.
    pub(crate) parent_bits: CompactTarget,
}

/// Checks a block served for `hash` at a place of a network's chain.
pub(crate) fn check_block(
    block: &Block,
    hash: BlockHash,
    place: Place,
    params: &Params,
) -> Result<(), BlockFault> {
    let actual = block.block_hash();
    if actual != hash {
        return Err(BlockFault::Hash { actual });
    }
    if block.header.prev_blockhash != place.parent {
        let actual = block.header.prev_blockhash;
        return Err(BlockFault::Parent { expected: place.parent, actual });
    }
    check_target(block.header.bits, place, params)?;
    block.header.validate_pow(block.header.target()).map_err(|_| BlockFault::ProofOfWork)?;
    check_transactions(block)
}

/// Checks that a target is no easier than the network allows above the block below.
///
/// What the last period took is not looked at: that needs a header 2016 blocks down. Without it, forged blocks cost at
/// least a quarter of the real work for a whole period, instead of nothing. Networks that allow the easiest target now
/// and then (test networks, regtest) give no such bound.
fn check_target(bits: CompactTarget, place: Place, params: &Params) -> Result<(), BlockFault> {
    let target = Target::from_compact(bits);
    if target > params.max_attainable_target {
        return Err(BlockFault::TargetTooEasy);
    }
    if params.no_pow_retargeting || params.allow_min_difficulty_blocks {
        return Ok(());
    }
    let below = Target::from_compact(place.parent_bits);
    let period = params.difficulty_adjustment_interval();
    let limit = if u64::from(place.height.to_u32()).is_multiple_of(period) {
        below.max_transition_threshold(params)
    } else {
        below
    };
    if target > limit {
        return Err(BlockFault::TargetJump);
    }
    Ok(())
}

/// Checks that the block holds the transactions it commits to.
fn check_transactions(block: &Block) -> Result<(), BlockFault> {
    let mut coinbases = block.txdata.iter().map(Transaction::is_coinbase);
    if coinbases.next() != Some(true) || coinbases.any(|is_coinbase| is_coinbase) {
        return Err(BlockFault::Coinbase);
    }
    let mut seen = BTreeSet::new();
    if !block.txdata.iter().all(|transaction| seen.insert(transaction.compute_txid())) {
        return Err(BlockFault::DuplicateTransaction);
    }
    if !block.check_merkle_root() {
        return Err(BlockFault::MerkleRoot);
    }
    if !block.check_witness_commitment() {
        return Err(BlockFault::WitnessCommitment);
    }
    check_possible(block)
}

/// Checks that no transaction is one that no chain can hold, whatever came before.
fn check_possible(block: &Block) -> Result<(), BlockFault> {
    let mut spent = BTreeSet::new();
    for transaction in &block.txdata {
        let txid = transaction.compute_txid();
        if transaction.input.is_empty() || transaction.output.is_empty() {
            return Err(BlockFault::Hollow { txid });
        }
        if created(transaction).is_none_or(|sum| sum > Amount::MAX_MONEY) {
            return Err(BlockFault::TooMuchMoney { txid });
        }
        for outpoint in transaction.input.iter().map(|input| input.previous_output) {
            if !spent.insert(outpoint) {
                return Err(BlockFault::SpentTwice { outpoint });
            }
        }
    }
    Ok(())
}

/// The sum of a transaction's outputs; `None` if it is no sum at all.
fn created(transaction: &Transaction) -> Option<Amount> {
    transaction.output.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
}
