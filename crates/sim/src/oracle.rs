//! What must never happen, as values: the laws that every run is judged by.

use strait_primitives::{ChannelId, CommitmentNumber, EventSeq, MilliSats, RequestKey, TokenId};
use thiserror::Error;

use crate::place::Place;

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// An effect happened before the events it waits for were on disk.
    #[error("{node} did {effect} waiting for event {waits_for} when the disk held {durable}")]
    Unsaved {
        /// Which node.
        node: String,
        /// What it did.
        effect: String,
        /// What had to be on disk.
        waits_for: EventSeq,
        /// What was.
        durable: EventSeq,
    },
    /// A message left that no event on disk explains.
    #[error("{node} said {message}, and nothing on its disk explains it")]
    Unexplained {
        /// Which node.
        node: String,
        /// What it said.
        message: String,
    },
    /// A node signed two contents for one number.
    #[error("{node} signed two contents for number {number} of channel {channel}")]
    TwoContents {
        /// Which node.
        node: String,
        /// In which channel.
        channel: ChannelId,
        /// Which number.
        number: CommitmentNumber,
    },
    /// The log of a node is not what it was.
    #[error("{node} had events up to {before} on disk and has {after}")]
    Forgot {
        /// Which node.
        node: String,
        /// What it had.
        before: EventSeq,
        /// What it has.
        after: EventSeq,
    },
    /// A disk holds what nobody wrote.
    #[error("{node}'s disk holds something else after event {after} than was written")]
    Disk {
        /// Which node.
        node: String,
        /// The last event that was as written.
        after: EventSeq,
    },
    /// A fold gives another state than the machine has.
    #[error("{node}: {fold} differs from what it must equal at event {at}, in {part}")]
    Fold {
        /// Which node.
        node: String,
        /// Which fold.
        fold: &'static str,
        /// Where in the log.
        at: EventSeq,
        /// Which part of the state differs.
        part: &'static str,
    },
    /// Two nodes hold two rounds under one number.
    #[error("channel {channel}: {node} has another round {number} than its peer")]
    Diverged {
        /// Which node.
        node: String,
        /// In which channel.
        channel: ChannelId,
        /// Which number.
        number: CommitmentNumber,
    },
    /// A round does not follow the one before.
    #[error("channel {channel}: {node} went to {number}, and {expected} follows")]
    Gap {
        /// Which node.
        node: String,
        /// In which channel.
        channel: ChannelId,
        /// Where it went.
        number: CommitmentNumber,
        /// Where it should have gone.
        expected: CommitmentNumber,
    },
    /// The ledger of a node is not what the rounds add up to.
    #[error(
        "channel {channel}: {node} has {actual} of {whose} at {number}, the rounds give {expected}"
    )]
    Ledger {
        /// Which node.
        node: String,
        /// In which channel.
        channel: ChannelId,
        /// At which number.
        number: CommitmentNumber,
        /// Whose money, or which part of it.
        whose: &'static str,
        /// What the ledger says.
        actual: MilliSats,
        /// What the rounds add up to.
        expected: MilliSats,
    },
    /// A node could not settle a channel with what its disk holds.
    #[error("channel {channel}: {node} could not settle at {number}: {why}")]
    Settlement {
        /// Which node.
        node: String,
        /// In which channel.
        channel: ChannelId,
        /// At which number.
        number: CommitmentNumber,
        /// Why not.
        why: String,
    },
    /// A node that plays fair ended with less than was its own.
    #[error("{node} has {actual_sat} sat in its wallet, and {expected_sat} are its own: {account}")]
    Poorer {
        /// Which node.
        node: String,
        /// What it has.
        actual_sat: u64,
        /// What it should have at least.
        expected_sat: u64,
        /// What that comes of.
        account: String,
    },
    /// Something of a revoked commitment was not taken.
    #[error("{node} left {value_sat} sat in {outpoint} to whoever cheated")]
    Unpunished {
        /// Which node.
        node: String,
        /// Where.
        outpoint: String,
        /// How much.
        value_sat: u64,
    },
    /// A node's wallet and the chain do not agree.
    #[error("{node}'s wallet says {wallet_sat} sat, the chain holds {chain_sat} sat for it")]
    Wallet {
        /// Which node.
        node: String,
        /// What the wallet says.
        wallet_sat: u64,
        /// What the chain holds.
        chain_sat: u64,
    },
    /// Coins left a wallet for somebody whom no user named.
    #[error("{node} sent {value_sat} sat in {txid}, and no user asked for it")]
    Unasked {
        /// Which node.
        node: String,
        /// How much.
        value_sat: u64,
        /// In which transaction.
        txid: String,
    },
    /// A lock did not end as it must.
    #[error("{node}: lock {lock} {what}")]
    Lock {
        /// Which node.
        node: String,
        /// Which lock.
        lock: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A payment stands in the history more than once.
    #[error(
        "the payment {reference} was made twice, in {first} and in {second} of channel {channel}"
    )]
    Twice {
        /// The payment's reference, in hex.
        reference: String,
        /// In which channel.
        channel: ChannelId,
        /// Where first.
        first: CommitmentNumber,
        /// Where again.
        second: CommitmentNumber,
    },
    /// A token has paid more than it may, all together or at once.
    #[error("{node}: token {token} has paid {spent}, and may pay {may}")]
    Overspent {
        /// Which node.
        node: String,
        /// Which token.
        token: TokenId,
        /// What was proposed on its account.
        spent: MilliSats,
        /// Its budget.
        may: MilliSats,
    },
    /// What a node says that a token has spent is not what was paid with it.
    #[error("{node}: token {token} is said to have spent {spent}, and {paid} was paid with it")]
    Account {
        /// Which node.
        node: String,
        /// Which token.
        token: TokenId,
        /// What the node says.
        spent: MilliSats,
        /// What its rounds carry.
        paid: MilliSats,
    },
    /// An answer to a user does not hold.
    #[error("{node} answered request {key} ({request}) with {answer}: {fault}")]
    Answer {
        /// Which node.
        node: String,
        /// Under which key.
        key: RequestKey,
        /// What was asked, in short.
        request: String,
        /// What was answered.
        answer: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Money appeared or vanished on chain.
    #[error("the chain holds {total_sat} sat and has issued {issued_sat}")]
    Chain {
        /// What can be spent.
        total_sat: u64,
        /// What blocks have made.
        issued_sat: u64,
    },
    /// A queue grew beyond its bound.
    #[error("{node}: {length} in {queue}, at most {limit} may be")]
    Queue {
        /// Which node.
        node: String,
        /// Which queue.
        queue: &'static str,
        /// How much is in it.
        length: usize,
        /// How much may be.
        limit: usize,
    },
    /// In calm weather a request was not answered in time.
    #[error("{node} has not answered request {key} ({request}) in {waited_ms} ms of calm")]
    Silent {
        /// Which node.
        node: String,
        /// Under which key.
        key: RequestKey,
        /// What was asked, in short.
        request: String,
        /// How long it was calm.
        waited_ms: u64,
    },
    /// In calm weather a channel came to no rest.
    #[error("channel {channel} came to no rest in {waited_ms} ms of calm: {what}")]
    Stuck {
        /// Which channel.
        channel: ChannelId,
        /// How it is.
        what: String,
        /// How long it was calm.
        waited_ms: u64,
    },
    /// In calm weather a node does not keep up with the chain.
    #[error("{what} after {waited_ms} ms of calm")]
    Behind {
        /// Who, and what it lacks.
        what: String,
        /// How long it was calm.
        waited_ms: u64,
    },
    /// A node that cannot read its own log.
    #[error("{node} cannot start: {why}")]
    Start {
        /// Which node.
        node: String,
        /// Why.
        why: String,
    },
    /// One of the two accused the other of breaking the protocol, and neither does.
    #[error("{node} accuses its peer: {what}")]
    Accused {
        /// Which node.
        node: String,
        /// Of what.
        what: String,
    },
    /// A node did not keep to what it agreed, or to what its operator set.
    #[error("{node}: {what}")]
    Bargain {
        /// Which node.
        node: String,
        /// What it did.
        what: &'static str,
    },
    /// Our own code panicked.
    #[error("a panic: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

/// Fails unless two folds agree, and tells in which part they do not.
pub(crate) fn same_state(
    node: Place,
    fold: &'static str,
    at: EventSeq,
    left: &strait_engine::NodeState,
    right: &strait_engine::NodeState,
) -> Result<(), Violation> {
    let part = if left.channels != right.channels {
        "channels"
    } else if left.watchers != right.watchers {
        "watchers"
    } else if left.wallet != right.wallet {
        "the wallet"
    } else if left.book != right.book {
        "the book"
    } else if left.payments != right.payments {
        "the locks"
    } else {
        return Ok(());
    };
    Err(Violation::Fold { node: node.to_string(), fold, at, part })
}
