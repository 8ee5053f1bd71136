//! The floor of a round (two signatures and two verifications, nothing else), and the node's own signing beside it.

use bitcoin::secp256k1::{All, Keypair, Message, Secp256k1, SecretKey, XOnlyPublicKey, schnorr};
use strait_channel::{Channel, Live};
use strait_onchain::Commitment;
use strait_primitives::{CommitmentNumber, SchnorrSignature, Side};
use strait_signer::verify_commitment;

use crate::duo::Duo;

/// BIP-0340 on the copy of secp256k1 that the signer uses.
#[derive(Debug)]
pub struct BareSignatures {
    context: Secp256k1<All>,
    pair: Keypair,
    key: XOnlyPublicKey,
    /// The last message; each is new, as in a channel.
    message: [u8; 32],
    /// A signature to verify, and its message.
    signed: (Message, schnorr::Signature),
}

impl Default for BareSignatures {
    fn default() -> Self {
        let context = Secp256k1::new();
        let secret = SecretKey::from_slice(&[7; 32]).expect("a number below the order");
        let pair = Keypair::from_secret_key(&context, &secret);
        let message = Message::from_digest([9; 32]);
        let signature = context.sign_schnorr_no_aux_rand(&message, &pair);
        let key = pair.x_only_public_key().0;
        Self { context, pair, key, message: [1; 32], signed: (message, signature) }
    }
}

impl BareSignatures {
    /// Signs a new message.
    pub fn sign(&mut self) {
        for byte in &mut self.message {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        let message = Message::from_digest(self.message);
        self.signed = (message, self.context.sign_schnorr_no_aux_rand(&message, &self.pair));
    }

    /// Verifies the signature that was made last.
    ///
    /// # Panics
    /// Never: it was made here.
    pub fn verify(&self) {
        let (message, signature) = &self.signed;
        self.context.verify_schnorr(signature, message, &self.key).expect("it was just made");
    }

    /// What both sides of a round sign and verify.
    pub fn round(&mut self) {
        for _ in 0..2 {
            self.sign();
            self.verify();
        }
    }
}

/// The payer's commitment 1, built anew, signed by the payee and verified by the payer.
#[derive(Debug)]
pub struct SignedCommitments {
    duo: Duo,
    signature: SchnorrSignature,
}

impl Default for SignedCommitments {
    fn default() -> Self {
        let (duo, _) = Duo::open();
        let signature = sign(&duo);
        Self { duo, signature }
    }
}

impl SignedCommitments {
    /// The payee builds the payer's commitment and signs it.
    #[must_use]
    pub fn sign(&self) -> SchnorrSignature {
        sign(&self.duo)
    }

    /// The payer builds its commitment and verifies the payee's signature.
    ///
    /// # Panics
    /// Never: it was made here.
    pub fn verify(&self) {
        let (payer, _) = self.duo.channels();
        let commitment = first(payer, Side::Holder, payer);
        let commitments = payer.commitments().expect("it is live");
        verify_commitment(commitments.of(Side::Holder), &commitment, &self.signature)
            .expect("it was just made");
    }
}

fn sign(duo: &Duo) -> SchnorrSignature {
    let (payer, payee) = duo.channels();
    let commitment = first(payee, Side::Counterparty, payer);
    let context = payee.commitments().expect("it is live").of(Side::Counterparty);
    payee
        .signer()
        .sign_counterparty_commitment(&live(payee).signing, context, &commitment)
        .expect("the next number may be signed")
        .signature
}

/// Commitment 1 of `broadcaster`, as `of` builds it.
fn first(of: &Channel, side: Side, broadcaster: &Channel) -> Commitment {
    let number = CommitmentNumber::FIRST.next().expect("there are many");
    let hash = broadcaster.signer().revocation_hash(number);
    let live = live(of);
    of.commitments().expect("it is live").build(
        side,
        &live.setup,
        number,
        hash,
        &live.rounds.ledger,
    )
}

fn live(channel: &Channel) -> &Live {
    channel.state().live().expect("it is live")
}
