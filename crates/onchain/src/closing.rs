//! The cooperative close: one input, the key path, each balance to the script its owner named.
//!
//! Spec: protocol, section 8.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use strait_primitives::{FeeRate, MilliSats, Party, Sats, SchnorrSignature, VBytes};
use thiserror::Error;

use crate::funding::FundingScript;
use crate::limits::DUST_LIMIT;
use crate::wallet_script::WalletScript;

/// What one side leaves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosingShare {
    /// Where it goes.
    pub wallet: WalletScript,
    /// The side's balance in the last ledger; its output rounds down.
    pub balance: MilliSats,
}

/// What both sides must agree on to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosingTerms {
    /// The funding output's place.
    pub funding_outpoint: OutPoint,
    /// The funding output's value.
    pub capacity: Sats,
    /// The opener's share.
    pub opener: ClosingShare,
    /// The acceptor's share.
    pub acceptor: ClosingShare,
    /// Who pays the fee.
    pub payer: Party,
    /// The fee, besides what rounding and dust leave.
    pub fee: Sats,
}

/// Why these terms make no closing transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClosingError {
    /// The shares do not add up to the capacity: something is still locked.
    #[error("the shares add up to {shares:?} where the channel holds {capacity}")]
    Unbalanced {
        /// Their sum; `None` above all the money there is.
        shares: Option<MilliSats>,
        /// What they must add up to.
        capacity: MilliSats,
    },
    /// The payer owns less than the fee.
    #[error("a fee of {fee} is more than the payer's {balance}")]
    Unaffordable {
        /// The fee.
        fee: Sats,
        /// The payer's balance.
        balance: Sats,
    },
    /// Both outputs would be dust.
    #[error("no output of the close is above dust")]
    NothingLeft,
}

impl ClosingTerms {
    /// What a side's output holds; nothing if that is dust.
    ///
    /// # Errors
    /// [`ClosingError::Unaffordable`] if the side pays a fee that it does not own.
    pub fn output_of(&self, party: Party) -> Result<Sats, ClosingError> {
        let share = match party {
            Party::Opener => self.opener,
            Party::Acceptor => self.acceptor,
        };
        let balance = share.balance.floor_sats();
        let fee = if party == self.payer { self.fee } else { Sats::ZERO };
        let value = balance.checked_sub(fee).ok_or(ClosingError::Unaffordable { fee, balance })?;
        Ok(if value >= DUST_LIMIT { value } else { Sats::ZERO })
    }
}

/// An unsigned cooperative close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosingTransaction {
    /// The transaction, without witness.
    unsigned: Transaction,
    /// What it spends.
    spent: TxOut,
}

impl ClosingTransaction {
    /// Builds the close that both sides build from the same terms.
    ///
    /// # Errors
    /// [`ClosingError`] says which term is impossible.
    pub fn new(terms: &ClosingTerms, funding: &FundingScript) -> Result<Self, ClosingError> {
        let shares = MilliSats::checked_sum([terms.opener.balance, terms.acceptor.balance]);
        let capacity = terms.capacity.to_millisats();
        if shares != Some(capacity) {
            return Err(ClosingError::Unbalanced { shares, capacity });
        }
        let mut output = Vec::with_capacity(2);
        for (party, share) in [(Party::Opener, terms.opener), (Party::Acceptor, terms.acceptor)] {
            let value = terms.output_of(party)?;
            if value > Sats::ZERO {
                output.push(TxOut {
                    value: Amount::from_sat(value.to_sat()),
                    script_pubkey: share.wallet.to_script_buf(),
                });
            }
        }
        if output.is_empty() {
            return Err(ClosingError::NothingLeft);
        }
        output.sort_unstable();
        Ok(Self {
            unsigned: Transaction {
                version: Version::TWO,
                lock_time: LockTime::ZERO,
                input: vec![TxIn {
                    previous_output: terms.funding_outpoint,
                    script_sig: ScriptBuf::new(),
                    sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                    witness: Witness::new(),
                }],
                output,
            },
            spent: TxOut {
                value: Amount::from_sat(terms.capacity.to_sat()),
                script_pubkey: funding.script_pubkey(),
            },
        })
    }

    /// The message of the MuSig2 session (taproot key path, `SIGHASH_DEFAULT`).
    #[must_use]
    pub fn sighash(&self) -> Message {
        let hash = SighashCache::new(&self.unsigned)
            .taproot_key_spend_signature_hash(
                0,
                &Prevouts::All(&[&self.spent]),
                TapSighashType::Default,
            )
            .expect("the one input has its one previous output");
        Message::from_digest(hash.to_byte_array())
    }

    /// The id on chain.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.unsigned.compute_txid()
    }

    /// The outputs, in the order of the transaction.
    #[must_use]
    pub fn outputs(&self) -> &[TxOut] {
        &self.unsigned.output
    }

    /// The size once signed.
    #[must_use]
    pub fn signed_size(&self) -> VBytes {
        let unsigned = Witness::from_slice(&[[0; 64]]);
        let mut signed = self.unsigned.clone();
        signed.input.iter_mut().for_each(|input| input.witness = unsigned.clone());
        VBytes(signed.weight().to_vbytes_ceil())
    }

    /// The fee that meets this rate for a close with both outputs to scripts of the longest form.
    #[must_use]
    pub fn fee_at(rate: FeeRate) -> Sats {
        rate.fee(CLOSING_SIZE_MAX)
    }

    /// The transaction as it is published. The signature is not checked here.
    #[must_use = "a close is published or lost"]
    pub fn finalize(mut self, signature: &SchnorrSignature) -> Transaction {
        for input in &mut self.unsigned.input {
            input.witness = Witness::from_slice(&[signature.as_bytes()]);
        }
        self.unsigned
    }
}

/// Size of a signed close with two outputs of 43 bytes: 137 bytes of frame at four units, 68 of witness.
const CLOSING_SIZE_MAX: VBytes = VBytes((137 * 4_u64 + 68).div_ceil(4));

#[cfg(test)]
mod tests;
