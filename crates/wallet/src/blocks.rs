//! What the chain and our own broadcasts tell the wallet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bdk_wallet::chain::local_chain;
use bdk_wallet::chain::{
    BlockId, CanonicalizationParams, ChainPosition, ConfirmationBlockTime, Indexer,
};
use bitcoin::{Amount, Block, BlockHash, Transaction, Txid};
use strait_primitives::{BlockDelta, BlockHeight, Timestamp};
use thiserror::Error;

use crate::account::BlockPoint;
use crate::codec::Consensus;
use crate::limits::{BLOCKS_KEPT, BLOCKS_SWEPT_EVERY};
use crate::{Wallet, WalletChange};

/// Why a block was not connected; the wallet is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The block does not stand on the wallet's tip.
    #[error("the block at height {height} on {previous} does not stand on the tip, {tip}")]
    NotNext {
        /// The wallet's tip.
        tip: BlockPoint,
        /// The height given.
        height: BlockHeight,
        /// The block below, as its header says.
        previous: BlockHash,
    },
    /// No chain holds such a transaction: it spends one output twice, or creates more than all the money.
    #[error("the block holds the impossible transaction {txid}")]
    Impossible {
        /// Which one.
        txid: Txid,
    },
}

/// Why blocks were not disconnected; the wallet is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// There is no such block: the chain as the wallet knows it ends below.
    #[error("height {height} is above the tip at {tip}")]
    AboveTip {
        /// The height given.
        height: BlockHeight,
        /// The wallet's tip.
        tip: BlockHeight,
    },
    /// The block below is no longer, or was never, known.
    #[error("height {height} lies deeper than the blocks that are remembered")]
    TooDeep {
        /// The height given.
        height: BlockHeight,
    },
}

impl Wallet {
    /// Adds the block above the tip: coins it pays to us, spends of ours, and what conflicts with either.
    ///
    /// That the block is valid, work and Merkle root included, is the chain source's to judge.
    ///
    /// # Errors
    /// [`ConnectError`] if it is not the next block or holds what no chain can hold.
    pub fn connect_block(
        &mut self,
        block: &Block,
        height: BlockHeight,
    ) -> Result<WalletChange, ConnectError> {
        let tip = self.tip();
        let previous = block.header.prev_blockhash;
        let is_above = tip.height.to_u32().checked_add(1) == Some(height.to_u32());
        if !is_above || previous != tip.hash {
            return Err(ConnectError::NotNext { tip, height, previous });
        }
        if let Some(tx) = block.txdata.iter().find(|tx| is_impossible(tx)) {
            return Err(ConnectError::Impossible { txid: tx.compute_txid() });
        }
        let mut blocks = self.forgettable(height);
        blocks.insert(height.to_u32(), Some(block.block_hash()));
        self.alter_chain(&blocks);
        let added = self.graph.apply_block_relevant(block, height.to_u32());
        let mut change = self.graph_change(&added);
        change.blocks = stored_blocks(blocks);
        if !change.anchors.is_empty() {
            self.anchored.insert(height);
        }
        assert_eq!(self.tip(), BlockPoint { height, hash: block.block_hash() });
        Ok(change)
    }

    /// Takes note of transactions of the block just connected that need not touch the wallet, but that transactions of ours
    /// may hang on. `None` if there is nothing new in it.
    ///
    /// Should a reorganisation put another transaction in the place of one, then what hangs on it is lost with it; without
    /// knowing it the wallet would count coins as spent, for ever, by what can never be mined.
    ///
    /// # Panics
    /// If the block is not the tip's.
    #[must_use = "a change that is not logged is undone by the next start"]
    pub fn note_needed(
        &mut self,
        block: &Block,
        is_needed: impl Fn(&Transaction) -> bool,
    ) -> Option<WalletChange> {
        let BlockPoint { height, hash } = self.tip();
        assert_eq!(hash, block.block_hash(), "what was connected last is looked at");
        let block_id = BlockId { height: height.to_u32(), hash };
        let confirmation_time = u64::from(block.header.time);
        let mut change = WalletChange::default();
        for tx in block.txdata.iter().filter(|tx| is_needed(tx)) {
            let anchor = ConfirmationBlockTime { block_id, confirmation_time };
            let inserted = self.graph.insert_tx(tx.clone());
            change.extend(self.graph_change(&inserted));
            let anchored = self.graph.insert_anchor(tx.compute_txid(), anchor);
            change.extend(self.graph_change(&anchored));
        }
        if !change.anchors.is_empty() {
            self.anchored.insert(height);
        }
        (!change.is_empty()).then_some(change)
    }

