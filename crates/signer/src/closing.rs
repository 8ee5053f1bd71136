//! The MuSig2 session of a cooperative close: one nonce, one message, one signature.
//!
//! ```text
//! closing_nonce ──▶ ClosingNonce ── sign_closing (consumes it) ──▶ ClosingSession ── complete ──▶ signature
//!                        │ public, to the peer                          │ partial, to the peer
//! ```
//!
//! Nonces live in memory only: a restart makes new ones, and none can sign twice because signing consumes it.
//!
//! Spec: BIP-0327; protocol, sections 2 and 8.

use core::fmt;

use bitcoin::secp256k1::{Message, PublicKey};
use musig2::{
    AggNonce, CompactSignature, KeyAggContext, PartialSignature as Scalar, PubNonce, SecNonce,
    SecNonceSpices, aggregate_partial_signatures, sign_partial, verify_partial,
};
use strait_onchain::{ClosingTransaction, FundingScript};
use strait_primitives::{Sats, SchnorrSignature};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::channel_signer::ChannelSigner;
use crate::rules::{Refusal, SigningState};
use crate::verify::verify_schnorr;

/// A public nonce as it travels: two compressed points, not yet known to be on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicNonce(pub [u8; 66]);

/// A partial signature as it travels, not yet verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialSignature(pub [u8; 32]);

/// Why a close cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClosingSessionError {
    /// The rules of signing forbid it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The counterparty's nonce is not two points on the curve.
    #[error("the counterparty's nonce is not a nonce")]
    Nonce,
    /// The counterparty's partial signature does not verify.
    #[error("the counterparty's partial signature does not verify under {key}")]
    Partial {
        /// Its funding key.
        key: PublicKey,
    },
}

/// A close to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// It, unsigned.
    pub transaction: ClosingTransaction,
    /// What it brings us; nothing if that is dust.
    pub holder_output: Sats,
}

/// Our nonce for one close offer. Not clonable, never printed, consumed by signing.
pub struct ClosingNonce {
    /// The secret half.
    secret: SecNonce,
    /// The public half.
    public: PubNonce,
}

impl ClosingNonce {
    /// The half that the counterparty gets.
    #[must_use]
    pub fn public(&self) -> PublicNonce {
        PublicNonce(self.public.serialize())
    }
}

impl fmt::Debug for ClosingNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClosingNonce(hidden)")
    }
}

/// A close that we have signed and the counterparty has not.
pub struct ClosingSession {
    /// Both keys, tweaked.
    keys: KeyAggContext,
    /// The funding output's key.
    funding: FundingScript,
    /// Both nonces.
    nonces: AggNonce,
    /// The counterparty's nonce.
    their_nonce: PubNonce,
    /// The counterparty's funding key.
    their_key: PublicKey,
    /// What is signed.
    message: Message,
    /// Our part.
    our_part: Scalar,
}

impl fmt::Debug for ClosingSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosingSession").field("message", &self.message).finish_non_exhaustive()
    }
}

impl ChannelSigner {
    /// Makes a nonce for one close offer from 32 fresh bytes of entropy.
    #[must_use]
    pub fn closing_nonce(
        &self,
        entropy: Zeroizing<[u8; 32]>,
        funding: &FundingScript,
    ) -> ClosingNonce {
        let output: PublicKey = funding.output_key().public_key(bitcoin::secp256k1::Parity::Even);
        let secret = SecNonce::build_with_seckey(*entropy, self.funding().secret_key())
            .with_spices(SecNonceSpices::new())
            .with_aggregated_pubkey(output)
            .build();
        let public = secret.public_nonce();
        ClosingNonce { secret, public }
    }

    /// Signs a close with both nonces. Our own part is verified before it is returned.
    ///
    /// # Errors
    /// [`ClosingSessionError`] if the rules forbid it or the counterparty's nonce is none.
    ///
    /// # Panics
    /// If our key is not one of the funding output's.
    pub fn sign_closing(
        &self,
        state: &SigningState,
        nonce: ClosingNonce,
        funding: &FundingScript,
        their_nonce: &PublicNonce,
        close: &Close,
    ) -> Result<ClosingSession, ClosingSessionError> {
        state.check_sign_closing(close.holder_output)?;
        let our_key = self.funding().public_key();
        let [first, second] = funding.keys();
        let their_key = if first == our_key { second } else { first };
        assert!(first == our_key || second == our_key, "the funding output is of this channel");
        let their_nonce =
            PubNonce::from_bytes(&their_nonce.0).map_err(|_| ClosingSessionError::Nonce)?;
        let nonces = AggNonce::sum([nonce.public, their_nonce.clone()]);
        let keys = funding.key_agg_context();
        let message = close.transaction.sighash();
        let our_part: Scalar = sign_partial(
            &keys,
            self.funding().secret_key(),
            nonce.secret,
            &nonces,
            message.as_ref(),
        )
        .expect("our key is in the output, and our nonce was made for it");
        Ok(ClosingSession {
            keys,
            funding: *funding,
            nonces,
            their_nonce,
            their_key,
            message,
            our_part,
        })
    }
}

impl ClosingSession {
    /// Our part, for the counterparty.
    #[must_use]
    pub fn partial_signature(&self) -> PartialSignature {
        PartialSignature(self.our_part.serialize())
    }

    /// Verifies the counterparty's part and joins both into the signature of the close.
    ///
    /// # Errors
    /// [`ClosingSessionError::Partial`] if the counterparty's part does not verify.
    pub fn complete(
        &self,
        their_part: &PartialSignature,
    ) -> Result<SchnorrSignature, ClosingSessionError> {
        let wrong = || ClosingSessionError::Partial { key: self.their_key };
        let their_part = Scalar::from_slice(&their_part.0).map_err(|_| wrong())?;
        let message: &[u8; 32] = self.message.as_ref();
        verify_partial(
            &self.keys,
            their_part,
            &self.nonces,
            self.their_key,
            &self.their_nonce,
            message,
        )
        .map_err(|_| wrong())?;
        let parts = [self.our_part, their_part];
        let joined: CompactSignature =
            aggregate_partial_signatures(&self.keys, &self.nonces, parts, message)
                .map_err(|_| wrong())?;
        let signature = SchnorrSignature::from_bytes(joined.serialize());
        let output_key = self.funding.output_key();
        verify_schnorr(&output_key, &self.message, &signature).map_err(|_| wrong())?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests;
