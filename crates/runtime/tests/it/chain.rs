//! Chains that tests need: one that stands still at its first block, and one that breaks.

use bitcoin::{Block, BlockHash, Network, OutPoint, Transaction};
use strait_chain::{
    BlockId, ChainError, ChainSource, Download, FEE_RATE_FLOOR, FeeAnswer, HeaderAt, SubmitOutcome,
    TransactionOutcome, Unspent,
};
use strait_primitives::{BlockDelta, BlockHeight};

/// Whether a chain answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It does.
    Answers,
    /// Its code has a fault that ends the thread that asks.
    Panics,
}

/// A regtest chain without a block after its first.
#[derive(Debug)]
pub(crate) struct StillChain {
    genesis: Block,
    conduct: Conduct,
}

impl StillChain {
    pub(crate) fn new(conduct: Conduct) -> Self {
        Self { genesis: bitcoin::constants::genesis_block(Network::Regtest), conduct }
    }

    pub(crate) fn tip(&self) -> BlockId {
        BlockId { height: BlockHeight::new(0), hash: self.genesis.block_hash() }
    }

    fn check(&self, hash: BlockHash) -> Result<(), ChainError> {
        if hash == self.genesis.block_hash() {
            Ok(())
        } else {
            Err(ChainError::UnknownBlock { hash })
        }
    }
}

impl ChainSource for StillChain {
    fn self_test(&mut self) -> Result<(), ChainError> {
        Ok(())
    }

    fn tip(&mut self) -> Result<BlockId, ChainError> {
        assert_eq!(self.conduct, Conduct::Answers, "a fault in the chain's code");
        Ok(Self::tip(self))
    }

    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError> {
        self.check(hash)?;
        Ok(HeaderAt { height: BlockHeight::new(0), header: self.genesis.header })
    }

    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError> {
        Ok((height == BlockHeight::new(0)).then(|| self.genesis.block_hash()))
    }

    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError> {
        self.check(hash)?;
        Ok(self.genesis.clone())
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError> {
        let accepted = |tx: &Transaction| (tx.compute_txid(), TransactionOutcome::Accepted);
        Ok(SubmitOutcome { transactions: transactions.iter().map(accepted).collect() })
    }

    fn mempool_spends(&mut self, _: &[OutPoint]) -> Result<Vec<Transaction>, ChainError> {
        Ok(Vec::new())
    }

    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError> {
        Ok(Vec::new())
    }

    fn unspent(&mut self, _: OutPoint) -> Result<Option<Unspent>, ChainError> {
        Ok(None)
    }

    fn estimate_fee(&mut self, _: BlockDelta) -> Result<FeeAnswer, ChainError> {
        Ok(FeeAnswer::Estimate(FEE_RATE_FLOOR))
    }

    fn download(&mut self) -> Result<Download, ChainError> {
        Ok(Download::Over { mined: None })
    }
}