    /// Removes the block at this height and every one above it, back to the fork of a reorganisation.
    ///
    /// Transactions they held count as on their way again, unless one on the new branch conflicts.
    ///
    /// # Errors
    /// [`DisconnectError`] if there is no such block or the one below it is not remembered.
    pub fn disconnect_block(
        &mut self,
        height: BlockHeight,
    ) -> Result<WalletChange, DisconnectError> {
        let tip = self.tip().height;
        if height > tip {
            return Err(DisconnectError::AboveTip { height, tip });
        }
        let below = height.to_u32().checked_sub(1).and_then(|below| self.chain.get(below));
        let Some(below) = below else {
            return Err(DisconnectError::TooDeep { height });
        };
        let blocks: BTreeMap<u32, Option<BlockHash>> =
            self.chain.range(height.to_u32()..).map(|block| (block.height(), None)).collect();
        self.alter_chain(&blocks);
        assert_eq!(self.tip().hash, below.hash());
        Ok(WalletChange { blocks: stored_blocks(blocks), ..WalletChange::default() })
    }

    /// Takes note of a transaction of our own that has left for the network. `None` if it is not about us, or no
    /// chain can hold it.
    ///
    /// The coins it spends are spent from now on and its change is pending. A fee child is not noted: it may be
    /// replaced many times, so its coins are reserved instead, and the block that holds one of them settles it.
    #[must_use = "a change that is not logged is undone by the next start"]
    pub fn note_unconfirmed(&mut self, tx: &Transaction, now: Timestamp) -> Option<WalletChange> {
        if tx.is_coinbase() || is_impossible(tx) {
            return None;
        }
        let txs = [(Arc::new(tx.clone()), now.to_unix_ms())];
        let added = self.graph.batch_insert_relevant_unconfirmed(txs);
        let change = self.graph_change(&added);
        (!change.is_empty()).then_some(change)
    }

    /// Gives up a transaction of our own that will not confirm, and what spends it: the coins are free again.
    ///
    /// `None` if it is unknown or mined. Noting it again later revives it.
    #[must_use = "a change that is not logged is undone by the next start"]
    pub fn forget_unconfirmed(&mut self, txid: Txid, now: Timestamp) -> Option<WalletChange> {
        if self.graph.graph().get_tx(txid).is_none() || self.is_mined(txid) {
            return None;
        }
        let graph = self.graph.graph();
        let after = graph.walk_descendants(txid, |_, child| Some(child));
        let family: BTreeSet<Txid> = after.chain([txid]).collect();
        let mut change = WalletChange::default();
        for member in family {
            let seen = self.graph.graph().get_tx_node(member).and_then(|node| node.last_seen);
            let at = now.to_unix_ms().max(seen.unwrap_or(0));
            let added = self.graph.insert_evicted_at(member, at);
            change.extend(self.graph_change(&added));
        }
        (!change.is_empty()).then_some(change)
    }

    /// Transactions that touch the wallet and are on their way, parents before children: what to broadcast again.
    #[must_use]
    pub fn unconfirmed(&self) -> Vec<Arc<Transaction>> {
        self.graph
            .graph()
            .list_ordered_canonical_txs(
                &self.chain,
                self.chain.tip().block_id(),
                CanonicalizationParams::default(),
            )
            .filter(|tx| tx.chain_position.is_unconfirmed())
            .map(|tx| tx.tx_node.tx)
            .filter(|tx| self.graph.index.is_tx_relevant(tx))
            .collect()
    }

