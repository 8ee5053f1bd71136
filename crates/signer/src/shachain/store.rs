//! The counterparty's secrets, as many as it has revealed, in at most 49 places.

use strait_onchain::revocation_hash_of;
use strait_primitives::{CommitmentNumber, RevocationHash, RevocationSecret};
use thiserror::Error;

use super::{INDEX_BITS, descend, index_of};

/// Why a revealed secret is a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It is not the preimage of what was shown ahead.
    #[error("the secret of commitment {number} hashes to {actual}, {shown} was shown")]
    Hash {
        /// The commitment it was to revoke.
        number: CommitmentNumber,
        /// What was shown.
        shown: RevocationHash,
        /// What the secret hashes to.
        actual: RevocationHash,
    },
    /// A number was left out or comes twice.
    #[error("the secret of commitment {actual} where that of {expected:?} belongs")]
    Order {
        /// The number that comes next; `None` once all 2^48 are revealed.
        expected: Option<CommitmentNumber>,
        /// The number given.
        actual: CommitmentNumber,
    },
    /// An earlier secret does not follow from it.
    #[error("the secret of commitment {earlier} does not follow from that of {number}")]
    Chain {
        /// The commitment it was to revoke.
        number: CommitmentNumber,
        /// The earlier commitment.
        earlier: CommitmentNumber,
    },
}

/// All secrets that the counterparty has revealed.
///
/// Spec: BOLT-0003, "Efficient Per-commitment Secret Storage".
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct SecretStore {
    /// The place with position `b` holds the last secret whose index ends in exactly `b` zeros; all secrets between
    /// it and the next such index follow from it.
    #[n(0)]
    places: Vec<Place>,
}

/// A secret that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
struct Place {
    /// The commitment it revoked.
    #[n(0)]
    number: CommitmentNumber,
    /// The secret.
    #[n(1)]
    secret: RevocationSecret,
}

impl SecretStore {
    /// A store without secrets.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// The last commitment that is revoked; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<CommitmentNumber> {
        self.places.iter().map(|place| place.number).max()
    }

    /// Adds the next secret, if it hashes to what was shown and all earlier ones follow from it.
    ///
    /// # Errors
    /// [`SecretError`] says which test it fails; the store is unchanged then.
    pub fn insert(
        &mut self,
        number: CommitmentNumber,
        secret: RevocationSecret,
        shown: &RevocationHash,
    ) -> Result<(), SecretError> {
        let expected = self.last().map_or(Some(CommitmentNumber::FIRST), CommitmentNumber::next);
        if expected != Some(number) {
            return Err(SecretError::Order { expected, actual: number });
        }
        let actual = revocation_hash_of(&secret);
        if actual != *shown {
            return Err(SecretError::Hash { number, shown: *shown, actual });
        }
        let bits = place_of(number);
        let position = usize::try_from(bits).expect("at most 48");
        for earlier in self.places.iter().take(position) {
            if derive(&secret, bits, earlier.number) != earlier.secret {
                return Err(SecretError::Chain { number, earlier: earlier.number });
            }
        }
        match self.places.get_mut(position) {
            Some(place) => *place = Place { number, secret },
            None => {
                assert_eq!(position, self.places.len(), "numbers in order fill places in order");
                self.places.push(Place { number, secret });
            }
        }
        Ok(())
    }

    /// The secret of a revoked commitment; `None` if it is not revoked.
    #[must_use]
    pub fn secret(&self, number: CommitmentNumber) -> Option<RevocationSecret> {
        let above = |place: &&Place| {
            let bits = place_of(place.number);
            index_of(place.number) >> bits == index_of(number) >> bits
        };
        let place = self.places.iter().find(above)?;
        Some(derive(&place.secret, place_of(place.number), number))
    }
}

/// Zeros at the end of a commitment's index: the bits below which all leaves follow from its secret.
fn place_of(number: CommitmentNumber) -> u32 {
    index_of(number).trailing_zeros().min(INDEX_BITS)
}

/// The secret of a commitment that follows from this one.
fn derive(secret: &RevocationSecret, bits: u32, number: CommitmentNumber) -> RevocationSecret {
    RevocationSecret::from_bytes(descend(secret.to_bytes(), bits, index_of(number)))
}
