//! The questions a chain backend answers. Adapters implement [`ChainSource`]; the runtime and the follower ask.

use core::fmt;

use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, OutPoint, Transaction, TxOut, Txid};
use strait_primitives::{BlockDelta, BlockHeight, FeeRate, Timestamp};

use crate::ChainError;
use crate::limits::SUBMISSION_TRANSACTIONS_MAX;

/// A block by its place and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// Where it stands.
    pub height: BlockHeight,
    /// Which block it is.
    pub hash: BlockHash,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at height {}", self.hash, self.height)
    }
}

/// A header and the height the source gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderAt {
    /// Its height, as the source says.
    pub height: BlockHeight,
    /// The header; it hashes to what was asked for.
    pub header: Header,
}

/// An output that no confirmed transaction has spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unspent {
    /// The output.
    pub output: TxOut,
    /// Its confirmations: 1 in the tip.
    pub depth: BlockDelta,
}

/// What became of one submitted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// It is in the source's mempool now. That is no proof that anyone else has it: submit again every block.
    Accepted,
    /// The source already had it, in its mempool or in its chain.
    AlreadyKnown,
    /// The source refused it.
    Rejected {
        /// The source's own words, such as `min relay fee not met`. For logs and operators; decide nothing by them.
        reason: String,
    },
}

/// What became of a submission, transaction by transaction, in the order submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused transaction looks like an accepted one to who does not look"]
pub struct SubmitOutcome {
    /// The outcome of each transaction.
    pub transactions: Vec<(Txid, TransactionOutcome)>,
}

impl SubmitOutcome {
    /// True if the source now has every transaction.
    #[must_use]
    pub fn is_known_entirely(&self) -> bool {
        self.first_rejection().is_none()
    }

    /// The first transaction that was refused, and why.
    #[must_use]
    pub fn first_rejection(&self) -> Option<(Txid, &str)> {
        self.transactions.iter().find_map(|(txid, outcome)| match outcome {
            TransactionOutcome::Accepted | TransactionOutcome::AlreadyKnown => None,
            TransactionOutcome::Rejected { reason } => Some((*txid, reason.as_str())),
        })
    }
}

/// What block space costs, as far as a source knows; no rate is below [`FEE_RATE_FLOOR`](crate::FEE_RATE_FLOOR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeAnswer {
    /// This rate confirms in the time asked for, and enters the source's mempool.
    Estimate(FeeRate),
    /// The source has seen too little traffic to say.
    Unknown {
        /// Below this rate nothing enters its mempool.
        least: FeeRate,
    },
}

/// How far a source is with fetching the chain itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Download {
    /// It is in its initial download.
    Running,
    /// It has no peer: whatever it says of its tip, nobody else has said so, and nothing it is given goes any further.
    Alone,
    /// Its tip is the network's, as far as it can tell.
    Over {
        /// When the tip was mined, as its miner's clock had it: one of long ago is not the network's, whatever the source
        /// says. None where blocks come when somebody asks for them.
        mined: Option<Timestamp>,
    },
}

/// A backend that knows a Bitcoin chain. Every call blocks until the answer is there or a time-out says otherwise.
///
/// An error that [`ChainError::is_transient`] may be asked again later; the others need an operator.
pub trait ChainSource: Send {
    /// Checks that this is the right network and that the source can do what the node needs (package relay).
    ///
    /// # Errors
    /// Any [`ChainError`]; a node does not start to trade before this has passed once.
    fn self_test(&mut self) -> Result<(), ChainError>;

    /// The last block of the best chain.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn tip(&mut self) -> Result<BlockId, ChainError>;

    /// The header with this hash.
    ///
    /// # Errors
    /// [`ChainError::UnknownBlock`] if the source has no such block, and what every call may return.
    fn header(&mut self, hash: BlockHash) -> Result<HeaderAt, ChainError>;

    /// The block of the best chain at this height; `None` above the tip.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn block_hash_at(&mut self, height: BlockHeight) -> Result<Option<BlockHash>, ChainError>;

    /// The block with this hash.
    ///
    /// # Errors
    /// [`ChainError::UnknownBlock`] if the source has no such block, and what every call may return.
    fn block(&mut self, hash: BlockHash) -> Result<Block, ChainError>;

    /// Submits one transaction, or a parent and the child that pays for it.
    ///
    /// # Errors
    /// [`ChainError::SubmissionSize`] for any other number of transactions, and what every call may return. A
    /// refused transaction is not an error but an outcome.
    fn submit(&mut self, transactions: &[Transaction]) -> Result<SubmitOutcome, ChainError>;

    /// The mempool's transactions that spend any of these outputs, each once.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn mempool_spends(&mut self, outpoints: &[OutPoint]) -> Result<Vec<Transaction>, ChainError>;

    /// The mempool's transactions that this method has not returned before, a bounded number each call.
    ///
    /// It walks the whole mempool: right for a regtest or a signet. On mainnet ask
    /// [`mempool_spends`](Self::mempool_spends) for what matters.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn mempool_transactions(&mut self) -> Result<Vec<Transaction>, ChainError>;

    /// The output if no confirmed transaction spends it; the mempool is not looked at.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn unspent(&mut self, outpoint: OutPoint) -> Result<Option<Unspent>, ChainError>;

    /// The fee rate that confirms within so many blocks.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn estimate_fee(&mut self, target: BlockDelta) -> Result<FeeAnswer, ChainError>;

    /// Whether the source still fetches the chain itself: its tip is then one of long ago.
    ///
    /// # Errors
    /// [`ChainError`] if the source fails or answers nonsense.
    fn download(&mut self) -> Result<Download, ChainError>;
}

impl ChainError {
    /// Refuses a submission that is neither one transaction nor a parent and its child.
    ///
    /// # Errors
    /// [`ChainError::SubmissionSize`].
    pub fn check_submission(transactions: &[Transaction]) -> Result<(), Self> {
        if (1..=SUBMISSION_TRANSACTIONS_MAX).contains(&transactions.len()) {
            return Ok(());
        }
        Err(Self::SubmissionSize { actual: transactions.len(), limit: SUBMISSION_TRANSACTIONS_MAX })
    }
}
