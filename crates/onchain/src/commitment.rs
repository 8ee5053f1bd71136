//! Commitment transactions: built from a template per channel and broadcaster, hashed, signed by both, read back.
//!
//! The channel machine builds one per round and side, so this is the hot path: keys and scripts are laid out once in
//! [`CommitmentContext`], and a commitment multiplies no points.
//!
//! Spec: protocol, section 3.

mod number;
mod sighash;

use core::cmp::Ordering;

use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::Message;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use strait_primitives::{
    BlockDelta, BlockHeight, CommitmentNumber, Digest, LockId, MilliSats, PaymentHash,
    RevocationHash, Sats, SchnorrSignature, VBytes,
};
use thiserror::Error;

use self::number::NumberMask;
use self::sighash::SighashTemplate;
use crate::funding::FundingScript;
use crate::keys::ChannelPublicKeys;
use crate::limits::{
    ANCHOR_VALUE_MAX, COMMITMENT_SIZE_MAX, DELAY_MAX, DELAY_MIN, DUST_LIMIT, EXPIRY_END,
    LOCKS_PER_SIDE_MAX,
};
use crate::output::{ANCHOR_SCRIPT, ShortScript};
use crate::script::{LockSlots, ScriptTerms, Templates};
use crate::wallet_script::WalletScript;

/// The part a side plays in one commitment transaction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode,
)]
#[cbor(index_only)]
pub enum Role {
    /// The side that may publish it, and whose own outputs wait.
    #[n(0)]
    Broadcaster,
    /// The side that signed it for the other.
    #[n(1)]
    Countersignatory,
}

/// What is the same in all commitments of one broadcaster.
#[derive(Debug, Clone)]
pub struct CommitmentTerms {
    /// Keys of the side that may publish these commitments.
    pub broadcaster: ChannelPublicKeys,
    /// Keys of the other side.
    pub countersignatory: ChannelPublicKeys,
    /// Which of them opened the channel.
    pub opener: Role,
    /// Blocks that every path of the broadcaster waits.
    pub delay: BlockDelta,
    /// The wallet that holds the countersignatory's balance.
    pub countersignatory_wallet: WalletScript,
    /// The funding output's place.
    pub funding_outpoint: OutPoint,
    /// The funding output's value: the channel's capacity.
    pub capacity: Sats,
}

/// Why no commitments can be built on these terms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The delay is outside the protocol's bounds.
    #[error("a delay of {actual} is outside {min} to {max}")]
    Delay {
        /// The delay as given.
        actual: BlockDelta,
        /// The shortest.
        min: BlockDelta,
        /// The longest.
        max: BlockDelta,
    },
    /// The funding script belongs to other keys.
    #[error("the funding script is of other keys than the channel's")]
    FundingKeys,
}

/// A lock inside a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LockSpec {
    /// The offerer's count.
    #[n(0)]
    pub id: LockId,
    /// Who is refunded at expiry.
    #[n(1)]
    pub offered_by: Role,
    /// The value; its output rounds down.
    #[n(2)]
    pub amount: MilliSats,
    /// What claims it.
    #[n(3)]
    pub payment_hash: PaymentHash,
    /// From when on it is refunded.
    #[n(4)]
    pub expiry: BlockHeight,
}

/// What differs from one commitment to the next.
#[derive(Debug, Clone, Copy)]
pub struct CommitmentSpec<'a> {
    /// The commitment's number.
    pub number: CommitmentNumber,
    /// The broadcaster's hash for that number: who knows its preimage takes all the broadcaster could want.
    pub revocation_hash: RevocationHash,
    /// The broadcaster's balance.
    pub broadcaster_balance: MilliSats,
    /// The countersignatory's balance.
    pub countersignatory_balance: MilliSats,
    /// All live locks, contracts' included; with the balances they add up to the capacity.
    pub locks: &'a [LockSpec],
    /// The salted hash of the whole ledger, while a contract is live.
    pub ledger_hash: Option<Digest>,
}

