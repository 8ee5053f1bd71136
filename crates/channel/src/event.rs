//! What happens to a channel: the events of its stream in the log.
//!
//! An event holds all that its fold needs; nothing is computed again that could come out differently. Indices are the
//! storage format: they are never reused (`docs/storage-format.md`).

use strait_primitives::{
    BlockHeight, CommitmentNumber, ContractId, Digest, KeySalt, NodeId, RequestKey, RevocationHash,
    RevocationSecret, SchnorrSignature,
};
use strait_signer::SignedCommitment;
use strait_wire::{AcceptChannel, OpenChannel, Operations, ScriptBytes, TurnMove, TurnWish};

use crate::ledger::{Agreement, ContractChange};
use crate::recovery::Recovery;
use crate::setup::FundingOutput;

/// A signature of this node on a commitment of the counterparty, and the hash that it signs: one number is never signed
/// with two contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Signed {
    /// The signature.
    #[n(0)]
    pub signature: SchnorrSignature,
    /// What it signs.
    #[n(1)]
    pub digest: Digest,
}

impl From<SignedCommitment> for Signed {
    fn from(signed: SignedCommitment) -> Self {
        Self { signature: signed.signature, digest: signed.digest }
    }
}

/// A request that a proposal carries out: what makes it idempotent across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CarriedRequest {
    /// The hash of the caller's idempotency key.
    #[n(0)]
    pub key: RequestKey,
    /// The hash of what was asked, so that one key cannot mean two things.
    #[n(1)]
    pub digest: RequestKey,
    /// How many of the proposal's operations are its.
    #[n(2)]
    pub operations: u32,
}

/// Why an opening came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum AbandonReason {
    /// The peer refused or broke the protocol.
    #[n(0)]
    Peer,
    /// It took too long.
    #[n(1)]
    Expired,
    /// The operator called it off.
    #[n(2)]
    Operator,
    /// Its funding transaction can never be mined: another one spends its coins.
    #[n(3)]
    Conflicted,
}

/// Whose transaction spent a funding output, as far as the watcher can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Spender {
    /// Both sides': a closing transaction.
    #[n(0)]
    Both,
    /// This node's: a commitment of its own.
    #[n(1)]
    Holder,
    /// The counterparty's: a commitment of its own that stands.
    #[n(2)]
    Counterparty,
    /// The counterparty's, of a state that it had revoked: everything in it is this node's.
    #[n(3)]
    Cheater,
    /// Nobody's that this node knows.
    #[n(4)]
    Unknown,
}

/// Why this node closes without the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum ForceReason {
    /// The operator asked for it.
    #[n(0)]
    Operator,
    /// The peer broke the protocol.
    #[n(1)]
    Violation,
    /// The peer let a deadline pass.
    #[n(2)]
    Deadline,
    /// The peer does not know the channel any more, or is behind.
    #[n(3)]
    PeerLost,
    /// The peer closes, and asks this node to pay for it.
    #[n(4)]
    Asked,
}

