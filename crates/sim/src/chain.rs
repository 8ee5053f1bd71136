//! The chain that all nodes follow: the devnet's own, scripts judged by Bitcoin Core's code, behind the trait that the
//! runtime's chain thread uses. Its miner has whims.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid, opcodes, script};
use strait_chain::{
    BlockId, ChainError, ChainSource, Download, FeeAnswer, HeaderAt, SubmitOutcome,
    TransactionOutcome, Unspent,
};
use strait_devnet::{Regtest, Submission};
use strait_primitives::{BlockDelta, BlockHeight, FeeRate};

/// Transactions that a miner may still remember after the mempool has forgotten them.
const REMEMBERED: usize = 200;

/// What a miner does with a block of its own, beside taking what pays best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whim {
    /// Nothing: it takes what pays best.
    None,
    /// It leaves everything waiting.
    Empty,
    /// It begins with this one of the transactions it remembers, if it still may: one that was replaced, was refused, or
    /// pays less than what waits.
    Old(usize),
}

/// The chain, its miner, and what is told about both.
#[derive(Debug)]
pub(crate) struct SimChain {
    pub(crate) regtest: Regtest,
    /// The simulated time, for transactions that are handed in.
    pub(crate) now_s: u64,
    /// What block space is said to cost.
    pub(crate) fee_rate: FeeRate,
    /// The most it was ever said to cost.
    pub(crate) highest_rate: FeeRate,
    /// What miners do not go below.
    least: FeeRate,
    /// When a spike of fees is over, and what comes after.
    spike: Option<(BlockHeight, FeeRate)>,
    /// Transactions that miners keep out of blocks below a height.
    censored: BTreeMap<Txid, BlockHeight>,
    /// What somebody gave to a miner alone: the next block begins with it.
    bribes: VecDeque<Transaction>,
    /// What was handed in of late, whatever became of it.
    remembered: VecDeque<(Txid, Transaction)>,
    /// Coins have moved since somebody asked.
    has_moved: bool,
}

impl SimChain {
    /// The genesis block and nothing else.
    pub(crate) fn new() -> Self {
        let fee_rate = FeeRate::from_sat_per_kvb(2_000);
        Self {
            regtest: Regtest::new(),
            now_s: 0,
            fee_rate,
            highest_rate: fee_rate,
            least: FeeRate::from_sat_per_kvb(0),
            spike: None,
            censored: BTreeMap::new(),
            bribes: VecDeque::new(),
            remembered: VecDeque::new(),
            has_moved: false,
        }
    }

    /// Block space costs so much from now on, and miners take nothing that pays much less.
    pub(crate) fn set_rate(&mut self, rate: FeeRate) {
        self.fee_rate = rate;
        self.highest_rate = self.highest_rate.max(rate);
        self.least = FeeRate::from_sat_per_kvb(rate.to_sat_per_kvb() / 2);
        self.spike = None;
    }

    /// Block space costs ten times as much for so many blocks.
    pub(crate) fn spike(&mut self, blocks: BlockDelta) {
        let before = self.fee_rate;
        self.set_rate(FeeRate::from_sat_per_kvb(before.to_sat_per_kvb().saturating_mul(10)));
        self.spike = Some((self.regtest.height().saturating_add(blocks), before));
    }

    /// Block space is cheap, and miners take all that waits, from everybody.
    pub(crate) fn calm_down(&mut self) {
        self.set_rate(FeeRate::from_sat_per_kvb(2_000));
        self.least = FeeRate::from_sat_per_kvb(0);
        self.censored.clear();
        self.bribes.clear();
    }

    /// Miners keep what waits now out of so many blocks; returns how many transactions that are.
    pub(crate) fn censor(&mut self, blocks: BlockDelta) -> usize {
        let until = self.regtest.height().saturating_add(blocks);
        self.censored = self.regtest.waiting().map(|t| (t.compute_txid(), until)).collect();
        self.censored.len()
    }

    /// Gives transactions to the miner of the next block, past the mempool.
    pub(crate) fn bribe(&mut self, transactions: impl IntoIterator<Item = Transaction>) {
        self.bribes.extend(transactions);
    }

    /// Transactions that a miner remembers.
    pub(crate) fn remembered(&self) -> usize {
        self.remembered.len()
    }

    /// True if blocks have come or gone since this was last asked.
    pub(crate) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.has_moved)
    }

    /// Mines a block that pays nobody.
    pub(crate) fn mine(&mut self, now_s: u64, whim: Whim) {
        self.now_s = now_s;
        self.has_moved = true;
        let mut first: Vec<Transaction> = self.bribes.drain(..).collect();
        match whim {
            Whim::None => {}
            Whim::Empty => {
                self.regtest.mine_empty(nobody(), now_s);
                return;
            }
            Whim::Old(index) => {
                first.extend(self.remembered.get(index).map(|(_, old)| old.clone()));
            }
        }
        if first.is_empty() || !self.mine_first(first) {
            let (height, censored) = (self.regtest.height(), &self.censored);
            let bars = |txid: &Txid| censored.get(txid).is_some_and(|until| height < *until);
            self.regtest.mine_where(nobody(), now_s, self.least, bars);
        }
        if let Some((until, after)) = self.spike
            && self.regtest.height() >= until
        {
            self.set_rate(after);
        }
    }

    /// Mines a block of those of these that it may hold; false if there is none.
    fn mine_first(&mut self, wanted: Vec<Transaction>) -> bool {
        let mut taken = Vec::new();
        for transaction in wanted {
            taken.push(transaction);
            if self.regtest.check_block(&taken).is_err() {
                taken.pop();
            }
        }
        let now_s = self.now_s;
        !taken.is_empty() && self.regtest.mine_these(nobody(), taken, now_s).is_ok()
    }

    /// The best chain loses its last `depth` blocks to a branch that is one block longer; returns how many were lost.
    /// The first `empty` of the new blocks leave everything waiting; the next begins with what miners remember, if told.
    pub(crate) fn reorganise(&mut self, depth: u32, empty: u32, now_s: u64, whim: Whim) -> u32 {
        self.now_s = now_s;
        let depth = depth.min(self.regtest.height().to_u32().saturating_sub(1));
        if depth == 0 {
            return 0;
        }
        let lost = self.regtest.height().saturating_sub(BlockDelta::new(depth - 1));
        let lost = self.regtest.hash_at(lost).expect("below the tip");
        self.regtest.rule_out(lost, now_s);
        for mined in 0..=depth {
            let whim = match mined.cmp(&empty) {
                Ordering::Less => Whim::Empty,
                Ordering::Equal => whim,
                Ordering::Greater => Whim::None,
            };
            self.mine(now_s, whim);
        }
        depth
    }

    fn remember(&mut self, transactions: &[Transaction]) {
        for transaction in transactions {
            let txid = transaction.compute_txid();
            if self.remembered.iter().all(|(known, _)| *known != txid) {
                self.remembered.push_back((txid, transaction.clone()));
            }
        }
        while self.remembered.len() > REMEMBERED {
            self.remembered.pop_front();
        }
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
        self.remember(transactions);
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
        Ok(Download::Over { mined: None })
    }
}