/// Why a ledger makes no commitment. A ledger that keeps the protocol's rules never causes one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Balances and locks do not add up to the capacity.
    #[error("balances and locks add up to {ledger:?} where the channel holds {capacity}")]
    Unbalanced {
        /// Their sum; `None` above all the money there is.
        ledger: Option<MilliSats>,
        /// What they must add up to.
        capacity: MilliSats,
    },
    /// One side offers more locks than a relayable transaction holds.
    #[error("{actual} locks offered by the {by:?}, at most {limit}")]
    LockCount {
        /// The offerer.
        by: Role,
        /// Locks given.
        actual: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A lock's expiry is zero or no height at all.
    #[error("the expiry {expiry} of lock {id:?} is not a height that a script can check")]
    Expiry {
        /// The lock.
        id: LockId,
        /// Its expiry.
        expiry: BlockHeight,
    },
}

/// What an output of a commitment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// The broadcaster's balance, delayed and revocable.
    Broadcaster,
    /// The countersignatory's balance, in its wallet.
    Countersignatory,
    /// The lock at this place of the spec's slice.
    Lock(usize),
    /// The output that anyone spends to add a fee.
    Anchor,
    /// The hash of the ledger.
    LedgerHash,
}

/// An output of a commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommitmentOutput {
    /// Its value.
    value: Sats,
    /// Its script.
    script: ShortScript,
    /// What it is.
    kind: OutputKind,
}

impl CommitmentOutput {
    /// Its value.
    #[must_use]
    pub const fn value(&self) -> Sats {
        self.value
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> OutputKind {
        self.kind
    }

    /// The output in the form transactions hold.
    #[must_use]
    pub fn to_tx_out(&self) -> TxOut {
        TxOut {
            value: Amount::from_sat(self.value.to_sat()),
            script_pubkey: self.script.to_script_buf(),
        }
    }
}

impl core::fmt::Debug for CommitmentOutput {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}({}, {:x})", self.kind, self.value, self.script.to_script_buf())
    }
}

/// An unsigned commitment transaction: everything but its input's place and witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Its number.
    number: CommitmentNumber,
    /// The lower half of the masked number.
    lock_time: u32,
    /// The upper half of the masked number.
    sequence: u32,
    /// Its outputs, in the order of the transaction.
    outputs: Vec<CommitmentOutput>,
    /// What the outputs leave of the capacity.
    fee: Sats,
}

impl Commitment {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> CommitmentNumber {
        self.number
    }

    /// Its outputs, in the order of the transaction.
    #[must_use]
    pub fn outputs(&self) -> &[CommitmentOutput] {
        &self.outputs
    }

    /// What the outputs leave to miners: almost always nothing.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The size once both signatures are in place.
    #[must_use]
    pub fn signed_size(&self) -> VBytes {
        let outputs: u64 = self.outputs.iter().map(|o| 9 + u64::from(o.script.len())).sum();
        VBytes((BARE_WEIGHT + outputs * 4).div_ceil(4))
    }
}

/// Weight of a signed commitment without outputs: 51 bytes of frame at four units each, and 236 of witness (two
/// signatures of 64 bytes, the leaf of 68 and the control block of 33, with their lengths, count and marker).
const BARE_WEIGHT: u64 = 51 * 4 + 236;
/// Bytes of the longest outputs a commitment can have: 34 bytes of script each but the anchor's four.
const OUTPUT_BYTES: u64 = 43;
/// Bytes of the anchor output.
const ANCHOR_BYTES: u64 = 13;

const _: () = {
    assert!(LOCKS_PER_SIDE_MAX == 90, "the sizes below are for 90 locks in each direction");
    let outputs = (180 + 3) * OUTPUT_BYTES + ANCHOR_BYTES;
    assert!((BARE_WEIGHT + outputs * 4).div_ceil(4) == 7_992, "the size that was tried on Core");
    assert!(7_992 <= COMMITMENT_SIZE_MAX.0, "a full commitment is relayed");
    assert!(2 * LOCKS_PER_SIDE_MAX + 4 < 253, "the output count takes one byte");
};

