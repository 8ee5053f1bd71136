//! The chain that both nodes follow: the devnet's own, scripts judged by Bitcoin Core's code, behind the trait that the
//! runtime's chain thread uses.

use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, opcodes, script};
use strait_chain::{
    BlockId, ChainError, ChainSource, Download, FeeAnswer, HeaderAt, SubmitOutcome,
    TransactionOutcome, Unspent,
};
use strait_devnet::{Regtest, Submission};
use strait_primitives::{BlockDelta, BlockHeight, FeeRate};

/// The chain and what is told about it.
#[derive(Debug)]
pub(crate) struct SimChain {
    pub(crate) regtest: Regtest,
    /// The simulated time, for transactions that are handed in.
    pub(crate) now_s: u64,
    /// What block space costs.
    pub(crate) fee_rate: FeeRate,
}

impl SimChain {
    /// The genesis block and nothing else.
    pub(crate) fn new() -> Self {
        Self { regtest: Regtest::new(), now_s: 0, fee_rate: FeeRate::from_sat_per_kvb(2_000) }
    }

    /// Mines a block that pays nobody.
    pub(crate) fn mine(&mut self, now_s: u64) {
        self.now_s = now_s;
        self.regtest.mine(nobody(), now_s);
    }

    /// The best chain loses its last `depth` blocks to a branch that is one block longer; returns how many were lost.
    /// The first `empty` of the new blocks leave everything waiting.
    pub(crate) fn reorganise(&mut self, depth: u32, empty: u32, now_s: u64) -> u32 {
        self.now_s = now_s;
        let depth = depth.min(self.regtest.height().to_u32().saturating_sub(1));
        if depth == 0 {
            return 0;
        }
        let lost = self.regtest.height().saturating_sub(BlockDelta::new(depth - 1));
        let lost = self.regtest.hash_at(lost).expect("below the tip");
        self.regtest.rule_out(lost, now_s);
        for mined in 0..=depth {
            if mined < empty {
                self.regtest.mine_empty(nobody(), now_s);
            } else {
                self.regtest.mine(nobody(), now_s);
            }
        }
        depth
    }
}

/// A script whose money nobody here spends.
fn nobody() -> ScriptBuf {
    script::Builder::new().push_opcode(opcodes::OP_TRUE).into_script()
}

impl ChainSource for SimChain {
    fn self_test(&mut self) -> Result<(), ChainError> {
        Ok(())
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        let height = self.regtest.height();
        let hash = self.regtest.hash_at(height).expect("the chain has a tip");
        Ok(BlockId { height, hash })
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        let (height, block) = self.regtest.block(&hash).ok_or(ChainError::UnknownBlock { hash })?;
        Ok(HeaderAt { height, header: block.header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        Ok(self.regtest.hash_at(height))
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        let (_, block) = self.regtest.block(&hash).ok_or(ChainError::UnknownBlock { hash })?;
        Ok(block.as_ref().clone())
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        ChainError::check_submission(transactions)?;
        let outcomes = self.regtest.submit(transactions, self.now_s).into_iter().map(|s| match s {
            Submission::Accepted => TransactionOutcome::Accepted,
            Submission::Known => TransactionOutcome::AlreadyKnown,
            Submission::Refused(reason) => TransactionOutcome::Rejected { reason },
        });
        let ids = transactions.iter().map(Transaction::compute_txid);
        Ok(SubmitOutcome { transactions: ids.zip(outcomes).collect() })
    }

    fn mempool_spends(&mut self, outpoints: &[OutPoint]) -> Result<Vec<Transaction>, ChainError> {
        let spends = |transaction: &&Transaction| {
            transaction.input.iter().any(|input| outpoints.contains(&input.previous_output))
        };
        Ok(self.regtest.waiting().filter(spends).cloned().collect())
    }

    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError> {
        Ok(self.regtest.waiting().cloned().collect())
    }

    fn unspent(&mut self, outpoint: OutPoint) -> Result<Option<Unspent>, ChainError> {
        let tip = self.regtest.height();
        let found = self.regtest.unspent(outpoint);
        Ok(found.map(|(height, output)| Unspent {
            output: output.clone(),
            depth: height.depth_at(tip),
        }))
    }

    fn estimate_fee(&mut self, _: BlockDelta) -> Result<FeeAnswer, ChainError> {
        Ok(FeeAnswer::Estimate(self.fee_rate))
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        Ok(Download::Over)
    }
}
