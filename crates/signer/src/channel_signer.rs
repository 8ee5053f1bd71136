//! The keys of one channel and everything they sign.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::{All, Keypair, Secp256k1, SecretKey, ecdsa};
use strait_onchain::{
    ChannelPublicKeys, ClaimKey, ClaimTransaction, Commitment, CommitmentContext, SignatureRequest,
    revocation_hash_of,
};
use strait_primitives::{
    CommitmentNumber, Digest, KeySalt, RevocationHash, RevocationSecret, SchnorrSignature,
};
use zeroize::Zeroizing;

use crate::rules::{Refusal, SigningState};
use crate::shachain::CommitmentSeed;

/// A signature on a commitment and the content it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedCommitment {
    /// The signature.
    pub signature: SchnorrSignature,
    /// What was signed: the message, which commits to the whole transaction.
    pub digest: Digest,
}

/// The signer of one channel. Its secrets are erased when dropped, never printed.
pub struct ChannelSigner {
    /// Signs commitments and closes.
    funding: Keypair,
    /// Takes outputs of revoked commitments.
    penalty: SecretKey,
    /// Takes our own balance.
    delayed: SecretKey,
    /// Claims and refunds locks.
    lock: SecretKey,
    /// The source of revocation secrets. Locked only to keep the steps of the last walk.
    commitment_seed: Mutex<CommitmentSeed>,
    /// Blinded once per seed; never again per signature, which would double its cost.
    context: Arc<Secp256k1<All>>,
}

impl ChannelSigner {
    /// Derives the keys of the channel with this salt.
    pub(crate) fn new(
        root: &Zeroizing<[u8; 32]>,
        salt: &KeySalt,
        context: Arc<Secp256k1<All>>,
    ) -> Self {
        let mut funding = secret_key(root, salt, "funding");
        let keypair = Keypair::from_secret_key(&context, &funding);
        funding.non_secure_erase();
        Self {
            funding: keypair,
            penalty: secret_key(root, salt, "penalty"),
            delayed: secret_key(root, salt, "delayed"),
            lock: secret_key(root, salt, "lock"),
            commitment_seed: Mutex::new(CommitmentSeed::new(derive(root, salt, "commitments"))),
            context,
        }
    }

    /// The public keys, computed anew: opening needs them once.
    #[must_use]
    pub fn public_keys(&self) -> ChannelPublicKeys {
        ChannelPublicKeys {
            funding: self.funding.public_key(),
            penalty: self.penalty.public_key(&self.context),
            delayed: self.delayed.public_key(&self.context),
            lock: self.lock.public_key(&self.context),
        }
    }

    /// The funding key pair, for the closing session.
    pub(crate) const fn funding(&self) -> &Keypair {
        &self.funding
    }

    /// What is shown ahead of a secret.
    #[must_use]
    pub fn revocation_hash(&self, number: CommitmentNumber) -> RevocationHash {
        revocation_hash_of(&self.secret(number))
    }

    /// Gives away the secret that revokes one of our commitments.
    ///
    /// # Errors
    /// [`Refusal`] unless a newer commitment of ours is signed and nothing forbids it.
    pub fn release_secret(
        &self,
        state: &SigningState,
        number: CommitmentNumber,
    ) -> Result<RevocationSecret, Refusal> {
        state.check_release(number)?;
        Ok(self.secret(number))
    }

    /// Whether these bytes are the secret of one of our commitments.
    ///
    /// A counterparty that knows one we do not know to have given away proves that we are behind (protocol, section 9).
    #[must_use]
    pub fn is_secret_of(&self, number: CommitmentNumber, shown: &RevocationSecret) -> bool {
        revocation_hash_of(shown) == self.revocation_hash(number)
    }

