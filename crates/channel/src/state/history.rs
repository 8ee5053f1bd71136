//! Which locks lived in which commitments: all that a penalty needs beside the secrets.
//!
//! A payment-only state leaves nothing here, so a revoked one costs no storage beyond the shachain.

use strait_primitives::{BlockHeight, CommitmentNumber, MilliSats, PaymentHash};

use strait_primitives::Party;
use crate::ledger::{Ledger, LockedOutput};

/// A lock output that stood in a run of commitments.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct LockSpan {
    /// Who offered it.
    #[n(0)]
    pub offerer: Party,
    /// Its hash.
    #[n(1)]
    pub payment_hash: PaymentHash,
    /// Its expiry.
    #[n(2)]
    pub expiry: BlockHeight,
    /// How much.
    #[n(3)]
    pub amount: MilliSats,
    /// The first commitment that held it.
    #[n(4)]
    pub first: CommitmentNumber,
    /// The last one.
    #[n(5)]
    pub last: CommitmentNumber,
}

impl LockSpan {
    fn is_of(&self, lock: &LockedOutput) -> bool {
        (self.offerer, self.payment_hash, self.expiry, self.amount)
            == (lock.offerer, lock.payment_hash, lock.expiry, lock.amount)
    }
}

/// All lock outputs that ever stood in a commitment of this channel, their own and contracts'.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct LockHistory {
    #[n(0)]
    spans: Vec<LockSpan>,
}

impl LockHistory {
    /// Notes the locks of the ledger of `number`.
    pub(super) fn note(&mut self, number: CommitmentNumber, ledger: &Ledger) {
        if ledger.is_plain() {
            return;
        }
        let mut extended = vec![false; self.spans.len()];
        for lock in ledger.outputs_locked() {
            let again = self.spans.iter_mut().zip(&mut extended).rev().find(|(span, taken)| {
                !**taken && span.is_of(&lock) && span.last.next().is_some_and(|next| number <= next)
            });
            if let Some((span, taken)) = again {
                span.last = number;
                *taken = true;
            } else {
                let LockedOutput { offerer, amount, payment_hash, expiry, id: _ } = lock;
                let new = LockSpan { offerer, payment_hash, expiry, amount, first: number, last: number };
                self.spans.push(new);
                extended.push(true);
            }
        }
    }

    /// The lock outputs that the commitments of `number` had, before trimming.
    pub fn at(&self, number: CommitmentNumber) -> impl Iterator<Item = &LockSpan> {
        self.spans.iter().filter(move |span| span.first <= number && number <= span.last)
    }
}
