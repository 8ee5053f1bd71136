//! What the nodes acknowledged, and how long that took: the run's own books, which the nodes are held against.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::world::Agreed;

/// Who pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    /// Alice pays bob.
    There,
    /// Bob pays alice.
    Back,
}

/// The run's books.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    there_msat: AtomicU64,
    back_msat: AtomicU64,
    payments: AtomicU64,
    locks: AtomicU64,
    /// Requests that waited for a place among those in flight, and were left out.
    shed: AtomicU64,
    /// Answers that asked for another attempt, by their code or kind.
    again: Mutex<BTreeMap<String, u64>>,
    /// Answer times of payments since they were last taken.
    answered_in: Mutex<Vec<Duration>>,
}

/// Counts of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Payments acknowledged.
    pub(crate) payments: u64,
    /// Locks that ended as they were meant to.
    pub(crate) locks: u64,
    /// Requests left out because too many were in flight.
    pub(crate) shed: u64,
    /// Answers that asked for another attempt.
    pub(crate) again: u64,
}

impl Ledger {
    /// Payments are irrevocable.
    pub(crate) fn paid(&self, way: Way, count: u64, total_msat: u64, took: Duration) {
        self.moved(way, total_msat);
        self.payments.fetch_add(count, Ordering::Relaxed);
        lock(&self.answered_in).push(took);
    }

    /// A lock was claimed; with 0 msat, it was given back.
    pub(crate) fn lock_ended(&self, way: Way, amount_msat: u64) {
        self.moved(way, amount_msat);
        self.locks.fetch_add(1, Ordering::Relaxed);
    }

    /// A request found no place.
    pub(crate) fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer asked for another attempt.
    pub(crate) fn again(&self, why: String) {
        let mut again = lock(&self.again);
        let count = again.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    /// Why answers asked for another attempt, and how often.
    pub(crate) fn reasons(&self) -> BTreeMap<String, u64> {
        lock(&self.again).clone()
    }

    /// Takes the answer times since the last call, sorted.
    pub(crate) fn take_times(&self) -> Vec<Duration> {
        let mut times = std::mem::take(&mut *lock(&self.answered_in));
        times.sort_unstable();
        times
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            payments: self.payments.load(Ordering::Relaxed),
            locks: self.locks.load(Ordering::Relaxed),
            shed: self.shed.load(Ordering::Relaxed),
            again: lock(&self.again).values().sum(),
        }
    }

    /// Holds balances against what was acknowledged since `before`. Nothing may be in flight.
    ///
    /// # Errors
    /// If a millisatoshi is missing, or there is one too many.
    pub(crate) fn audit(&self, before: Agreed, after: Agreed) -> Result<()> {
        let there = self.there_msat.load(Ordering::Relaxed);
        let back = self.back_msat.load(Ordering::Relaxed);
        let expect = Agreed {
            alice_msat: before.alice_msat + back - there,
            bob_msat: before.bob_msat + there - back,
        };
        ensure!(
            expect == after,
            "money is missing: {there} msat there and {back} msat back make {expect:?} of {before:?}, \
             but the nodes say {after:?}"
        );
        Ok(())
    }

    fn moved(&self, way: Way, msat: u64) {
        let total = match way {
            Way::There => &self.there_msat,
            Way::Back => &self.back_msat,
        };
        total.fetch_add(msat, Ordering::Relaxed);
    }
}

/// The time below which so many per mille of sorted times lie.
pub(crate) fn quantile(sorted: &[Duration], permille: usize) -> Duration {
    let at = sorted.len().saturating_sub(1) * permille / 1_000;
    sorted.get(at).copied().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_millisatoshi_that_is_missing_is_noticed() {
        let before = Agreed { alice_msat: 1_000, bob_msat: 500 };
        let ledger = Ledger::default();
        ledger.paid(Way::There, 3, 30, Duration::ZERO);
        ledger.lock_ended(Way::Back, 5);
        ledger.lock_ended(Way::Back, 0);
        ledger.audit(before, Agreed { alice_msat: 975, bob_msat: 525 }).unwrap();
        ledger.audit(before, Agreed { alice_msat: 975, bob_msat: 524 }).unwrap_err();
        ledger.audit(before, before).unwrap_err();
        assert_eq!(ledger.counts().payments, 3);
        assert_eq!(ledger.counts().locks, 2);
    }

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 500), Duration::from_millis(50));
        assert_eq!(quantile(&times, 990), Duration::from_millis(99));
        assert_eq!(quantile(&[], 500), Duration::ZERO);
    }
}
