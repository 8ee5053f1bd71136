//! What the machine hands out: events to be saved, effects that wait for them, and what a peer did wrong.

use strait_primitives::{BlockHeight, CommitmentNumber, ContractId, Digest, FeeRate, PaymentHash};
use strait_wire::{FaultCode, Message, Note, Operation, Operations};
use thiserror::Error;

use crate::event::{CarriedRequest, ChannelEvent};
use crate::ledger::LedgerError;

/// Events and effects of one or more steps, in order.
#[derive(Debug, Default)]
#[must_use = "events must be saved, and effects wait for that"]
pub struct Decision {
    /// To be saved; already folded into the machine.
    pub events: Vec<ChannelEvent>,
    /// To be done once they are.
    pub effects: Vec<ChannelEffect>,
}

impl Decision {
    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.effects.push(ChannelEffect::Send(message.into()));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.effects.push(ChannelEffect::Notice(notice));
    }
}

/// Something a channel wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all effects send, and a box would cost each")]
pub enum ChannelEffect {
    /// Send this to the channel's peer.
    Send(Message),
    /// Bring this transaction on chain.
    Broadcast(bitcoin::Transaction),
    /// Drop the connection: the peer is not answering, or cannot be understood.
    Disconnect,
    /// Tell those who wait.
    Notice(Notice),
}

/// Something that those who wait for it may now be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// These requests are carried out, irrevocably for the payer.
    Irrevocable {
        /// The number whose ledger holds them.
        number: CommitmentNumber,
        /// How many operations the round held.
        operations: usize,
        /// Which, in order, as the proposal carried them: the round's last operations are theirs.
        requests: Vec<CarriedRequest>,
    },
    /// The counterparty's operations are ours to rely on.
    Received {
        /// The number whose ledger holds them.
        number: CommitmentNumber,
        /// What they were.
        operations: Operations,
    },
    /// A queued request cannot be proposed any more; nothing of it was.
    Refused {
        /// Which.
        request: CarriedRequest,
        /// Why.
        reason: RequestError,
    },
    /// The channel is signed; its funding transaction is on its way.
    Opened,
    /// The opening came to nothing.
    Abandoned,
    /// The peer answered an offer of a contract.
    ContractAnswered {
        /// Which.
        contract: ContractId,
        /// What it said.
        answer: ContractAnswer,
    },
    /// A cooperative closing transaction is complete.
    CloseAgreed,
    /// The close that was wanted is not any more: what a round has opened since stands in its way.
    CloseRefused {
        /// What does.
        reason: RequestError,
    },
}

/// A peer's answer to an offered contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractAnswer {
    /// It agrees.
    Agreed,
    /// It does not, and says why.
    Refused(Note),
}

/// Why this node refuses a request of its own user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The ledger does not allow it.
    #[error("the ledger does not allow it")]
    Ledger(#[source] LedgerError),
    /// More than one round can carry.
    #[error("it does not fit one round")]
    TooLarge(#[source] strait_wire::OperationsError),
    /// Too much is waiting already.
    #[error("{queued} operations wait already, at most {limit} may")]
    QueueFull {
        /// Operations waiting.
        queued: usize,
        /// The most that may wait.
        limit: usize,
    },
    /// A lock that would be offered at its expiry, or after it.
    #[error("the lock expires at {expiry}, and the chain is at {tip}")]
    LockExpired {
        /// Its expiry.
        expiry: BlockHeight,
        /// The best block's height.
        tip: BlockHeight,
    },
    /// A lock under a hash whose preimage is a secret of the channel itself, which a side will show in a later round.
    #[error("{payment_hash} is the hash of a revocation secret of this channel")]
    RevocationHash {
        /// It.
        payment_hash: PaymentHash,
    },
    /// A contract is opened while there is time left, and nobody knows here how much there is.
    #[error(
        "the chain is not known up to its tip, and contract {contract} is opened in time or not at all"
    )]
    TipStale {
        /// Which.
        contract: ContractId,
    },
    /// The channel is not open for rounds.
    #[error("the channel is {state}")]
    NotOpen {
        /// What it is instead.
        state: &'static str,
    },
    /// A later state than this node's may exist: only its operator ends the channel.
    #[error("the channel is quarantined: a later state of it may exist")]
    Quarantined,
    /// Something of the kind is known already, and differs.
    #[error("contract {contract} is known already")]
    KnownContract {
        /// Which.
        contract: ContractId,
    },
    /// A contract must be settled, or a lock resolved, before a cooperative close.
    #[error("{locks} locks and {contracts} contracts are still live")]
    StillLive {
        /// Live locks.
        locks: usize,
        /// Live contracts.
        contracts: usize,
    },
}

