//! The outputs of a commitment on chain, and how each was spent.

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Transaction, Txid, Witness};
use strait_onchain::{LockSpec, Role, payment_hash_of};
use strait_primitives::{BlockHeight, PaymentHash, Preimage, RevocationHash, Sats};

/// What an output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum OutputContent {
    /// The broadcaster's balance, delayed and revocable.
    #[n(0)]
    Broadcaster,
    /// The other side's balance, already in its wallet.
    #[n(1)]
    Countersignatory,
    /// A lock.
    #[n(2)]
    Lock(#[n(0)] LockSpec),
    /// The output that anyone may spend.
    #[n(3)]
    Anchor,
    /// The hash of the ledger: no money.
    #[n(4)]
    LedgerHash,
    /// Nothing that this node knows how to spend.
    #[n(5)]
    Unrecognized,
}

/// By which path an output left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum SpendPath {
    /// By the broadcaster's revocation secret: the other side has it.
    #[n(0)]
    Penalty,
    /// By the broadcaster, after its delay.
    #[n(1)]
    Delayed,
    /// By the lock's receiver, with this preimage.
    #[n(2)]
    Claimed(#[n(0)] Preimage),
    /// By the lock's offerer, after its expiry.
    #[n(3)]
    Refunded,
}

impl SpendPath {
    /// Who has the money.
    #[must_use]
    pub const fn taker(&self, content: &OutputContent) -> Option<Role> {
        let lock = match content {
            OutputContent::Lock(lock) => Some(lock),
            OutputContent::Broadcaster
            | OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized => None,
        };
        match (self, lock) {
            (Self::Penalty, _) => Some(Role::Countersignatory),
            (Self::Delayed, _) => Some(Role::Broadcaster),
            (Self::Refunded, Some(lock)) => Some(lock.offered_by),
            (Self::Claimed(_), Some(lock)) => Some(match lock.offered_by {
                Role::Broadcaster => Role::Countersignatory,
                Role::Countersignatory => Role::Broadcaster,
            }),
            (Self::Refunded | Self::Claimed(_), None) => None,
        }
    }

    /// Reads the path off the witness that took it. Consensus has judged the witness already: a preimage that is there
    /// is what opened the script, and what needs none was opened by time.
    ///
    /// Whoever names a revocation hash as a lock's hash makes both paths look alike: then it is a claim, since that the
    /// preimage is known is true either way, and that the money came back is not.
    pub(crate) fn read(
        witness: &Witness,
        content: &OutputContent,
        revocation_hash: &RevocationHash,
    ) -> Option<Self> {
        let preimage_of = |hash: &[u8; 32]| {
            let opens = |item: &&[u8]| sha256::Hash::hash(item).as_byte_array() == hash;
            witness.iter().filter(|item| item.len() == Preimage::LEN).find(opens)
        };
        let penalty = || preimage_of(revocation_hash.as_bytes()).map(|_| Self::Penalty);
        match content {
            OutputContent::Broadcaster => Some(penalty().unwrap_or(Self::Delayed)),
            OutputContent::Lock(lock) => {
                let preimage = preimage_of(lock.payment_hash.as_bytes());
                let claimed = preimage.and_then(Preimage::from_slice).map(Self::Claimed);
                Some(claimed.or_else(penalty).unwrap_or(Self::Refunded))
            }
            OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized => None,
        }
    }
}

/// All that a transaction's witnesses could open hash locks with, by what it opens.
pub fn preimages_in(transaction: &Transaction) -> impl Iterator<Item = (PaymentHash, Preimage)> {
    let items = transaction.input.iter().flat_map(|input| input.witness.iter());
    items.filter_map(Preimage::from_slice).map(|preimage| (payment_hash_of(&preimage), preimage))
}

/// The end of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct OutputSpend {
    /// Its place in the commitment.
    #[n(0)]
    pub vout: u32,
    /// By which transaction.
    #[cbor(n(1), with = "strait_onchain::cbor::consensus")]
    pub txid: Txid,
    /// In which block.
    #[n(2)]
    pub height: BlockHeight,
    /// How.
    #[n(3)]
    pub path: SpendPath,
}

/// An output of the transaction that spent the funding output.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct TrackedOutput {
    /// Its place in the transaction.
    #[n(0)]
    pub vout: u32,
    /// Its value.
    #[n(1)]
    pub value: Sats,
    /// What it holds.
    #[n(2)]
    pub content: OutputContent,
    /// How it ended, while that block stands.
    #[n(3)]
    pub spend: Option<OutputSpend>,
}

impl TrackedOutput {
    /// True for outputs whose end is followed: those that a side has still to take.
    #[must_use]
    pub const fn is_followed(&self) -> bool {
        match self.content {
            OutputContent::Broadcaster | OutputContent::Lock(_) => true,
            OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use strait_onchain::Role;
    use strait_primitives::{LockId, MilliSats};

    use super::*;

    /// The receiver of a lock named a hash of its own revocation secret for it.
    #[test]
    fn what_could_be_a_claim_or_a_penalty_is_a_claim() {
        let preimage = Preimage::from_bytes([7; 32]);
        let payment_hash = payment_hash_of(&preimage);
        let revocation_hash = RevocationHash::from_bytes(*payment_hash.as_bytes());
        let lock = LockSpec {
            id: LockId(0),
            offered_by: Role::Countersignatory,
            amount: MilliSats::from_const(5_000_000),
            payment_hash,
            expiry: BlockHeight::new(100),
        };
        let witness = Witness::from_slice(&[preimage.as_bytes().as_slice(), &[1; 90]]);
        let path = |content| SpendPath::read(&witness, &content, &revocation_hash);
        assert_eq!(path(OutputContent::Lock(lock)), Some(SpendPath::Claimed(preimage)));
        assert_eq!(path(OutputContent::Broadcaster), Some(SpendPath::Penalty));
    }
}
