//! One output of a confirmed commitment, one way to spend it.
//!
//! The items of each witness follow the satisfactions of the pinned miniscripts; tests run every path through Bitcoin
//! Core's interpreter.

use bitcoin::secp256k1::{PublicKey, ecdsa};
use bitcoin::sighash::EcdsaSighashType;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Witness};
use strait_primitives::{
    BlockDelta, BlockHeight, LockId, PaymentHash, Preimage, RevocationHash, RevocationSecret, Sats,
};
use thiserror::Error;

use crate::commitment::{CommitmentContext, LockSpec, Role};
use crate::secret_hash::{payment_hash_of, revocation_hash_of};

/// A place on chain and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coin {
    /// The place.
    pub outpoint: OutPoint,
    /// The value there.
    pub value: Sats,
}

/// Which of the claimer's keys signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKey {
    /// The penalty key, for outputs of the other side's revoked commitments.
    Penalty,
    /// The delayed key, for one's own balance in one's own commitment.
    Delayed,
    /// The lock key.
    Lock,
}

/// Why a lock cannot be claimed so.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The preimage is another lock's.
    #[error("the preimage given hashes to {actual}, lock {id:?} wants {expected}")]
    Preimage {
        /// The lock.
        id: LockId,
        /// The hash it wants.
        expected: PaymentHash,
        /// What the preimage hashes to.
        actual: PaymentHash,
    },
}

/// An item of a witness that waits for its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// The signature.
    Signature,
    /// Bytes known beforehand.
    Bytes(Vec<u8>),
}

/// How one output of a confirmed commitment is spent.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// The output.
    coin: Coin,
    /// Its script.
    script: ScriptBuf,
    /// Who signs.
    key: ClaimKey,
    /// Blocks the output must have before it moves, if any.
    delay: Option<BlockDelta>,
    /// The height the tip must have before it moves, if any.
    not_before: Option<BlockHeight>,
    /// The witness before the script, first item first.
    items: Vec<Item>,
}

impl core::fmt::Debug for Claim {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The items may hold a preimage that is not public yet.
        f.debug_struct("Claim")
            .field("coin", &self.coin)
            .field("key", &self.key)
            .field("delay", &self.delay)
            .field("not_before", &self.not_before)
            .finish_non_exhaustive()
    }
}

/// The witness item that makes `OP_IF` take its first branch.
const FIRST_BRANCH: &[u8] = &[1];
/// The witness item that makes `OP_IF` take its second branch, and the signature that does not verify.
const NOTHING: &[u8] = &[];
/// Bytes of the longest ECDSA signature with a low `s`, in DER, and its sighash type.
const SIGNATURE_BYTES_MAX: usize = 72;

impl Claim {
    /// The output.
    #[must_use]
    pub const fn coin(&self) -> Coin {
        self.coin
    }

    /// Its script.
    pub(crate) const fn script(&self) -> &ScriptBuf {
        &self.script
    }

    /// Which key signs.
    #[must_use]
    pub const fn key(&self) -> ClaimKey {
        self.key
    }

    /// Blocks from the commitment's to the earliest that may hold this claim, if the path waits.
    #[must_use]
    pub const fn delay(&self) -> Option<BlockDelta> {
        self.delay
    }

    /// The tip at which nodes first accept this claim, if the path has a height.
    #[must_use]
    pub const fn not_before(&self) -> Option<BlockHeight> {
        self.not_before
    }

    /// The input's sequence: its relative lock, or replaceable and subject to the locktime.
    pub(crate) fn sequence(&self) -> Sequence {
        match self.delay {
            Some(delay) => Sequence::from_height(
                u16::try_from(delay.to_u32()).expect("a context's delay is at most 2,016"),
            ),
            None => Sequence::ENABLE_RBF_NO_LOCKTIME,
        }
    }

    /// The witness with a signature in place.
    pub(crate) fn witness(&self, signature: &ecdsa::Signature) -> Witness {
        let mut signed = signature.serialize_der().to_vec();
        signed.push(u8::try_from(EcdsaSighashType::All.to_u32()).expect("the type is 1"));
        self.witness_with(&signed)
    }

    /// The longest witness that a signature can make.
    pub(crate) fn longest_witness(&self) -> Witness {
        self.witness_with(&[0; SIGNATURE_BYTES_MAX])
    }

