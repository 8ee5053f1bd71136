//! What can go wrong between the node and its chain.

use core::time::Duration;

use bitcoin::{BlockHash, Network};
use strait_primitives::BlockHeight;
use thiserror::Error;

use crate::BlockFault;

/// Why a question to the chain has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The source cannot be reached, timed out or is overloaded. Transient.
    #[error("chain source at {endpoint} does not answer ({detail})")]
    Unavailable {
        /// Where it was looked for, without credentials.
        endpoint: String,
        /// What the connection said.
        detail: String,
    },
    /// The source has started but is not ready yet. Transient.
    #[error("chain source at {endpoint} is warming up ({detail})")]
    WarmingUp {
        /// Where it is, without credentials.
        endpoint: String,
        /// What it says it is doing.
        detail: String,
    },
    /// The source failed so often of late that it is left alone for a while. Transient.
    #[error(
        "chain source at {endpoint} is left alone for {} ms: the circuit breaker is open (last failure: {detail})",
        retry_after.as_millis()
    )]
    BreakerOpen {
        /// Where it is, without credentials.
        endpoint: String,
        /// When it is asked again.
        retry_after: Duration,
        /// How it failed last.
        detail: String,
    },
    /// The source refused the credentials.
    #[error(
        "chain source at {endpoint} refused the credentials; check the user and password, or the cookie file, \
         in rpc_url"
    )]
    Unauthorised {
        /// Where it is, without credentials.
        endpoint: String,
    },
    /// The source follows another network.
    #[error(
        "chain source is on another network: its genesis block is {actual}, {network} has {expected}"
    )]
    WrongNetwork {
        /// The network the node is configured for.
        network: Network,
        /// That network's genesis block.
        expected: BlockHash,
        /// What the source says.
        actual: BlockHash,
    },
    /// The source cannot relay packages, without which a force close may never confirm.
    #[error("chain source (version {version}) cannot relay packages; Bitcoin Core 28 or later can")]
    NoPackageRelay {
        /// Its version number, as bitcoind counts (28.1 is 280100).
        version: u64,
    },
    /// The source has no such block.
    #[error("chain source does not know block {hash}")]
    UnknownBlock {
        /// The block asked for.
        hash: BlockHash,
    },
    /// The source answered something that makes no sense.
    #[error("chain source answered {method} with nonsense ({detail})")]
    Nonsense {
        /// The question.
        method: &'static str,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The source refused a question it should understand.
    #[error("chain source refused {method} with code {code} ({detail})")]
    Refused {
        /// The question.
        method: &'static str,
        /// Its error code.
        code: i64,
        /// Its message.
        detail: String,
    },
    /// The source served a block that is not valid.
    #[error("chain source served an invalid block {hash} at height {height}")]
    InvalidBlock {
        /// Where it would stand.
        height: BlockHeight,
        /// Its hash, as asked for.
        hash: BlockHash,
        /// What is wrong with it.
        #[source]
        fault: BlockFault,
    },
    /// The source's chain forks off before the oldest block the follower remembers.
    #[error(
        "the chain was reorganised below height {oldest}, deeper than the {window} blocks remembered"
    )]
    ReorganisationTooDeep {
        /// The oldest remembered block.
        oldest: BlockHeight,
        /// How many blocks are remembered.
        window: usize,
    },
    /// A submission is one transaction or a parent and its child.
    #[error("a submission has 1 to {limit} transactions, not {actual}")]
    SubmissionSize {
        /// Transactions given.
        actual: usize,
        /// The most there can be.
        limit: usize,
    },
}

impl ChainError {
    /// True if the same question may succeed later without anyone's help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::WarmingUp { .. } | Self::BreakerOpen { .. } => true,
            Self::Unauthorised { .. }
            | Self::WrongNetwork { .. }
            | Self::NoPackageRelay { .. }
            | Self::UnknownBlock { .. }
            | Self::Nonsense { .. }
            | Self::Refused { .. }
            | Self::InvalidBlock { .. }
            | Self::ReorganisationTooDeep { .. }
            | Self::SubmissionSize { .. } => false,
        }
    }
}