/// Both signatures of a commitment, by the role of the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct CommitmentSignatures {
    /// Made when it is published.
    #[n(0)]
    pub broadcaster: SchnorrSignature,
    /// Received in the round that made it.
    #[n(1)]
    pub countersignatory: SchnorrSignature,
}

/// Builds, hashes and recognises all commitments of one broadcaster.
#[derive(Clone)]
pub struct CommitmentContext {
    /// What is the same in all of them.
    terms: CommitmentTerms,
    /// The funding output that they spend.
    funding: FundingScript,
    /// Scripts with gaps.
    templates: Templates,
    /// The hashed message with gaps.
    sighash: SighashTemplate,
    /// What hides the number on chain.
    mask: NumberMask,
}

impl core::fmt::Debug for CommitmentContext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CommitmentContext").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl CommitmentContext {
    /// Lays out everything that the commitments of one broadcaster share.
    ///
    /// The funding script is an argument because it costs point multiplications and both sides' contexts share it.
    ///
    /// # Errors
    /// [`TermsError`] if the delay is out of bounds or `funding` was not built from the terms' funding keys.
    pub fn new(terms: CommitmentTerms, funding: FundingScript) -> Result<Self, TermsError> {
        if !(DELAY_MIN..=DELAY_MAX).contains(&terms.delay) {
            return Err(TermsError::Delay { actual: terms.delay, min: DELAY_MIN, max: DELAY_MAX });
        }
        let mut keys = [terms.broadcaster.funding, terms.countersignatory.funding];
        keys.sort_by_key(bitcoin::secp256k1::PublicKey::serialize);
        if keys != funding.keys() {
            return Err(TermsError::FundingKeys);
        }
        let (opener, acceptor) = match terms.opener {
            Role::Broadcaster => (&terms.broadcaster, &terms.countersignatory),
            Role::Countersignatory => (&terms.countersignatory, &terms.broadcaster),
        };
        let mask = NumberMask::new(&opener.funding, &acceptor.funding);
        let templates = Templates::new(ScriptTerms {
            broadcaster: &terms.broadcaster,
            countersignatory: &terms.countersignatory,
            delay: terms.delay,
        });
        let sighash = SighashTemplate::new(terms.funding_outpoint, terms.capacity, &funding);
        Ok(Self { terms, funding, templates, sighash, mask })
    }

    /// What all commitments share.
    #[must_use]
    pub const fn terms(&self) -> &CommitmentTerms {
        &self.terms
    }

    /// The funding output's script.
    #[must_use]
    pub const fn funding(&self) -> &FundingScript {
        &self.funding
    }

    /// Builds the commitment of a ledger.
    ///
    /// # Errors
    /// [`BuildError`] if the ledger breaks the protocol's rules.
    pub fn build(&self, spec: &CommitmentSpec<'_>) -> Result<Commitment, BuildError> {
        self.check(spec)?;
        let mut outputs = Vec::with_capacity(spec.locks.len() + 4);
        let mut add = |value: Sats, kind, script: &dyn Fn() -> ShortScript| {
            if value >= DUST_LIMIT {
                outputs.push(CommitmentOutput { value, script: script(), kind });
            }
        };
        add(spec.broadcaster_balance.floor_sats(), OutputKind::Broadcaster, &|| {
            self.templates.balance_output(&spec.revocation_hash)
        });
        add(spec.countersignatory_balance.floor_sats(), OutputKind::Countersignatory, &|| {
            self.terms.countersignatory_wallet.to_short()
        });
        for (index, lock) in spec.locks.iter().enumerate() {
            add(lock.amount.floor_sats(), OutputKind::Lock(index), &|| {
                self.templates.lock_output(lock_slots(lock, &spec.revocation_hash))
            });
        }
        let paid = Sats::checked_sum(outputs.iter().map(|output| output.value));
        let trimmed = paid
            .and_then(|paid| self.terms.capacity.checked_sub(paid))
            .expect("checked above: the ledger adds up to the capacity, and outputs round down");
        let anchor = trimmed.min(ANCHOR_VALUE_MAX);
        outputs.push(CommitmentOutput {
            value: anchor,
            script: ANCHOR_SCRIPT,
            kind: OutputKind::Anchor,
        });
        if let Some(hash) = spec.ledger_hash {
            outputs.push(CommitmentOutput {
                value: Sats::ZERO,
                script: ShortScript::data(hash.to_bytes()),
                kind: OutputKind::LedgerHash,
            });
        }
        outputs.sort_unstable_by(|a, b| order(a, b, spec.locks));
        let (lock_time, sequence) = self.mask.hide(spec.number);
        let fee = trimmed.saturating_sub(anchor);
        Ok(Commitment { number: spec.number, lock_time, sequence, outputs, fee })
    }

    /// Refuses what would not be a commitment that nodes relay and scripts can judge.
    fn check(&self, spec: &CommitmentSpec<'_>) -> Result<(), BuildError> {
        let amounts = spec.locks.iter().map(|lock| lock.amount);
        let balances = [spec.broadcaster_balance, spec.countersignatory_balance];
        let ledger = MilliSats::checked_sum(balances.into_iter().chain(amounts));
        let capacity = self.terms.capacity.to_millisats();
        if ledger != Some(capacity) {
            return Err(BuildError::Unbalanced { ledger, capacity });
        }
        for by in [Role::Broadcaster, Role::Countersignatory] {
            let actual = spec.locks.iter().filter(|lock| lock.offered_by == by).count();
            if actual > LOCKS_PER_SIDE_MAX {
                return Err(BuildError::LockCount { by, actual, limit: LOCKS_PER_SIDE_MAX });
            }
        }
        match spec.locks.iter().find(|lock| !(1..EXPIRY_END).contains(&lock.expiry.to_u32())) {
            Some(lock) => Err(BuildError::Expiry { id: lock.id, expiry: lock.expiry }),
            None => Ok(()),
        }
    }

    /// The message that both sides sign (taproot script path, `SIGHASH_DEFAULT`).
    #[must_use]
    pub fn sighash(&self, commitment: &Commitment) -> Message {
        self.sighash.fill(commitment)
    }

    /// The transaction without witness: what its id is made of.
    #[must_use]
    pub fn unsigned_transaction(&self, commitment: &Commitment) -> Transaction {
        Transaction {
            version: Version::non_standard(3),
            lock_time: LockTime::from_consensus(commitment.lock_time),
            input: vec![TxIn {
                previous_output: self.terms.funding_outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::from_consensus(commitment.sequence),
                witness: Witness::new(),
            }],
            output: commitment.outputs.iter().map(CommitmentOutput::to_tx_out).collect(),
        }
    }

    /// The id that the commitment has on chain.
    #[must_use]
    pub fn txid(&self, commitment: &Commitment) -> Txid {
        self.unsigned_transaction(commitment).compute_txid()
    }

    /// The transaction as it is published. The signatures are not checked here.
    #[must_use = "a commitment is published or lost"]
    pub fn finalize(
        &self,
        commitment: &Commitment,
        signatures: &CommitmentSignatures,
    ) -> Transaction {
        let mut transaction = self.unsigned_transaction(commitment);
        let broadcaster = self.terms.broadcaster.funding.x_only_public_key().0;
        let (first, second) = if broadcaster == self.funding.first_leaf_key() {
            (signatures.broadcaster, signatures.countersignatory)
        } else {
            (signatures.countersignatory, signatures.broadcaster)
        };
        let mut witness = Witness::new();
        witness.push(second.as_bytes());
        witness.push(first.as_bytes());
        witness.push(self.funding.leaf_script());
        witness.push(self.funding.control_block().serialize());
        for input in &mut transaction.input {
            input.witness = witness.clone();
        }
        transaction
    }

    /// Reads the number that a transaction hides, if it spends the funding output as a commitment does.
    ///
    /// Both sides' commitments hide their numbers alike; a cooperative close gives `None`.
    #[must_use]
    pub fn decode_number(&self, transaction: &Transaction) -> Option<CommitmentNumber> {
        let [input] = transaction.input.as_slice() else { return None };
        if input.previous_output != self.terms.funding_outpoint {
            return None;
        }
        self.mask.reveal(transaction.lock_time, input.sequence)
    }

    /// Says what each output of a confirmed transaction is, by its script, if these were its hash, locks and ledger.
    ///
    /// For a commitment whose balances nobody remembers: of a revoked payment-only state the secret is all that is left.
    /// An output that is none of them gives `None`.
    #[must_use]
    pub fn recognize(
        &self,
        transaction: &Transaction,
        revocation_hash: &RevocationHash,
        locks: &[LockSpec],
    ) -> Vec<Option<OutputKind>> {
        let balance = self.templates.balance_output(revocation_hash);
        let wallet = self.terms.countersignatory_wallet.to_short();
        let mut known = vec![
            (None, balance, OutputKind::Broadcaster),
            (None, wallet, OutputKind::Countersignatory),
            (None, ANCHOR_SCRIPT, OutputKind::Anchor),
        ];
        known.extend(locks.iter().enumerate().map(|(index, lock)| {
            let script = self.templates.lock_output(lock_slots(lock, revocation_hash));
            (Some(lock.amount.floor_sats().to_sat()), script, OutputKind::Lock(index))
        }));
        let kind_of = |output: &TxOut| {
            if output.script_pubkey.is_op_return() {
                return Some(OutputKind::LedgerHash);
            }
            // Duplicates of a lock differ in nothing that a claim needs, yet each is named once.
            let place = known.iter().position(|(value, script, _)| {
                value.is_none_or(|value| value == output.value.to_sat())
                    && script.as_bytes() == output.script_pubkey.as_bytes()
            })?;
            Some(known.remove(place).2)
        };
        transaction.output.iter().map(kind_of).collect()
    }

    /// The script of the broadcaster's balance, for its claims.
    pub(crate) fn balance_script(&self, revocation_hash: &RevocationHash) -> ScriptBuf {
        self.templates.balance_script(revocation_hash)
    }

    /// The script of a lock, for its claims.
    pub(crate) fn lock_script(
        &self,
        lock: &LockSpec,
        revocation_hash: &RevocationHash,
    ) -> ScriptBuf {
        self.templates.lock_script(lock_slots(lock, revocation_hash))
    }
}

/// What fills a lock's script.
const fn lock_slots<'a>(lock: &'a LockSpec, revocation_hash: &'a RevocationHash) -> LockSlots<'a> {
    LockSlots {
        offered_by: lock.offered_by,
        payment_hash: &lock.payment_hash,
        expiry: lock.expiry,
        revocation_hash,
    }
}

/// By value, then script, then lock id.
fn order(a: &CommitmentOutput, b: &CommitmentOutput, locks: &[LockSpec]) -> Ordering {
    let lock_id = |output: &CommitmentOutput| match output.kind {
        OutputKind::Lock(index) => locks.get(index).map(|lock| lock.id),
        OutputKind::Broadcaster
        | OutputKind::Countersignatory
        | OutputKind::Anchor
        | OutputKind::LedgerHash => None,
    };
    a.value
        .cmp(&b.value)
        .then_with(|| a.script.cmp_bytes(&b.script))
        .then_with(|| lock_id(a).cmp(&lock_id(b)))
}

#[cfg(test)]
mod tests;
