//! Transactions that spend taproot coins of wallets by their key path: what they weigh, how they are signed, whether
//! they are signed rightly.

use std::collections::BTreeMap;

use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{OutPoint, Psbt, Transaction, TxOut, Witness};
use strait_primitives::{Sats, SchnorrSignature, VBytes};
use thiserror::Error;

use crate::output::ANCHOR_SCRIPT;
use crate::party::WalletCoin;

/// Why a set of signatures does not complete a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// A coin's signature is missing.
    #[error("no signature for the coin {outpoint}")]
    Missing {
        /// The coin.
        outpoint: OutPoint,
    },
    /// A coin's signature does not verify.
    #[error("the signature for the coin {outpoint} is wrong")]
    Wrong {
        /// The coin.
        outpoint: OutPoint,
    },
}

/// Bytes of a transaction besides inputs and outputs, when both counts take three bytes: never too little.
const FRAME_BYTES: u64 = 4 + 3 + 3 + 4;
/// Bytes of an input without its witness.
const INPUT_BYTES: u64 = 41;
/// Witness of a taproot key path: count, length, signature.
const KEY_PATH_WITNESS_BYTES: u64 = 66;
/// Bytes of the longest output.
const OUTPUT_BYTES: u64 = 43;

/// The size of a transaction of taproot key paths and outputs of the longest form.
#[must_use]
pub(crate) fn wallet_spend_size(inputs: usize, outputs: usize) -> VBytes {
    let count = |n| u64::try_from(n).expect("counts have at most 64 bits");
    let base = FRAME_BYTES + count(inputs) * INPUT_BYTES + count(outputs) * OUTPUT_BYTES;
    VBytes((base * 4 + 2 + count(inputs) * KEY_PATH_WITNESS_BYTES).div_ceil(4))
}

/// The size of a transaction of an anchor, so many taproot key paths, and one output of the longest form: few enough
/// that their count takes one byte.
#[must_use]
pub(crate) fn anchor_child_size(coins: usize) -> VBytes {
    const SHORT_FRAME_BYTES: u64 = 4 + 1 + 1 + 4;
    let coins = u64::try_from(coins).expect("counts have at most 64 bits");
    let base = SHORT_FRAME_BYTES + (coins + 1) * INPUT_BYTES + OUTPUT_BYTES;
    // Marker and flag, the anchor's witness of nothing, and the key paths'.
    VBytes((base * 4 + 2 + 1 + coins * KEY_PATH_WITNESS_BYTES).div_ceil(4))
}

/// The key-path signatures that a wallet has put into a PSBT, by the coin they spend.
///
/// Signatures of another sighash type than the default are left out: nothing here accepts them.
#[must_use]
pub fn key_path_signatures(psbt: &Psbt) -> BTreeMap<OutPoint, SchnorrSignature> {
    let inputs = psbt.unsigned_tx.input.iter().zip(&psbt.inputs);
    let signed = inputs.filter_map(|(input, details)| {
        let signature = details.tap_key_sig?;
        let bytes = signature.signature.serialize();
        (signature.sighash_type == TapSighashType::Default)
            .then(|| (input.previous_output, SchnorrSignature::from_bytes(bytes)))
    });
    signed.collect()
}

/// What coins hold together; `None` above all the money there is.
pub(crate) fn total_of(coins: &[WalletCoin]) -> Option<Sats> {
    coins.iter().try_fold(Sats::ZERO, |sum, coin| {
        sum.checked_add(Sats::new(coin.output.value.to_sat()).ok()?)
    })
}

/// An unsigned transaction and what its inputs spend: taproot coins, and at most anchors besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPathSpend {
    /// The transaction, without witnesses.
    unsigned: Transaction,
    /// What its inputs spend, in their order.
    spent: Vec<TxOut>,
}

impl KeyPathSpend {
    /// Joins a transaction with what it spends.
    pub(crate) fn new(unsigned: Transaction, spent: Vec<TxOut>) -> Self {
        assert_eq!(unsigned.input.len(), spent.len(), "every input spends something");
        Self { unsigned, spent }
    }

    /// The transaction, without witnesses.
    pub(crate) const fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// The transaction for a wallet to sign. Anchors are complete already.
    pub(crate) fn to_psbt(&self) -> Psbt {
        let mut psbt =
            Psbt::from_unsigned_tx(self.unsigned.clone()).expect("built without witnesses");
        for (input, spent) in psbt.inputs.iter_mut().zip(&self.spent) {
            input.witness_utxo = Some(spent.clone());
            if is_anchor(spent) {
                input.final_script_witness = Some(Witness::new());
            }
        }
        psbt
    }

    /// Checks one coin's signature (`SIGHASH_DEFAULT`).
    pub(crate) fn verify(
        &self,
        outpoint: OutPoint,
        signature: &SchnorrSignature,
    ) -> Result<(), WitnessError> {
        let mut inputs = self.unsigned.input.iter().zip(&self.spent).enumerate();
        let (index, (_, spent)) = inputs
            .find(|(_, (input, _))| input.previous_output == outpoint)
            .ok_or(WitnessError::Missing { outpoint })?;
        let wrong = || WitnessError::Wrong { outpoint };
        let program = spent.script_pubkey.as_bytes().get(2..).ok_or_else(wrong)?;
        let key = XOnlyPublicKey::from_slice(program).map_err(|_| wrong())?;
        let hash = SighashCache::new(&self.unsigned)
            .taproot_key_spend_signature_hash(
                index,
                &Prevouts::All(&self.spent),
                TapSighashType::Default,
            )
            .expect("every input has its previous output");
        let message = Message::from_digest(hash.to_byte_array());
        schnorr::Signature::from_slice(signature.as_bytes())
            .and_then(|signature| {
                Secp256k1::verification_only().verify_schnorr(&signature, &message, &key)
            })
            .map_err(|_| wrong())
    }

    /// Checks every coin's signature and completes the transaction.
    pub(crate) fn complete(
        self,
        signatures: &BTreeMap<OutPoint, SchnorrSignature>,
    ) -> Result<Transaction, WitnessError> {
        let mut signed = self.unsigned.clone();
        for (input, spent) in signed.input.iter_mut().zip(&self.spent) {
            if is_anchor(spent) {
                continue;
            }
            let outpoint = input.previous_output;
            let signature = signatures.get(&outpoint).ok_or(WitnessError::Missing { outpoint })?;
            self.verify(outpoint, signature)?;
            input.witness = Witness::from_slice(&[signature.as_bytes()]);
        }
        Ok(signed)
    }
}

/// Whether anyone may spend the output, with an empty witness.
fn is_anchor(output: &TxOut) -> bool {
    output.script_pubkey.as_bytes() == ANCHOR_SCRIPT.as_bytes()
}
