//! The block tree and the coins of its best branch.
//!
//! Every block comes from [`crate::mining`], so all are valid where they stand; what this module decides is which
//! branch is best (most blocks, then the one that was best before, then the oldest) and what the coins are there.
//! The node calls it; it knows no mempool and no clock.
//!
//! **Invariant:** `coins` is exactly what the blocks of `active`, in order, leave unspent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::params::Params;
use bitcoin::{Block, BlockHash, Network, OutPoint, Target, Transaction, Txid, Work, constants};

use crate::coin::{Coin, CoinOrigin};
use crate::limits::MEDIAN_TIME_BLOCKS;

#[cfg(test)]
mod tests;

/// Whether an operator has ruled a block out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may be part of the best chain.
    Eligible,
    /// `invalidateblock` named it.
    RuledOut,
}

/// A block of the tree.
#[derive(Debug, Clone)]
pub(crate) struct StoredBlock {
    /// The block.
    pub(crate) block: Arc<Block>,
    /// Its distance from the genesis block.
    pub(crate) height: u32,
    /// Whether it may be part of the best chain. Descendants of a block that is ruled out are not marked.
    pub(crate) standing: Standing,
    /// Work of the chain that ends here.
    pub(crate) work: Work,
    /// The coins it spent, in the order spent; empty while it is not in the best chain.
    spent: Vec<(OutPoint, Coin)>,
}

/// What moved when the best chain changed.
#[derive(Debug, Default)]
#[must_use = "the mempool has to follow"]
pub(crate) struct Reorganisation {
    /// Blocks that left the best chain, oldest first.
    pub(crate) disconnected: Vec<Arc<Block>>,
    /// Blocks that joined it, oldest first.
    pub(crate) connected: Vec<Arc<Block>>,
}

/// The chain as the devnet knows it.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Every block ever mined, by hash.
    blocks: BTreeMap<BlockHash, StoredBlock>,
    /// Hashes in the order mined: the tie-break between equal branches.
    mined: Vec<BlockHash>,
    /// The best chain, by height.
    active: Vec<BlockHash>,
    /// The coins of the best chain.
    coins: BTreeMap<OutPoint, Coin>,
    /// Where each transaction of the best chain stands.
    transactions: BTreeMap<Txid, BlockHash>,
}

impl Chain {
    /// The chain that holds the genesis block of regtest alone, whose output nobody can spend.
    pub(crate) fn new() -> Self {
        let block = constants::genesis_block(Network::Regtest);
        let hash = block.block_hash();
        let work = block.header.work();
        let genesis = StoredBlock {
            block: Arc::new(block),
            height: 0,
            standing: Standing::Eligible,
            work,
            spent: Vec::new(),
        };
        Self {
            blocks: BTreeMap::from([(hash, genesis)]),
            mined: vec![hash],
            active: vec![hash],
            coins: BTreeMap::new(),
            transactions: BTreeMap::new(),
        }
    }

