//! The devnet's chain as a value, for programs that want its judgement without its server: the simulated world.
//!
//! The same blocks, mempool and rules that the RPC server stands in front of, with the answers of `sendrawtransaction`
//! and `submitpackage` in Rust. Time is an argument; the same calls give the same blocks.

use std::sync::Arc;

use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use strait_primitives::{BlockHeight, FeeRate, VBytes};

use crate::coin::{Coin, CoinOrigin};
use crate::mempool::admission::FeeCap;
use crate::mempool::package::TransactionResult;
use crate::mining::Taste;
use crate::node::Node;
use crate::script_check;

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

    /// Mines what waits and pays best, but for transactions that pay less for their size than `least` with those they
    /// need, and for those that `bars` names, with whatever depends on them.
    pub fn mine_where(
        &mut self,
        payout: ScriptBuf,
        now_s: u64,
        least: FeeRate,
        bars: impl Fn(&Txid) -> bool,
    ) -> BlockHash {
        self.node.mine_where(payout, now_s, |chunk| {
            let fee = least.fee(VBytes(chunk.size_vbytes)).to_sat();
            let pleases = chunk.fee_sat >= fee && !chunk.txids.iter().any(&bars);
            if pleases { Taste::Takes } else { Taste::Leaves }
        })
    }

    /// Checks that the next block may hold exactly these transactions.
    ///
    /// # Errors
    /// Bitcoind's words, if it may not hold one of them after those before it.
    pub fn check_block(&self, transactions: &[Transaction]) -> Result<(), String> {
        self.node.check_block(transactions).map(drop).map_err(|reject| reject.to_string())
    }

    /// Mines a block of exactly these transactions, whether anyone would relay them or not.
    ///
    /// # Errors
    /// Bitcoind's words, if the next block may not hold one of them after those before it; nothing is mined then.
    pub fn mine_these(
        &mut self,
        payout: ScriptBuf,
        transactions: Vec<Transaction>,
        now_s: u64,
    ) -> Result<BlockHash, String> {
        let mined = self.node.mine_exactly(payout, transactions, now_s);
        mined.map_err(|reject| reject.to_string())
    }

    /// True if the best chain holds the transaction.
    #[must_use]
    pub fn is_mined(&self, txid: &Txid) -> bool {
        self.node.chain().block_of(txid).is_some()
    }

    /// Checks every script of a transaction that spends these outputs, one for each input, by Bitcoin Core's code.
    ///
    /// # Errors
    /// Bitcoind's words, if a script fails.
    pub fn check_scripts(transaction: &Transaction, spent: &[TxOut]) -> Result<(), String> {
        let coin = |output: &TxOut| Coin { output: output.clone(), origin: CoinOrigin::Block(0) };
        let coins: Vec<Coin> = spent.iter().map(coin).collect();
        script_check::check_scripts(transaction, &coins).map_err(|reject| reject.to_string())
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
