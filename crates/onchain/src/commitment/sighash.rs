//! The signed message of a commitment, with everything hashed once that all of a channel's commitments share.
//!
//! Spec: BIP-0341 (signature message, `SIGHASH_DEFAULT`), BIP-0342 (its extension for script paths). A test holds the
//! result equal to the `bitcoin` crate's.

use bitcoin::OutPoint;
use bitcoin::consensus::Encodable as _;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::Message;
use bitcoin::sighash::TapSighash;
use strait_primitives::Sats;

use super::Commitment;
use crate::funding::FundingScript;

/// Spend type of BIP-0341: an extension, no annex.
const SPEND_TYPE: u8 = 2;
/// The only input's index.
const INPUT_INDEX: [u8; 4] = [0; 4];
/// BIP-0342's version of public keys.
const KEY_VERSION: u8 = 0;
/// BIP-0342's code for "no separator executed".
const NO_CODE_SEPARATOR: [u8; 4] = [0xff; 4];
/// Version of a commitment transaction.
const VERSION: [u8; 4] = 3_u32.to_le_bytes();

/// The message up to the locktime, and the constant parts after it.
#[derive(Clone)]
pub(super) struct SighashTemplate {
    /// Hashed: tag, epoch, hash type, version.
    head: sha256::HashEngine,
    /// Hashes of the spent outpoint, amount and script.
    spent: [u8; 96],
    /// Everything after the outputs' hash.
    tail: [u8; 42],
}

impl SighashTemplate {
    /// Lays out the message of all commitments that spend this output.
    pub(super) fn new(outpoint: OutPoint, value: Sats, funding: &FundingScript) -> Self {
        let mut head = TapSighash::engine();
        head.input(&[0, 0]);
        head.input(&VERSION);

        let mut hash_outpoint = sha256::Hash::engine();
        outpoint.consensus_encode(&mut hash_outpoint).expect("hashing does not fail");
        let mut hash_script = sha256::Hash::engine();
        funding.script_pubkey().consensus_encode(&mut hash_script).expect("hashing does not fail");
        let mut spent = [0; 96];
        for (part, hash) in spent.chunks_exact_mut(32).zip([
            sha256::Hash::from_engine(hash_outpoint),
            sha256::Hash::hash(&value.to_sat().to_le_bytes()),
            sha256::Hash::from_engine(hash_script),
        ]) {
            part.copy_from_slice(hash.as_byte_array());
        }

        let mut tail = Vec::with_capacity(42);
        tail.push(SPEND_TYPE);
        tail.extend_from_slice(&INPUT_INDEX);
        tail.extend_from_slice(funding.leaf_hash().as_byte_array());
        tail.push(KEY_VERSION);
        tail.extend_from_slice(&NO_CODE_SEPARATOR);
        Self { head, spent, tail: tail.try_into().expect("1 + 4 + 32 + 1 + 4 bytes") }
    }

    /// The message of one commitment.
    pub(super) fn fill(&self, commitment: &Commitment) -> Message {
        let mut outputs = sha256::Hash::engine();
        for output in &commitment.outputs {
            outputs.input(&output.value.to_sat().to_le_bytes());
            outputs.input(&[output.script.len()]);
            outputs.input(output.script.as_bytes());
        }
        let mut engine = self.head.clone();
        engine.input(&commitment.lock_time.to_le_bytes());
        engine.input(&self.spent);
        engine.input(sha256::Hash::hash(&commitment.sequence.to_le_bytes()).as_byte_array());
        engine.input(sha256::Hash::from_engine(outputs).as_byte_array());
        engine.input(&self.tail);
        Message::from_digest(TapSighash::from_engine(engine).to_byte_array())
    }
}
