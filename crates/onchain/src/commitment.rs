//! Commitment transactions: built from a template per channel and broadcaster, hashed, signed by both, read back.
//!
//! The channel machine builds one per round and side, so this is the hot path: keys and scripts are laid out once in
//! [`CommitmentContext`], and a commitment multiplies no points.
//!
//! Spec: protocol, section 3.

mod number;
mod sighash;
mod terms;
mod transaction;

use core::cmp::Ordering;

use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{Message, PublicKey};
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use strait_primitives::{CommitmentNumber, MilliSats, RevocationHash, Sats};

use self::number::NumberMask;
use self::sighash::SighashTemplate;
pub use self::terms::{BuildError, CommitmentSpec, CommitmentTerms, LockSpec, Role, TermsError};
pub use self::transaction::{Commitment, CommitmentOutput, CommitmentSignatures, OutputKind};
use crate::funding::FundingScript;
use crate::limits::{
    ANCHOR_VALUE_MAX, DELAY_MAX, DELAY_MIN, DUST_LIMIT, EXPIRY_END, LOCKS_PER_SIDE_MAX,
};
use crate::output::{ANCHOR_SCRIPT, ShortScript};
use crate::script::{LockSlots, ScriptTerms, Templates};

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
        keys.sort_by_key(PublicKey::serialize);
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
        // What nobody but this channel could have made comes first.
        let locks = locks.iter().enumerate().map(|(index, lock)| {
            let script = self.templates.lock_output(lock_slots(lock, revocation_hash));
            (Some(lock.amount.floor_sats().to_sat()), script, OutputKind::Lock(index))
        });
        let others = [
            (None, balance, OutputKind::Broadcaster),
            (None, wallet, OutputKind::Countersignatory),
            (None, ANCHOR_SCRIPT, OutputKind::Anchor),
        ];
        let mut known: Vec<_> = locks.chain(others).collect();
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