/// What a peer did that the protocol does not allow. The channel keeps its last state and closes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message that does not fit the moment.
    #[error("{message} while the channel was {state}")]
    Unexpected {
        /// The message's name.
        message: &'static str,
        /// What the channel was doing.
        state: &'static str,
    },
    /// A wrong number.
    #[error("number {actual} where {expected} belongs")]
    Number {
        /// What was sent.
        actual: CommitmentNumber,
        /// What belongs there.
        expected: CommitmentNumber,
    },
    /// A signature that does not verify.
    #[error("the signature on commitment {number} is wrong")]
    Signature {
        /// Of which commitment.
        number: CommitmentNumber,
    },
    /// A secret that does not fit its hash or the ones before.
    #[error("the secret of commitment {number} is wrong")]
    Secret {
        /// Of which commitment.
        number: CommitmentNumber,
    },
    /// An operation that the ledger does not allow.
    #[error("an operation that the ledger does not allow")]
    Ledger(#[source] LedgerError),
    /// A repeated message that is not the same.
    #[error("{message} was repeated with other content")]
    Changed {
        /// The message's name.
        message: &'static str,
    },
    /// Key material that is not on the curve, or equal where it must differ.
    #[error("unusable {what}")]
    Material {
        /// What is unusable.
        what: &'static str,
    },
    /// Both nodes compute another funding transaction.
    #[error("funding transaction {actual} where {expected} follows from the opening")]
    Funding {
        /// What was sent.
        actual: Digest,
        /// What follows.
        expected: Digest,
    },
    /// The peer's account of the channel does not fit ours, and it proves nothing.
    #[error("the peer is at {theirs} and this node at {ours}, which no lost message explains")]
    Mismatch {
        /// Its agreed number.
        theirs: CommitmentNumber,
        /// Ours.
        ours: CommitmentNumber,
    },
    /// A turn that had to be yielded was kept.
    #[error("the turn was asked for and not yielded")]
    TurnKept,
    /// A closing transaction of another shape.
    #[error("unusable close: {what}")]
    Close {
        /// What is wrong.
        what: &'static str,
    },
}

/// How to react to a peer's message that did not go through.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reaction {
    /// Close the channel without the peer.
    #[error("the peer broke the protocol")]
    Close(#[source] Violation),
    /// Refuse and forget: nothing of value exists yet.
    #[error("refused: {}", .note.as_str())]
    Refuse {
        /// The kind.
        code: FaultCode,
        /// For the peer's operator.
        note: Note,
    },
    /// This node cannot judge it now: drop the connection and try again.
    #[error("cannot be judged here and now")]
    Retry(#[source] LedgerError),
}

impl From<Violation> for Reaction {
    fn from(violation: Violation) -> Self {
        Self::Close(violation)
    }
}

/// What the best block known here is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipStanding {
    /// The chain may be ahead, by however much: whatever is due at the height known here is due, and nothing may count on
    /// there being time left.
    Stale,
    /// It is the network's tip, as far as anybody can tell.
    Current,
}

/// What a step may look at beside the channel itself.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Now.
    pub now: strait_primitives::Timestamp,
    /// The height of the best block.
    pub tip: BlockHeight,
    /// What that is worth.
    pub tip_standing: TipStanding,
    /// What runs contracts.
    pub contracts: &'a dyn strait_contract::ContractRuntime,
    /// What the operator thinks of contracts that peers offer.
    pub policy: &'a dyn crate::ContractPolicy,
    /// Claims and cancellations of locks that the peer has offered: each goes into the next round that this node
    /// proposes, as long as its lock is there.
    pub settlements: &'a [Operation],
    /// What a cooperative close should pay for block space.
    pub close_fee_rate: FeeRate,
    /// Fresh entropy, never used before: nonces of a close are made of it.
    pub entropy: [u8; 32],
}
