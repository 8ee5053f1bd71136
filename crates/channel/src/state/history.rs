//! Which locks lived in which commitments: all that a penalty needs beside the secrets.
//!
//! A payment-only state leaves nothing here, so a revoked one costs no storage beyond the shachain.

use strait_primitives::{BlockHeight, CommitmentNumber, MilliSats, Party, PaymentHash};

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
    /// Those of the last number noted: at most what one commitment holds, so that a round costs the same however
    /// many locks came before.
    #[n(0)]
    standing: Vec<LockSpan>,
    /// Those that stood only in earlier numbers.
    #[n(1)]
    gone: Vec<LockSpan>,
}

impl LockHistory {
    /// Notes the locks of the ledger of `number`. Each number is noted once, in order.
    pub(super) fn note(&mut self, number: CommitmentNumber, ledger: &Ledger) {
        if ledger.is_plain() && self.standing.is_empty() {
            return;
        }
        let mut before = core::mem::take(&mut self.standing);
        for lock in ledger.outputs_locked() {
            let known = before.iter().position(|span| span.is_of(&lock));
            let span = match known {
                Some(place) => LockSpan { last: number, ..before.swap_remove(place) },
                None => LockSpan {
                    offerer: lock.offerer,
                    payment_hash: lock.payment_hash,
                    expiry: lock.expiry,
                    amount: lock.amount,
                    first: number,
                    last: number,
                },
            };
            self.standing.push(span);
        }
        self.gone.append(&mut before);
    }

    /// The lock outputs that the commitments of `number` had, before trimming.
    pub fn at(&self, number: CommitmentNumber) -> impl Iterator<Item = &LockSpan> {
        let all = self.gone.iter().chain(&self.standing);
        all.filter(move |span| span.first <= number && number <= span.last)
    }
}