    /// Signs a commitment of the counterparty.
    ///
    /// The same commitment may be signed again, with the same result.
    ///
    /// # Errors
    /// [`Refusal`] if the number is not the next, or was signed with other content.
    ///
    /// # Panics
    /// If the commitment is not one that the counterparty broadcasts on this signer's channel.
    pub fn sign_counterparty_commitment(
        &self,
        state: &SigningState,
        context: &CommitmentContext,
        commitment: &Commitment,
    ) -> Result<SignedCommitment, Refusal> {
        assert_eq!(
            context.terms().countersignatory.funding,
            self.funding.public_key(),
            "the counterparty's commitments of this channel name our key as the countersignatory's"
        );
        let message = context.sighash(commitment);
        let digest = Digest::from_bytes(*message.as_ref());
        state.check_sign_counterparty(commitment.number(), &digest)?;
        let signature = self.context.sign_schnorr_no_aux_rand(&message, &self.funding);
        Ok(SignedCommitment {
            signature: SchnorrSignature::from_bytes(signature.serialize()),
            digest,
        })
    }

    /// Signs our own commitment, to publish it.
    ///
    /// # Errors
    /// [`Refusal`] if it is revoked, about to be, or not known to be the latest.
    ///
    /// # Panics
    /// If the commitment is not one that we broadcast on this signer's channel.
    pub fn sign_holder_commitment(
        &self,
        state: &SigningState,
        context: &CommitmentContext,
        commitment: &Commitment,
    ) -> Result<SchnorrSignature, Refusal> {
        assert_eq!(
            context.terms().broadcaster.funding,
            self.funding.public_key(),
            "our commitments of this channel name our key as the broadcaster's"
        );
        state.check_broadcast(commitment.number())?;
        let message = context.sighash(commitment);
        let signature = self.context.sign_schnorr_no_aux_rand(&message, &self.funding);
        Ok(SchnorrSignature::from_bytes(signature.serialize()))
    }

    /// Signs one input of a claim.
    #[must_use]
    pub fn sign_claim(&self, request: &SignatureRequest) -> ecdsa::Signature {
        let key = match request.key {
            ClaimKey::Penalty => &self.penalty,
            ClaimKey::Delayed => &self.delayed,
            ClaimKey::Lock => &self.lock,
        };
        self.context.sign_ecdsa(&request.message, key)
    }

    /// Signs all inputs of a claim whose outputs are all of this channel.
    #[must_use]
    pub fn sign_claims(&self, claims: &ClaimTransaction) -> Vec<ecdsa::Signature> {
        claims.signature_requests().iter().map(|request| self.sign_claim(request)).collect()
    }

    /// The secret of one of our commitments, without asking the rules.
    fn secret(&self, number: CommitmentNumber) -> RevocationSecret {
        // A poisoned walk is only a walk that was not kept.
        self.commitment_seed.lock().unwrap_or_else(PoisonError::into_inner).secret(number)
    }
}

impl Drop for ChannelSigner {
    fn drop(&mut self) {
        self.funding.non_secure_erase();
        self.penalty.non_secure_erase();
        self.delayed.non_secure_erase();
        self.lock.non_secure_erase();
    }
}

impl fmt::Debug for ChannelSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelSigner({})", self.funding.public_key())
    }
}

/// Hashes the root with the channel's salt and a purpose.
fn derive(root: &Zeroizing<[u8; 32]>, salt: &KeySalt, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut engine = HmacEngine::<sha256::Hash>::new(root.as_slice());
    engine.input(b"strait/channel/1/");
    engine.input(purpose.as_bytes());
    engine.input(b"/");
    engine.input(salt.as_bytes());
    Zeroizing::new(Hmac::<sha256::Hash>::from_engine(engine).to_byte_array())
}

/// A secret key for a purpose.
fn secret_key(root: &Zeroizing<[u8; 32]>, salt: &KeySalt, purpose: &str) -> SecretKey {
    SecretKey::from_slice(derive(root, salt, purpose).as_slice())
        .expect("a hash is no secret key with probability 2^-127")
}

#[cfg(test)]
mod tests;
