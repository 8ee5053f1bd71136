//! Verification of BIP-0340 signatures.

use std::sync::LazyLock;

use bitcoin::secp256k1::{Message, Secp256k1, VerifyOnly, XOnlyPublicKey, schnorr};
use strait_onchain::{Commitment, CommitmentContext};
use strait_primitives::SchnorrSignature;
use thiserror::Error;

/// Verification needs no blinding and holds no secret: one context serves all.
static CONTEXT: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// A signature does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not verify under the key {key}")]
pub struct BadSignature {
    /// The key it was to verify under.
    pub key: XOnlyPublicKey,
}

/// Verifies a BIP-0340 signature.
///
/// # Errors
/// [`BadSignature`] if it does not verify.
pub fn verify_schnorr(
    key: &XOnlyPublicKey,
    message: &Message,
    signature: &SchnorrSignature,
) -> Result<(), BadSignature> {
    schnorr::Signature::from_slice(signature.as_bytes())
        .and_then(|signature| CONTEXT.verify_schnorr(&signature, message, key))
        .map_err(|_| BadSignature { key: *key })
}

/// Verifies the countersignatory's signature on a commitment of the broadcaster.
///
/// # Errors
/// [`BadSignature`] if it does not verify.
pub fn verify_commitment(
    context: &CommitmentContext,
    commitment: &Commitment,
    signature: &SchnorrSignature,
) -> Result<(), BadSignature> {
    let key = context.terms().countersignatory.funding.x_only_public_key().0;
    verify_schnorr(&key, &context.sighash(commitment), signature)
}
