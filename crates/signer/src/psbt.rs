//! Signing for the on-chain wallet: the taproot key paths of a PSBT that are ours.

use bitcoin::hashes::Hash as _;
use bitcoin::key::TapTweak as _;
use bitcoin::secp256k1::{Keypair, Message, PublicKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::Signature;
use bitcoin::{Psbt, TxOut};
use thiserror::Error;

use crate::seed::Seed;

/// Why a PSBT cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PsbtError {
    /// An input does not say what it spends, so that no taproot message can be made.
    #[error("input {index} does not say what it spends")]
    MissingUtxo {
        /// The input.
        index: usize,
    },
    /// An input names our key for an output that pays another.
    #[error("input {index} names a key of ours that its output does not pay")]
    KeyMismatch {
        /// The input.
        index: usize,
    },
    /// An input wants another message than the whole transaction's.
    #[error("input {index} asks for a sighash type other than the default")]
    SighashType {
        /// The input.
        index: usize,
    },
}

impl Seed {
    /// Signs every input whose taproot key origin is ours, and returns how many those were.
    ///
    /// Other inputs stay as they are. The signature goes into `tap_key_sig`.
    ///
    /// # Errors
    /// [`PsbtError`] if an input contradicts itself; nothing is signed then.
    pub fn sign_psbt(&self, psbt: &mut Psbt) -> Result<usize, PsbtError> {
        let spent = spent_outputs(psbt)?;
        let fingerprint = self.fingerprint();
        let mut signatures = Vec::new();
        let mut cache = SighashCache::new(&psbt.unsigned_tx);
        for (index, (input, spent_here)) in psbt.inputs.iter().zip(&spent).enumerate() {
            let Some(internal_key) = input.tap_internal_key else { continue };
            let Some((_, (origin, path))) = input.tap_key_origins.get(&internal_key) else {
                continue;
            };
            if *origin != fingerprint {
                continue;
            }
            if input.sighash_type.is_some_and(|kind| kind != TapSighashType::Default.into()) {
                return Err(PsbtError::SighashType { index });
            }
            let mut child = self.derive(path);
            let keypair = Keypair::from_secret_key(self.context(), &child.private_key);
            child.private_key.non_secure_erase();
            let tweaked = keypair.tap_tweak(self.context(), input.tap_merkle_root).to_keypair();
            if !pays(spent_here, &tweaked.public_key()) {
                return Err(PsbtError::KeyMismatch { index });
            }
            let hash = cache
                .taproot_key_spend_signature_hash(
                    index,
                    &Prevouts::All(&spent),
                    TapSighashType::Default,
                )
                .expect("every input has its previous output");
            let message = Message::from_digest(hash.to_byte_array());
            let signature = self.context().sign_schnorr_no_aux_rand(&message, &tweaked);
            signatures.push((index, signature));
        }
        let count = signatures.len();
        for (index, signature) in signatures {
            let input = psbt.inputs.get_mut(index).expect("the index came from this list");
            input.tap_key_sig =
                Some(Signature { signature, sighash_type: TapSighashType::Default });
        }
        Ok(count)
    }
}

/// What every input spends.
fn spent_outputs(psbt: &Psbt) -> Result<Vec<TxOut>, PsbtError> {
    let utxo = |(index, input): (usize, &bitcoin::psbt::Input)| {
        input.witness_utxo.clone().ok_or(PsbtError::MissingUtxo { index })
    };
    psbt.inputs.iter().enumerate().map(utxo).collect()
}

/// Whether a taproot output pays exactly this key.
fn pays(output: &TxOut, key: &PublicKey) -> bool {
    let key = key.x_only_public_key().0.serialize();
    output.script_pubkey.is_p2tr()
        && output.script_pubkey.as_bytes().get(2..) == Some(key.as_slice())
}
