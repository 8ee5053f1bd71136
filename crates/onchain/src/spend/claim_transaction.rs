//! Claims of any number and kind, swept into one wallet by one transaction.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, ecdsa};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use bitcoin::transaction::Version;
use bitcoin::{Amount, ScriptBuf, Transaction, TxIn, TxOut, Txid, Witness};
use strait_primitives::{BlockHeight, FeeRate, Sats, VBytes};
use thiserror::Error;

use super::claim::{Claim, ClaimKey};
use crate::limits::{DUST_LIMIT, EXPIRY_END, STANDARD_SIZE_MAX};
use crate::wallet_script::WalletScript;

/// Why these claims make no transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpendError {
    /// There is nothing to claim.
    #[error("a sweep of nothing")]
    NoClaim,
    /// An output is claimed twice.
    #[error("the output {outpoint} is claimed twice")]
    ClaimTwice {
        /// The output.
        outpoint: bitcoin::OutPoint,
    },
    /// The fee eats what is claimed.
    #[error("claims of {claimed:?} leave nothing above dust after a fee of {fee}")]
    Dust {
        /// The sum of all claims; `None` above all the money there is.
        claimed: Option<Sats>,
        /// The fee at the rate asked for.
        fee: Sats,
    },
    /// The transaction would not be relayed.
    #[error("a sweep of {actual:?}, at most {limit:?}")]
    TooLarge {
        /// Its size.
        actual: VBytes,
        /// The most that nodes relay.
        limit: VBytes,
    },
}

/// A signature that a claim waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureRequest {
    /// Which of the claimer's keys signs.
    pub key: ClaimKey,
    /// What it signs (version-0 witness, `SIGHASH_ALL`).
    pub message: Message,
}

/// An unsigned sweep: one input per claim, in their order, and one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTransaction {
    /// The transaction, without witnesses.
    unsigned: Transaction,
    /// What its inputs claim, in their order.
    claims: Vec<Claim>,
    /// What it leaves to miners.
    fee: Sats,
    /// The most it takes once signed.
    size: VBytes,
}

impl ClaimTransaction {
    /// Builds a sweep whose fee meets `fee_rate`.
    ///
    /// Its locktime is the latest of its claims': group what matures together.
    ///
    /// # Errors
    /// [`SpendError`] says why the sweep is impossible or not worth its fee.
    pub fn new(
        claims: Vec<Claim>,
        destination: WalletScript,
        fee_rate: FeeRate,
    ) -> Result<Self, SpendError> {
        let mut places: Vec<_> = claims.iter().map(|claim| claim.coin().outpoint).collect();
        places.sort_unstable();
        for (outpoint, next) in places.iter().zip(places.iter().skip(1)) {
            if outpoint == next {
                return Err(SpendError::ClaimTwice { outpoint: *outpoint });
            }
        }
        let not_before = claims.iter().filter_map(Claim::not_before).max();
        let input = claims.iter().map(|claim| TxIn {
            previous_output: claim.coin().outpoint,
            script_sig: ScriptBuf::new(),
            sequence: claim.sequence(),
            witness: claim.longest_witness(),
        });
        let mut unsigned = Transaction {
            version: Version::TWO,
            lock_time: lock_time(not_before),
            input: input.collect(),
            output: vec![TxOut { value: Amount::ZERO, script_pubkey: destination.to_script_buf() }],
        };
        if claims.is_empty() {
            return Err(SpendError::NoClaim);
        }
        let size = VBytes(unsigned.weight().to_vbytes_ceil());
        if size > STANDARD_SIZE_MAX {
            return Err(SpendError::TooLarge { actual: size, limit: STANDARD_SIZE_MAX });
        }
        unsigned.input.iter_mut().for_each(|input| input.witness = Witness::new());

        let fee = fee_rate.fee(size);
        let claimed = Sats::checked_sum(claims.iter().map(|claim| claim.coin().value));
        let value = claimed
            .and_then(|claimed| claimed.checked_sub(fee))
            .filter(|value| *value >= DUST_LIMIT)
            .ok_or(SpendError::Dust { claimed, fee })?;
        for output in &mut unsigned.output {
            output.value = Amount::from_sat(value.to_sat());
        }
        Ok(Self { unsigned, claims, fee, size })
    }

    /// What the inputs claim, in their order.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// What it leaves to miners.
    #[must_use]
    pub const fn fee(&self) -> Sats {
        self.fee
    }

    /// The most it takes once signed.
    #[must_use]
    pub const fn size(&self) -> VBytes {
        self.size
    }

    /// The id, which no signature can change.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.unsigned.compute_txid()
    }

    /// The signatures it waits for, in the order of its inputs.
    #[must_use]
    pub fn signature_requests(&self) -> Vec<SignatureRequest> {
        let mut cache = SighashCache::new(&self.unsigned);
        let requests = self.claims.iter().enumerate().map(|(index, claim)| {
            let value = Amount::from_sat(claim.coin().value.to_sat());
            let hash = cache
                .p2wsh_signature_hash(index, claim.script(), value, EcdsaSighashType::All)
                .expect("every claim has its input");
            let message = Message::from_digest(hash.to_byte_array());
            SignatureRequest { key: claim.key(), message }
        });
        requests.collect()
    }

    /// The transaction as it is published. The signatures are not checked here.
    ///
    /// # Panics
    /// Unless there is one signature per request, in their order.
    #[must_use = "a claim is published or lost"]
    pub fn finalize(mut self, signatures: &[ecdsa::Signature]) -> Transaction {
        assert_eq!(signatures.len(), self.claims.len(), "one signature per claim");
        let inputs = self.unsigned.input.iter_mut();
        for ((input, claim), signature) in inputs.zip(&self.claims).zip(signatures) {
            input.witness = claim.witness(signature);
        }
        self.unsigned
    }
}

/// The locktime of a transaction that must not be mined before the block after this height.
fn lock_time(not_before: Option<BlockHeight>) -> LockTime {
    let height = not_before.unwrap_or_default().to_u32();
    assert!(height < EXPIRY_END, "commitments hold no expiry of {height}");
    LockTime::from_consensus(height)
}