    /// The height of the best chain.
    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.active.len().saturating_sub(1)).expect("nobody mines 2^32 blocks")
    }

    /// The last block of the best chain.
    pub(crate) fn tip(&self) -> &StoredBlock {
        self.block(&self.tip_hash()).expect("the tip is stored")
    }

    /// The hash of the last block of the best chain.
    pub(crate) fn tip_hash(&self) -> BlockHash {
        *self.active.last().expect("the genesis block is never disconnected")
    }

    /// Any block ever mined.
    pub(crate) fn block(&self, hash: &BlockHash) -> Option<&StoredBlock> {
        self.blocks.get(hash)
    }

    /// The block of the best chain at this height.
    pub(crate) fn hash_at(&self, height: u32) -> Option<BlockHash> {
        self.active.get(usize::try_from(height).ok()?).copied()
    }

    /// The height of the block, if it stands in the best chain.
    pub(crate) fn active_height(&self, hash: &BlockHash) -> Option<u32> {
        let height = self.block(hash)?.height;
        (self.hash_at(height) == Some(*hash)).then_some(height)
    }

    /// The coin, if it exists in the best chain and is unspent.
    pub(crate) fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }

    /// All money of the best chain that can be spent.
    pub(crate) fn total(&self) -> bitcoin::Amount {
        self.coins.values().map(|coin| coin.output.value).sum()
    }

    /// True if the transaction stands in the best chain.
    pub(crate) fn block_of(&self, txid: &Txid) -> Option<BlockHash> {
        self.transactions.get(txid).copied()
    }

    /// A transaction of the best chain and the block that holds it.
    pub(crate) fn transaction(&self, txid: &Txid) -> Option<(&Transaction, BlockHash)> {
        let hash = self.block_of(txid)?;
        let stored = self.block(&hash)?;
        let found = stored.block.txdata.iter().find(|candidate| candidate.compute_txid() == *txid);
        found.map(|transaction| (transaction, hash))
    }

    /// The median time of the block at this height of the best chain and the ten before it (BIP-0113).
    pub(crate) fn median_time(&self, height: u32) -> u32 {
        let hash = self.hash_at(height).expect("callers ask within the best chain");
        self.median_time_of(hash)
    }

    /// The median time of any block and the ten before it.
    pub(crate) fn median_time_of(&self, hash: BlockHash) -> u32 {
        let mut times = Vec::with_capacity(MEDIAN_TIME_BLOCKS);
        let mut cursor = Some(hash);
        while let Some(stored) = cursor.and_then(|hash| self.block(&hash))
            && times.len() < MEDIAN_TIME_BLOCKS
        {
            times.push(stored.block.header.time);
            cursor = Some(stored.block.header.prev_blockhash);
        }
        times.sort_unstable();
        *times.get(times.len() / 2).expect("the block itself has a time")
    }

    /// Stores a block that extends the tip and makes it the tip.
    ///
    /// # Panics
    /// If it does not extend the tip, spends what is not there, or lacks work: [`crate::mining`] promised.
    pub(crate) fn append(&mut self, block: Block) -> BlockHash {
        let hash = block.block_hash();
        let parent = self.tip();
        assert_eq!(block.header.prev_blockhash, self.tip_hash(), "a mined block extends the tip");
        assert!(block.header.validate_pow(easiest_target()).is_ok(), "a mined block carries work");
        let stored = StoredBlock {
            height: parent.height.saturating_add(1),
            work: parent.work + block.header.work(),
            standing: Standing::Eligible,
            spent: Vec::new(),
            block: Arc::new(block),
        };
        assert!(self.blocks.insert(hash, stored).is_none(), "a mined block is new");
        self.mined.push(hash);
        self.connect(hash);
        hash
    }

    /// Rules a block out and moves to the best branch without it.
    pub(crate) fn rule_out(&mut self, hash: BlockHash) -> Reorganisation {
        if let Some(stored) = self.blocks.get_mut(&hash) {
            stored.standing = Standing::RuledOut;
        }
        self.activate_best()
    }

    /// Lifts the ban from the block, its ancestors and its descendants, and moves to the best branch.
    pub(crate) fn reconsider(&mut self, hash: BlockHash) -> Reorganisation {
        let mut related: BTreeSet<BlockHash> = self.branch(hash).map(|(hash, _)| hash).collect();
        let mut descendants = BTreeSet::from([hash]);
        for other in &self.mined {
            let parent = self.block(other).map(|stored| stored.block.header.prev_blockhash);
            if parent.is_some_and(|parent| descendants.contains(&parent)) {
                descendants.insert(*other);
            }
        }
        related.extend(descendants);
        for other in related {
            if let Some(stored) = self.blocks.get_mut(&other) {
                stored.standing = Standing::Eligible;
            }
        }
        self.activate_best()
    }

    /// The block and its ancestors, newest first.
    fn branch(&self, from: BlockHash) -> impl Iterator<Item = (BlockHash, &StoredBlock)> {
        let start = self.block(&from).map(|stored| (from, stored));
        std::iter::successors(start, |(_, stored)| {
            let parent = stored.block.header.prev_blockhash;
            self.block(&parent).map(|stored| (parent, stored))
        })
    }

    /// The block that the best chain should end with.
    fn best_tip(&self) -> BlockHash {
        let mut barred = BTreeSet::new();
        let mut best: Option<(Work, BlockHash)> = None;
        let current = self.tip_hash();
        // Parents were mined before their children, so one pass knows what is barred.
        for hash in &self.mined {
            let stored = self.block(hash).expect("every mined block is stored");
            if stored.standing == Standing::RuledOut
                || barred.contains(&stored.block.header.prev_blockhash)
            {
                barred.insert(*hash);
                continue;
            }
            let is_better =
                best.is_none_or(|(most, _)| (stored.work, *hash == current) > (most, false));
            if is_better {
                best = Some((stored.work, *hash));
            }
        }
        best.expect("the genesis block is never ruled out").1
    }

    /// Moves the best chain to where it should end.
    fn activate_best(&mut self) -> Reorganisation {
        let target = self.best_tip();
        let mut change = Reorganisation::default();
        let mut path: Vec<BlockHash> = self
            .branch(target)
            .map(|(hash, _)| hash)
            .take_while(|hash| self.active_height(hash).is_none())
            .collect();
        path.reverse();
        let height_of = |hash: &BlockHash| self.block(hash).map_or(0, |stored| stored.height);
        let fork_height = match path.first() {
            Some(first) => height_of(first).saturating_sub(1),
            None => height_of(&target),
        };
        while self.height() > fork_height {
            change.disconnected.push(self.disconnect_tip());
        }
        change.disconnected.reverse();
        for hash in path {
            change.connected.push(self.connect(hash));
        }
        change
    }

    /// Makes a stored block, a child of the tip, the tip.
    fn connect(&mut self, hash: BlockHash) -> Arc<Block> {
        let stored = self.blocks.get(&hash).expect("only stored blocks are connected");
        let (block, height) = (Arc::clone(&stored.block), stored.height);
        let mut spent = Vec::new();
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            let origin = if transaction.is_coinbase() {
                CoinOrigin::Coinbase(height)
            } else {
                for input in &transaction.input {
                    let coin = self.coins.remove(&input.previous_output);
                    let coin = coin.expect("blocks spend only coins that exist");
                    spent.push((input.previous_output, coin));
                }
                CoinOrigin::Block(height)
            };
            for (vout, output) in (0_u32..).zip(&transaction.output) {
                if !output.script_pubkey.is_op_return() {
                    let coin = Coin { output: output.clone(), origin };
                    self.coins.insert(OutPoint { txid, vout }, coin);
                }
            }
            self.transactions.insert(txid, hash);
        }
        self.active.push(hash);
        self.blocks.get_mut(&hash).expect("looked up above").spent = spent;
        block
    }

    /// Takes the tip off the best chain.
    fn disconnect_tip(&mut self) -> Arc<Block> {
        let hash = self.active.pop().expect("the genesis block is never disconnected");
        let stored = self.blocks.get_mut(&hash).expect("the tip is stored");
        let (block, spent) = (Arc::clone(&stored.block), std::mem::take(&mut stored.spent));
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            self.transactions.remove(&txid);
        }
        // Coins made and spent within the block come back and go again: created coins are removed last.
        self.coins.extend(spent);
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            for (vout, _) in (0_u32..).zip(&transaction.output) {
                self.coins.remove(&OutPoint { txid, vout });
            }
        }
        block
    }
}

/// The target every block of regtest has.
pub(crate) fn easiest_target() -> Target {
    Params::new(Network::Regtest).max_attainable_target
}
