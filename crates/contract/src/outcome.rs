//! What a contract says its collateral is worth to whom, as it stands.

use strait_primitives::{BlockHeight, MilliSats, PaymentHash};
use thiserror::Error;

use crate::{Collateral, Limits, Party};

/// Whether a contract may be settled by either party alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Finality {
    /// More actions may follow; settling needs both.
    #[n(0)]
    Open,
    /// The contract has ended: either party may settle.
    #[n(1)]
    Final,
}

/// A part of the collateral that hangs on a preimage, so that the chain can judge it.
///
/// Whoever shows the preimage in time is the party that did not offer it; after `expiry` the offerer has it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct OutcomeLock {
    /// Who pays if the preimage is shown, and has the money back if it is not.
    #[n(0)]
    pub offered_by: Party,
    /// How much; never zero in a checked outcome.
    #[n(1)]
    pub amount: MilliSats,
    /// The hash whose preimage claims it.
    #[n(2)]
    pub payment_hash: PaymentHash,
    /// The height from which the offerer may take it back.
    #[n(3)]
    pub expiry: BlockHeight,
}

/// The division of a contract's collateral in one state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
pub struct Outcome {
    /// What the first party has at once.
    #[n(0)]
    pub first: MilliSats,
    /// What the second party has at once.
    #[n(1)]
    pub second: MilliSats,
    /// What hangs on preimages, in the contract's order.
    #[n(2)]
    pub locks: Vec<OutcomeLock>,
    /// Whether either party may settle.
    #[n(3)]
    pub finality: Finality,
}

/// Why an outcome cannot stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OutcomeError {
    /// The parts do not sum to the collateral. `None` when their sum is above all the money there is.
    #[error("an outcome of {actual:?} does not divide a collateral of {expected}")]
    WrongSum {
        /// The sum of balances and locks.
        actual: Option<MilliSats>,
        /// The collateral of both parties together.
        expected: MilliSats,
    },
    /// More locks than the terms allow.
    #[error("an outcome with {actual} locks where at most {limit} are allowed")]
    TooManyLocks {
        /// Locks in the outcome.
        actual: usize,
        /// The most allowed by the terms.
        limit: u16,
    },
    /// A lock holds nothing.
    #[error("lock {index} of an outcome holds nothing")]
    EmptyLock {
        /// Its place, counted from zero.
        index: usize,
    },
}

impl Outcome {
    /// What one party has at once.
    #[must_use]
    pub const fn of(&self, party: Party) -> MilliSats {
        match party {
            Party::First => self.first,
            Party::Second => self.second,
        }
    }

    /// Checks that this outcome divides the whole collateral and can be settled as it stands.
    ///
    /// # Errors
    /// [`OutcomeError`] says what does not hold; the first of: number of locks, an empty lock, the sum.
    pub fn check(&self, collateral: &Collateral, limits: &Limits) -> Result<(), OutcomeError> {
        let limit = limits.outcome_locks;
        if self.locks.len() > usize::from(limit) {
            return Err(OutcomeError::TooManyLocks { actual: self.locks.len(), limit });
        }
        if let Some(index) = self.locks.iter().position(|lock| lock.amount == MilliSats::ZERO) {
            return Err(OutcomeError::EmptyLock { index });
        }
        let expected = collateral.total();
        let parts = [self.first, self.second].into_iter();
        let actual = MilliSats::checked_sum(parts.chain(self.locks.iter().map(|lock| lock.amount)));
        if actual != Some(expected) {
            return Err(OutcomeError::WrongSum { actual, expected });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(amount_msat: u64) -> OutcomeLock {
        OutcomeLock {
            offered_by: Party::First,
            amount: MilliSats::new(amount_msat).unwrap(),
            payment_hash: PaymentHash::from_bytes([7; 32]),
            expiry: BlockHeight::new(900),
        }
    }

    #[test]
    fn an_outcome_must_divide_the_whole_collateral_within_its_bounds() {
        let collateral =
            Collateral::new(MilliSats::from_const(70), MilliSats::from_const(30)).unwrap();
        let limits = Limits { outcome_locks: 2, ..Limits::default() };
        let check = |first, second, locks: &[u64], expect| {
            let outcome = Outcome {
                first,
                second,
                locks: locks.iter().copied().map(lock).collect(),
                finality: Finality::Open,
            };
            assert_eq!(outcome.check(&collateral, &limits), expect);
        };
        let msat = MilliSats::from_const;
        let sum = |actual| OutcomeError::WrongSum { actual, expected: msat(100) };
        check(msat(70), msat(30), &[], Ok(()));
        check(msat(0), msat(50), &[20, 30], Ok(()));
        check(msat(70), msat(29), &[], Err(sum(Some(msat(99)))));
        check(msat(70), msat(30), &[1], Err(sum(Some(msat(101)))));
        check(MilliSats::MAX, MilliSats::MAX, &[], Err(sum(None)));
        check(msat(100), msat(0), &[0], Err(OutcomeError::EmptyLock { index: 0 }));
        check(
            msat(97),
            msat(0),
            &[1, 1, 1],
            Err(OutcomeError::TooManyLocks { actual: 3, limit: 2 }),
        );
    }
}
