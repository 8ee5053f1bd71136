//! A channel that lives: rounds, agreements, and how it ends.

use strait_primitives::{
    BlockHeight, CommitmentNumber, Digest, MilliSats, Party, RevocationHash, Sats,
    SchnorrSignature, Side, Timestamp,
};
use strait_signer::{SecretStore, SigningState, Standing};
use strait_wire::{Operations, ScriptBytes, TurnMove, TurnWish};

use super::LockHistory;
use crate::event::{CarriedRequest, ForceReason, Spender};
use crate::ledger::{Agreements, DUST_LIMIT, Ledger};
use crate::recovery::Recovery;
use crate::setup::Setup;

/// Both commitments 0 are signed.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Live {
    /// The channel's constants.
    #[n(0)]
    pub setup: Setup,
    /// Whether the funding output stands on chain.
    #[n(1)]
    pub funded: Funded,
    /// Where the rounds stand.
    #[n(2)]
    pub rounds: Rounds,
    /// Contracts this node has offered and the peer has not answered.
    #[n(3)]
    pub offers: Agreements,
    /// Contracts both have agreed to and no round has opened.
    #[n(4)]
    pub agreements: Agreements,
    /// What a penalty needs beside the secrets.
    #[n(5)]
    pub history: LockHistory,
    /// How it ends.
    #[n(6)]
    pub closing: Closing,
    /// What was signed and given away: asked before every signature and every secret.
    #[n(7)]
    pub signing: SigningState,
    /// The best block's height when both commitments 0 were signed.
    #[n(8)]
    pub signed_at: BlockHeight,
    /// When the backup was made that this state was restored from; none if it was not, or had ended by then.
    #[n(9)]
    pub backup_taken: Option<Timestamp>,
    /// What the operator chose, should the state not be trusted.
    #[n(10)]
    pub recovery: Option<Recovery>,
}

/// Where the funding output stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Funded {
    /// Not on chain.
    #[n(0)]
    Waiting,
    /// Mined.
    #[n(1)]
    Mined(#[n(0)] BlockHeight),
    /// Spent by a mined transaction.
    #[n(2)]
    Spent {
        /// Where the funding itself was mined.
        #[n(0)]
        mined: BlockHeight,
        /// The spending transaction, hash in its byte order on the wire.
        #[n(1)]
        txid: Digest,
        /// Where that was mined.
        #[n(2)]
        height: BlockHeight,
        /// Whose it was.
        #[n(3)]
        by: Spender,
    },
}

/// How a channel ends. Each step is final but for the arrows `Running → ShuttingDown → Agreed` and any `→ Forced`.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Closing {
    /// It does not.
    #[n(0)]
    Running,
    /// No more rounds; the closing transaction is being agreed.
    #[n(1)]
    ShuttingDown {
        /// Where this node's balance goes, once this node has said so.
        #[n(0)]
        holder: Option<ScriptBytes>,
        /// Where the peer's goes, once it has said so.
        #[n(1)]
        counterparty: Option<ScriptBytes>,
    },
    /// A cooperative closing transaction is complete.
    #[n(2)]
    Agreed {
        /// It, consensus encoding; the last one if there were several.
        #[cbor(n(0), with = "minicbor::bytes")]
        transaction: Vec<u8>,
        /// Where this node's balance goes.
        #[n(1)]
        holder: ScriptBytes,
        /// Where the peer's goes.
        #[n(2)]
        counterparty: ScriptBytes,
    },
    /// This node broadcasts its commitment.
    #[n(3)]
    Forced(#[n(0)] ForceReason),
    /// This node was shown that it is behind, and must never broadcast; it asks the peer to close.
    #[n(4)]
    Lost,
}

/// A round that has begun and not ended, from this node's end.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum Outstanding {
    /// This node proposed and awaits the acceptance. Its own commitment is still the one before.
    #[n(0)]
    Proposed {
        /// n+1.
        #[n(0)]
        number: CommitmentNumber,
        /// What was proposed.
        #[n(1)]
        operations: Operations,
        /// The signature sent with it.
        #[n(2)]
        signature: SchnorrSignature,
        /// The ledger it leads to.
        #[n(3)]
        ledger: Ledger,
        /// Whose requests it carries.
        #[n(4)]
        requests: Vec<CarriedRequest>,
    },
    /// This node accepted and awaits the end. Its own commitment is the new one.
    #[n(1)]
    Accepted {
        /// The ledger before: the counterparty may still broadcast it.
        #[n(0)]
        previous: Ledger,
        /// What was proposed, to be reported when the round ends.
        #[n(1)]
        operations: Operations,
        /// The signature sent with the acceptance.
        #[n(2)]
        signature: SchnorrSignature,
        /// Whether this node asked for the turn.
        #[n(3)]
        turn: TurnWish,
    },
}