    /// A transaction that touches the wallet, mined or not.
    #[must_use]
    pub fn transaction(&self, txid: Txid) -> Option<Arc<Transaction>> {
        self.graph.graph().get_tx(txid)
    }

    /// The block of the best chain that holds a transaction of the wallet.
    #[must_use]
    pub fn mined_in(&self, txid: Txid) -> Option<BlockPoint> {
        let node = self.graph.graph().get_tx_node(txid)?;
        node.anchors.iter().map(|anchor| anchor.block_id).find_map(|BlockId { height, hash }| {
            let known = self.chain.get(height)?;
            let point = BlockPoint { height: BlockHeight::new(height), hash };
            (known.hash() == hash).then_some(point)
        })
    }

    /// Where the best chain holds another transaction that spends a coin of this one, or of one that this one needs and no
    /// block holds: it can then never be mined. The deepest of them, if there are several.
    ///
    /// Only what touches the wallet is known here: of what a stranger's payment to it was made from, nothing is.
    #[must_use]
    pub fn rival_of(&self, txid: Txid) -> Option<BlockHeight> {
        let graph = self.graph.graph();
        let mut needed = vec![txid];
        let mut seen = BTreeSet::new();
        let mut rival: Option<BlockHeight> = None;
        while let Some(txid) = needed.pop() {
            let Some(transaction) = self.transaction(txid) else { continue };
            if !seen.insert(txid) || self.mined_in(txid).is_some() {
                continue;
            }
            let rivals = graph.direct_conflicts(&transaction);
            let mined = rivals.filter_map(|(_, other)| self.mined_in(other)).map(|at| at.height);
            rival = rival.into_iter().chain(mined).min();
            needed.extend(transaction.input.iter().map(|input| input.previous_output.txid));
        }
        rival
    }

    /// True if a block of the best chain holds the transaction, or one that spends it.
    fn is_mined(&self, txid: Txid) -> bool {
        self.graph
            .graph()
            .list_canonical_txs(
                &self.chain,
                self.chain.tip().block_id(),
                CanonicalizationParams::default(),
            )
            .any(|tx| {
                tx.tx_node.txid == txid
                    && matches!(tx.chain_position, ChainPosition::Confirmed { .. })
            })
    }

    /// Old blocks without a transaction of ours, at the heights that sweep: they leave the chain in memory and on disk.
    fn forgettable(&self, height: BlockHeight) -> BTreeMap<u32, Option<BlockHash>> {
        if !height.to_u32().is_multiple_of(BLOCKS_SWEPT_EVERY) {
            return BTreeMap::new();
        }
        let kept_from = height.saturating_sub(BLOCKS_KEPT).saturating_add(BlockDelta::new(1));
        self.chain
            .range(1..kept_from.to_u32())
            .map(|block| block.height())
            .filter(|&old| !self.anchored.contains(&BlockHeight::new(old)))
            .map(|old| (old, None))
            .collect()
    }

    fn alter_chain(&mut self, blocks: &BTreeMap<u32, Option<BlockHash>>) {
        let change: local_chain::ChangeSet = blocks.iter().map(|(&at, &hash)| (at, hash)).collect();
        self.chain.apply_changeset(&change).expect("the genesis block is never removed");
    }
}

/// True if no valid chain can hold it and counting it would break the sums here.
fn is_impossible(tx: &Transaction) -> bool {
    let mut spent = BTreeSet::new();
    let spends_twice = !tx.input.iter().all(|input| spent.insert(input.previous_output));
    let total =
        tx.output.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value));
    spends_twice || total.is_none_or(|total| total > Amount::MAX_MONEY)
}

fn stored_blocks(
    blocks: BTreeMap<u32, Option<BlockHash>>,
) -> BTreeMap<BlockHeight, Option<Consensus<BlockHash>>> {
    blocks
        .into_iter()
        .map(|(height, hash)| (BlockHeight::new(height), hash.map(Consensus)))
        .collect()
}