    /// The witness around an encoded signature.
    fn witness_with(&self, signature: &[u8]) -> Witness {
        let mut witness = Witness::new();
        for item in &self.items {
            match item {
                Item::Signature => witness.push(signature),
                Item::Bytes(bytes) => witness.push(bytes),
            }
        }
        witness.push(self.script.as_bytes());
        witness
    }
}

/// Bytes known beforehand.
fn bytes(bytes: &[u8]) -> Item {
    Item::Bytes(bytes.to_vec())
}

/// The items that satisfy `pkh`.
fn by_key_hash(key: &PublicKey) -> [Item; 2] {
    [Item::Signature, bytes(&key.serialize())]
}

impl CommitmentContext {
    /// The broadcaster takes its own balance, after the delay. Signed by the broadcaster's delayed key.
    #[must_use]
    pub fn claim_balance(&self, coin: Coin, revocation_hash: &RevocationHash) -> Claim {
        Claim {
            coin,
            script: self.balance_script(revocation_hash),
            key: ClaimKey::Delayed,
            delay: Some(self.terms().delay),
            not_before: None,
            items: vec![Item::Signature, bytes(NOTHING)],
        }
    }

    /// The countersignatory takes the broadcaster's balance of a revoked commitment, at once. Signed by its penalty key.
    #[must_use]
    pub fn punish_balance(&self, coin: Coin, secret: &RevocationSecret) -> Claim {
        self.punish(coin, self.balance_script(&revocation_hash_of(secret)), secret)
    }

    /// The countersignatory takes a lock of a revoked commitment, at once. Signed by its penalty key.
    #[must_use]
    pub fn punish_lock(&self, coin: Coin, lock: &LockSpec, secret: &RevocationSecret) -> Claim {
        self.punish(coin, self.lock_script(lock, &revocation_hash_of(secret)), secret)
    }

    /// The penalty path, which all scripts share.
    fn punish(&self, coin: Coin, script: ScriptBuf, secret: &RevocationSecret) -> Claim {
        Claim {
            coin,
            script,
            key: ClaimKey::Penalty,
            delay: None,
            not_before: None,
            items: vec![bytes(secret.as_bytes()), Item::Signature],
        }
    }

    /// The receiver of a lock takes it with the preimage: at once from the other side's commitment, after the delay
    /// from its own. Signed by the receiver's lock key.
    ///
    /// # Errors
    /// [`ClaimError::Preimage`] if the preimage is another lock's.
    pub fn claim_lock(
        &self,
        coin: Coin,
        revocation_hash: &RevocationHash,
        lock: &LockSpec,
        preimage: &Preimage,
    ) -> Result<Claim, ClaimError> {
        let actual = payment_hash_of(preimage);
        if actual != lock.payment_hash {
            return Err(ClaimError::Preimage { id: lock.id, expected: lock.payment_hash, actual });
        }
        let mut items = vec![bytes(preimage.as_bytes())];
        let delay = match lock.offered_by {
            Role::Broadcaster => {
                items.extend(by_key_hash(&self.terms().countersignatory.lock));
                items.extend([bytes(FIRST_BRANCH), bytes(NOTHING)]);
                None
            }
            Role::Countersignatory => {
                items.extend(by_key_hash(&self.terms().broadcaster.lock));
                items.extend([bytes(NOTHING), bytes(NOTHING)]);
                Some(self.terms().delay)
            }
        };
        let script = self.lock_script(lock, revocation_hash);
        Ok(Claim { coin, script, key: ClaimKey::Lock, delay, not_before: None, items })
    }

    /// The offerer of a lock takes it back from its expiry on: at once from the other side's commitment, after the
    /// delay too from its own. Signed by the offerer's lock key.
    #[must_use]
    pub fn refund_lock(
        &self,
        coin: Coin,
        revocation_hash: &RevocationHash,
        lock: &LockSpec,
    ) -> Claim {
        let (key, branch, delay) = match lock.offered_by {
            Role::Broadcaster => {
                (&self.terms().broadcaster.lock, NOTHING, Some(self.terms().delay))
            }
            Role::Countersignatory => (&self.terms().countersignatory.lock, FIRST_BRANCH, None),
        };
        let mut items = Vec::from(by_key_hash(key));
        items.extend([bytes(branch), bytes(NOTHING)]);
        Claim {
            coin,
            script: self.lock_script(lock, revocation_hash),
            key: ClaimKey::Lock,
            delay,
            not_before: Some(lock.expiry),
            items,
        }
    }
}
