//! The devnet's chain as a value, for programs that want its judgement without its server: the simulated world.
//!
//! The same blocks, mempool and rules that the RPC server stands in front of, with the answers of `sendrawtransaction`
//! and `submitpackage` in Rust. Time is an argument; the same calls give the same blocks.

use std::sync::Arc;

use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut};
use strait_primitives::BlockHeight;

use crate::mempool::admission::FeeCap;
use crate::mempool::package::TransactionResult;
use crate::node::Node;

/// What became of one submitted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// It waits for a block now.
    Accepted,
    /// It waited before, or stands in the chain.
    Known,
    /// It is refused, in bitcoind's words.
    Refused(String),
}

/// A regtest chain and the transactions that wait for it.
#[derive(Debug)]
pub struct Regtest {
    node: Node,
}

impl Default for Regtest {
    fn default() -> Self {
        Self::new()
    }
}

impl Regtest {
    /// The chain that holds the genesis block alone.
    #[must_use]
    pub fn new() -> Self {
        Self { node: Node::new() }
    }

    /// The height of the best chain.
    #[must_use]
    pub fn height(&self) -> BlockHeight {
        BlockHeight::new(self.node.chain().height())
    }

    /// The block of the best chain at this height; `None` above its tip.
    #[must_use]
    pub fn hash_at(&self, height: BlockHeight) -> Option<BlockHash> {
        self.node.chain().hash_at(height.to_u32())
    }

    /// Any block ever mined, and its height.
    #[must_use]
    pub fn block(&self, hash: &BlockHash) -> Option<(BlockHeight, Arc<Block>)> {
        let stored = self.node.chain().block(hash)?;
        Some((BlockHeight::new(stored.height), Arc::clone(&stored.block)))
    }

    /// The output, and the height of its block, if the best chain holds it unspent.
    #[must_use]
    pub fn unspent(&self, outpoint: OutPoint) -> Option<(BlockHeight, &TxOut)> {
        let chain = self.node.chain();
        let coin = chain.coin(&outpoint)?;
        let height = chain.active_height(&chain.block_of(&outpoint.txid)?)?;
        Some((BlockHeight::new(height), &coin.output))
    }

    /// All money of the best chain that can be spent.
    #[must_use]
    pub fn total(&self) -> Amount {
        self.node.chain().total()
    }

    /// What blocks up to the tip have created.
    #[must_use]
    pub fn issued(&self) -> Amount {
        (1..=self.node.chain().height()).map(crate::mining::subsidy).sum()
    }

    /// The waiting transactions, by id.
    pub fn waiting(&self) -> impl Iterator<Item = &Transaction> {
        self.node.mempool().entries().map(|entry| &entry.transaction)
    }

    /// Mines what waits and pays best.
    pub fn mine(&mut self, payout: ScriptBuf, now_s: u64) -> BlockHash {
        self.node.mine(payout, now_s)
    }

    /// Mines a block that leaves everything waiting.
    pub fn mine_empty(&mut self, payout: ScriptBuf, now_s: u64) -> BlockHash {
        self.node.mine_exactly(payout, Vec::new(), now_s).expect("an empty block breaks no rule")
    }

    /// Rules a block out, with everything built on it. Its transactions wait again as far as they may.
    pub fn rule_out(&mut self, hash: BlockHash, now_s: u64) {
        self.node.rule_out(hash, now_s);
    }

    /// Submits one transaction, or a package whose last transaction is the child of the others; the answers come in the
    /// order submitted.
    pub fn submit(&mut self, transactions: &[Transaction], now_s: u64) -> Vec<Submission> {
        match transactions {
            [] => Vec::new(),
            [single] => vec![self.submit_alone(single, now_s)],
            package => self.submit_package(package, now_s),
        }
    }

    fn submit_alone(&mut self, transaction: &Transaction, now_s: u64) -> Submission {
        let txid = transaction.compute_txid();
        let chain = self.node.chain();
        let mut outputs = (0_u32..).zip(&transaction.output);
        let is_confirmed = outputs.any(|(vout, _)| chain.coin(&OutPoint { txid, vout }).is_some());
        if is_confirmed || self.node.mempool().contains(&txid) {
            return Submission::Known;
        }
        match self.node.submit(transaction, now_s) {
            Ok(()) => Submission::Accepted,
            Err(reject) => Submission::Refused(reject.to_string()),
        }
    }

    fn submit_package(&mut self, package: &[Transaction], now_s: u64) -> Vec<Submission> {
        let outcome = self.node.submit_package(package, now_s, FeeCap::None);
        let result =
            |transaction: &Transaction| match outcome.results.get(&transaction.compute_wtxid()) {
                Some(TransactionResult::Valid { .. }) => Submission::Accepted,
                Some(
                    TransactionResult::AlreadyWaiting { .. }
                    | TransactionResult::OtherWitness { .. },
                ) => Submission::Known,
                Some(TransactionResult::Invalid(reject)) => Submission::Refused(reject.to_string()),
                None => Submission::Refused(format!("{:?}", outcome.state)),
            };
        package.iter().map(result).collect()
    }
}
