//! How a demo can fail, and at which step.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use strait_api_types::{ChannelPhase, ContractPhase};
use strait_client::ClientError;
use thiserror::Error;

use super::chain::RpcError;
use super::http::HttpError;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The devnet.
    Chain,
    /// The node that opens the channel.
    Alice,
    /// The node on the other side.
    Bob,
}

impl Who {
    /// The name as files and words have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Three processes come up.
    Start,
    /// Both wallets get coins.
    Fund,
    /// The nodes connect.
    Connect,
    /// The channel opens.
    Open,
    /// Payments in batches, many in flight.
    PayMany,
    /// Payments with a request for each, many in flight.
    PayLoose,
    /// Payments that each wait for the one before.
    PayOneByOne,
    /// A contract from its opening to its settlement.
    Contract,
    /// Both nodes tell the same balances and the same history.
    Compare,
    /// The cooperative close, until every output is settled.
    Close,
    /// Every satoshi is looked for on the chain.
    Audit,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Fund,
        Self::Connect,
        Self::Open,
        Self::PayMany,
        Self::PayLoose,
        Self::PayOneByOne,
        Self::Contract,
        Self::Compare,
        Self::Close,
        Self::Audit,
    ];

    /// What happens in it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Start => "start a chain and two nodes",
            Self::Fund => "mine coins for both",
            Self::Connect => "connect alice to bob",
            Self::Open => "open a channel",
            Self::PayMany => "pay in batches, many in flight",
            Self::PayLoose => "pay with a request for each, many in flight",
            Self::PayOneByOne => "pay one at a time",
            Self::Contract => "run a contract",
            Self::Compare => "compare both sides' balances and histories",
            Self::Close => "close the channel",
            Self::Audit => "look for every satoshi on the chain",
        }
    }

    /// Its place among all, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        let before = Self::ALL.iter().take_while(|step| **step != self).count();
        before.saturating_add(1)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.title())
    }
}

/// Why a demo did not get to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A step failed.
    #[error("the demo failed at step {step}")]
    Step {
        /// Which.
        step: Step,
        /// Why.
        #[source]
        source: Box<Trouble>,
    },
    /// Somebody stopped it.
    #[error("the demo was stopped at step {step}")]
    Stopped {
        /// Where it was.
        step: Step,
    },
    /// The sums are wrong: what the wallets hold at the end and what miners took is not what there was.
    #[error(
        "money was not conserved: {start_sat} sat at the start, {end_sat} sat and {fees_sat} sat of fees at the end"
    )]
    NotConserved {
        /// Both wallets before.
        start_sat: u64,
        /// Both wallets after.
        end_sat: u64,
        /// What all transactions paid to miners.
        fees_sat: u64,
    },
}

impl DemoError {
    /// What the node says should be done, if it was a node that refused.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Step { source, .. } => match &**source {
                Trouble::Node { source: ClientError::Refused { error, .. }, .. } => {
                    Some(&error.hint)
                }
                Trouble::Node { .. }
                | Trouble::Chain { .. }
                | Trouble::Health { .. }
                | Trouble::Late { .. }
                | Trouble::Ended { .. }
                | Trouble::Spawn { .. }
                | Trouble::NoAddress { .. }
                | Trouble::File { .. }
                | Trouble::System { .. }
                | Trouble::Channel { .. }
                | Trouble::Contract { .. }
                | Trouble::Differs { .. }
                | Trouble::UnknownOutput { .. }
                | Trouble::Overflow => None,
            },
            Self::Stopped { .. } | Self::NotConserved { .. } => None,
        }
    }
}

/// Why a step failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// A node refused, or did not answer.
    #[error("{who} did not {what}")]
    Node {
        /// Who.
        who: Who,
        /// What it was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// The chain refused, or did not answer.
    #[error("the chain did not {method}")]
    Chain {
        /// The method.
        method: &'static str,
        /// Why.
        #[source]
        source: RpcError,
    },
    /// The health endpoint of a node does not answer as one.
    #[error("the health of {who} cannot be asked")]
    Health {
        /// Who.
        who: Who,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// Something took too long.
    #[error("{what} did not happen within {} s", within.as_secs())]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        within: Duration,
    },
    /// A process ended by itself.
    #[error("the process of {who} ended by itself: {status}")]
    Ended {
        /// Whose.
        who: Who,
        /// How.
        status: ExitStatus,
    },
    /// A process could not be started.
    #[error("the process of {who} could not be started")]
    Spawn {
        /// Whose.
        who: Who,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A process did not say where it listens.
    #[error("{who} did not say where it listens, but {said:?}")]
    NoAddress {
        /// Who.
        who: Who,
        /// What it said.
        said: String,
    },
    /// A file cannot be made or read.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system does not give what a demo needs.
    #[error("the system gives no {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The channel went another way.
    #[error("the channel of {who} is {found:?} instead of {expect:?}")]
    Channel {
        /// Whose view.
        who: Who,
        /// Where it should be.
        expect: ChannelPhase,
        /// Where it is.
        found: ChannelPhase,
    },
    /// The contract went another way.
    #[error("the contract is {found:?} instead of {expect:?}")]
    Contract {
        /// Where it should be.
        expect: ContractPhase,
        /// Where it is.
        found: ContractPhase,
    },
    /// A number is not what it must be.
    #[error("{what}: {expect} was right, {found} was found")]
    Differs {
        /// What was compared.
        what: &'static str,
        /// What it must be.
        expect: u64,
        /// What it is.
        found: u64,
    },
    /// A block spends what no block before it made.
    #[error("a block spends {outpoint}, which no block made")]
    UnknownOutput {
        /// What it spends.
        outpoint: bitcoin::OutPoint,
    },
    /// A sum of money is beyond 64 bits.
    #[error("a sum is beyond 64 bits")]
    Overflow,
}
