//! What is shown ahead of a secret: of a preimage, which opens a lock, and of a revocation secret, which opens a state.
//!
//! Scripts compare with the same hash (protocol, section 3), so every crate takes it from here.

use bitcoin::hashes::{Hash as _, sha256};
use strait_primitives::{PaymentHash, Preimage, RevocationHash, RevocationSecret};

/// What locks name ahead of this preimage: its SHA-256.
#[must_use]
pub fn payment_hash_of(preimage: &Preimage) -> PaymentHash {
    PaymentHash::from_bytes(sha256::Hash::hash(preimage.as_bytes()).to_byte_array())
}

/// What a commitment names ahead of this secret: its SHA-256.
#[must_use]
pub fn revocation_hash_of(secret: &RevocationSecret) -> RevocationHash {
    RevocationHash::from_bytes(sha256::Hash::hash(secret.as_bytes()).to_byte_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_the_published_sha_256_of_thirty_two_bytes() {
        // SHA-256 of 32 zero bytes, as published with many test vectors of the field.
        let expect = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(payment_hash_of(&Preimage::from_bytes([0; 32])).to_string(), expect);
        assert_eq!(revocation_hash_of(&RevocationSecret::from_bytes([0; 32])).to_string(), expect);
    }
}
