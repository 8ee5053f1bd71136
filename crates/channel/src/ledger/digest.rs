//! The 32 bytes by which a commitment signature also signs every contract's state (protocol section 3).

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_primitives::{CommitmentNumber, Digest};

use super::Ledger;

/// Keeps this hash apart from every other that the node computes.
const TAG: &[u8] = b"strait/ledger/1";

impl Ledger {
    /// The hash of this ledger for the commitments of `number`; `None` while no contract is live.
    ///
    /// `salt` is known to the two parties alone (the opener's nonce), so that nobody else can try out ledgers against
    /// what stands on chain.
    #[must_use]
    pub fn digest(&self, salt: &Digest, number: CommitmentNumber) -> Option<Digest> {
        if self.contracts.is_empty() {
            return None;
        }
        let mut engine = sha256::Hash::engine();
        engine.input(TAG);
        engine.input(salt.as_bytes());
        engine.input(&number.to_u64().to_be_bytes());
        engine.input(&minicbor::to_vec(self).expect("writing to memory cannot fail"));
        Some(Digest::from_bytes(sha256::Hash::from_engine(engine).to_byte_array()))
    }
}