/// One event of a channel.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[expect(clippy::large_enum_variant, reason = "the large ones happen once in a channel's life")]
pub enum ChannelEvent {
    /// This node asks for a channel.
    #[n(0)]
    Offered {
        /// The other node.
        #[n(0)]
        peer: NodeId,
        /// What this node's keys derive from, beside the seed.
        #[n(1)]
        salt: KeySalt,
        /// What was sent.
        #[n(2)]
        open: OpenChannel,
    },
    /// This node agrees to a channel that a peer asked for.
    #[n(1)]
    Answered {
        /// The other node.
        #[n(0)]
        peer: NodeId,
        /// What this node's keys derive from, beside the seed.
        #[n(1)]
        salt: KeySalt,
        /// What was received.
        #[n(2)]
        open: OpenChannel,
        /// What was answered.
        #[n(3)]
        accept: AcceptChannel,
    },
    /// The opener has signed the acceptor's commitment 0.
    #[n(2)]
    OpeningSigned {
        /// What the acceptor answered.
        #[n(0)]
        accept: AcceptChannel,
        /// The funding output that follows from both.
        #[n(1)]
        funding: FundingOutput,
        /// The signature sent.
        #[n(2)]
        signature: Signed,
    },
    /// Both commitments 0 are signed: the channel exists as soon as its funding output does.
    #[n(3)]
    Opened {
        /// The funding output.
        #[n(0)]
        funding: FundingOutput,
        /// The counterparty's signature on this node's commitment 0.
        #[n(1)]
        holder_signature: SchnorrSignature,
        /// This node's signature on the counterparty's commitment 0.
        #[n(2)]
        counterparty_signature: Signed,
        /// The best block's height when it was signed.
        #[n(3)]
        tip: BlockHeight,
    },
    /// The opening came to nothing: no witness of this node had left, or nothing of this node was in a funding output
    /// that never came.
    #[n(4)]
    Abandoned {
        /// Why.
        #[n(0)]
        reason: AbandonReason,
    },
    /// The funding output was mined.
    #[n(5)]
    FundingConfirmed {
        /// In which block.
        #[n(0)]
        height: BlockHeight,
    },
    /// The block with the funding output was reorganised away.
    #[n(6)]
    FundingUnconfirmed,
    /// This node proposes the next number.
    #[n(7)]
    Proposed {
        /// n+1.
        #[n(0)]
        number: CommitmentNumber,
        /// What changes.
        #[n(1)]
        operations: Operations,
        /// What contracts answered.
        #[n(2)]
        contracts: Vec<ContractChange>,
        /// Whose requests these are, in order.
        #[n(3)]
        requests: Vec<CarriedRequest>,
        /// The signature on the counterparty's commitment.
        #[n(4)]
        signature: Signed,
    },
    /// This node accepts the next number and will never broadcast the one before.
    #[n(8)]
    Accepted {
        /// n+1.
        #[n(0)]
        number: CommitmentNumber,
        /// What changes.
        #[n(1)]
        operations: Operations,
        /// What contracts answered.
        #[n(2)]
        contracts: Vec<ContractChange>,
        /// The counterparty's signature on this node's commitment.
        #[n(3)]
        holder_signature: SchnorrSignature,
        /// The signature on the counterparty's commitment.
        #[n(4)]
        counterparty_signature: Signed,
        /// Whether this node asked for the turn.
        #[n(5)]
        turn: TurnWish,
    },
    /// The proposer has the acceptance and will never broadcast the number before: its payments are irrevocable.
    #[n(9)]
    Revoked {
        /// n+1.
        #[n(0)]
        number: CommitmentNumber,
        /// The counterparty's signature on this node's commitment.
        #[n(1)]
        holder_signature: SchnorrSignature,
        /// The counterparty's secret n.
        #[n(2)]
        secret: RevocationSecret,
        /// The hash of the counterparty's secret n+2.
        #[n(3)]
        next_hash: RevocationHash,
        /// What becomes of the turn.
        #[n(4)]
        turn: TurnMove,
    },
    /// The receiver has the proposer's revocation: the round is over and its payments may be reported.
    #[n(10)]
    Finalized {
        /// n+1.
        #[n(0)]
        number: CommitmentNumber,
        /// The counterparty's secret n.
        #[n(1)]
        secret: RevocationSecret,
        /// The hash of the counterparty's secret n+2.
        #[n(2)]
        next_hash: RevocationHash,
        /// What becomes of the turn.
        #[n(3)]
        turn: TurnMove,
    },
    /// This node offers a contract.
    #[n(11)]
    ContractOffered {
        /// Which.
        #[n(0)]
        contract: ContractId,
        /// On what terms.
        #[n(1)]
        agreement: Agreement,
    },
    /// Both sides agree to a contract: it may be opened.
    #[n(12)]
    ContractAgreed {
        /// Which.
        #[n(0)]
        contract: ContractId,
        /// On what terms.
        #[n(1)]
        agreement: Agreement,
    },
    /// The peer refused a contract, or it was not opened in time.
    #[n(13)]
    ContractRefused {
        /// Which.
        #[n(0)]
        contract: ContractId,
    },
    /// This node will propose and accept no more rounds.
    #[n(14)]
    ShutdownSent {
        /// Where its balance goes.
        #[n(0)]
        script: ScriptBytes,
    },
    /// The peer has said the same.
    #[n(15)]
    ShutdownReceived {
        /// Where the peer's balance goes.
        #[n(0)]
        script: ScriptBytes,
    },
    /// A cooperative closing transaction is complete.
    #[n(16)]
    CloseAgreed {
        /// The signed transaction, consensus encoding.
        #[cbor(n(0), with = "minicbor::bytes")]
        transaction: Vec<u8>,
    },
    /// This node will broadcast its commitment.
    #[n(17)]
    ForceClosed {
        /// Why.
        #[n(0)]
        reason: ForceReason,
    },
    /// The peer proved that this node is behind: it must never broadcast.
    #[n(18)]
    DataLost {
        /// A number that this node has revoked and forgotten.
        #[n(0)]
        proven: CommitmentNumber,
    },
    /// The funding output was spent, by whatever transaction: the watcher takes over.
    #[n(19)]
    Spent {
        /// That transaction, hash in its byte order on the wire.
        #[n(0)]
        txid: Digest,
        /// In which block.
        #[n(1)]
        height: BlockHeight,
        /// Whose it was.
        #[n(2)]
        by: Spender,
    },
    /// The block with the spend was reorganised away.
    #[n(20)]
    Unspent,
    /// Everything on chain is settled, at depth: the channel is history.
    #[n(21)]
    Resolved {
        /// Whose the transaction was that closed it.
        #[n(0)]
        by: Spender,
    },
    /// The operator chose how a quarantined channel ends; the last choice counts.
    #[n(22)]
    RecoveryChosen {
        /// How.
        #[n(0)]
        choice: Recovery,
    },
}