/// Where the rounds stand.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Rounds {
    /// The number of the commitment this node would broadcast.
    #[n(0)]
    pub number: CommitmentNumber,
    /// Its ledger.
    #[n(1)]
    pub ledger: Ledger,
    /// The counterparty's signature on it.
    #[n(2)]
    pub holder_signature: SchnorrSignature,
    /// Who may propose.
    #[n(3)]
    pub turn: Side,
    /// A round that has begun and not ended.
    #[n(4)]
    pub outstanding: Option<Outstanding>,
    /// What this node said last as a proposer: sent again if the peer has not seen it.
    #[n(5)]
    pub last_finalize: Option<(CommitmentNumber, TurnMove)>,
    /// The counterparty's revealed secrets.
    #[n(6)]
    pub secrets: SecretStore,
    /// Hashes of the counterparty's secrets: of its lowest unrevoked number, and of the next.
    #[n(7)]
    pub counterparty_hashes: [RevocationHash; 2],
}

impl Rounds {
    /// The last number whose round this node has seen the end of.
    #[must_use]
    pub fn agreed(&self) -> CommitmentNumber {
        match &self.outstanding {
            None | Some(Outstanding::Proposed { .. }) => self.number,
            Some(Outstanding::Accepted { .. }) => {
                self.number.previous().expect("an accepted number is at least one")
            }
        }
    }

    /// The counterparty's lowest number that it has not revoked.
    #[must_use]
    pub fn counterparty_lowest(&self) -> CommitmentNumber {
        match self.secrets.last() {
            None => CommitmentNumber::FIRST,
            Some(number) => number.next().expect("a channel ends before its numbers do"),
        }
    }
}

impl Live {
    /// The ledger of a number that some party may still bring on chain, if this node holds it.
    #[must_use]
    pub fn ledger_of(&self, number: CommitmentNumber) -> Option<&Ledger> {
        let rounds = &self.rounds;
        if number == rounds.number {
            return Some(&rounds.ledger);
        }
        match &rounds.outstanding {
            Some(Outstanding::Proposed { number: proposed, ledger, .. }) if *proposed == number => {
                Some(ledger)
            }
            Some(Outstanding::Accepted { previous, .. })
                if number.next() == Some(rounds.number) =>
            {
                Some(previous)
            }
            Some(Outstanding::Proposed { .. } | Outstanding::Accepted { .. }) | None => None,
        }
    }

    /// What outputs of its latest commitment bring this node: its balance with its part of what contracts are worth, and
    /// the locks it offered, each rounded down and nothing if trimmed. It knows no preimages, so locks offered to it are
    /// not counted.
    #[must_use]
    pub fn stake(&self) -> Sats {
        let (ledger, party) = (&self.rounds.ledger, self.setup.party);
        let locks = ledger.outputs_locked();
        let own = locks.iter().filter(|lock| lock.offerer == party).map(|lock| lock.amount);
        let outputs = own.chain([ledger.settled_balance(party)]).map(MilliSats::floor_sats);
        Sats::checked_sum(outputs.filter(|output| *output >= DUST_LIMIT))
            .expect("a ledger's parts are at most its capacity")
    }

    /// True while this node may forget a signed channel without losing anything: it brought nothing, no round has run,
    /// and the funding output is not on chain. Its opener can close it alone, should it come yet.
    ///
    /// One that is quarantined may not at a peer's word: rounds may have run that it does not know of.
    #[must_use]
    pub fn is_forsakable(&self) -> bool {
        self.is_unfunded_guest() && self.signing.standing() == Standing::Current
    }

    /// As [`Self::is_forsakable`], also for one restored from a backup: if the chain, followed to its end, has no funding
    /// output after all that time, no round can have run.
    pub(crate) fn is_unfunded_guest(&self) -> bool {
        self.signing.standing() != Standing::DataLost
            && self.funded == Funded::Waiting
            && self.setup.party == Party::Acceptor
            && self.rounds.number == CommitmentNumber::FIRST
            && self.rounds.outstanding.is_none()
            && self.rounds.ledger.balance(Party::Acceptor) == MilliSats::ZERO
    }

    /// True while rounds may run at all, depth aside.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.closing, Closing::Running)
            && matches!(self.signing.standing(), Standing::Current)
    }
}
