//! How many calls may be under way.
//!
//! A call takes a slot with one compare-and-swap and gives it back with a plain store, for nobody else writes a slot that
//! is taken. A counter would take two read-modify-writes, both on the line that all callers share.

use core::cell::Cell;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::limits::SEATS;
use crate::refusal::Refusal;
use crate::seat::seat;
use crate::tally::{Decision, Tally};

thread_local! {
    /// The slot that this thread gave back last, of whichever bulkhead: most likely it is free and near.
    static LAST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A slot: whether it is taken. Eight bytes, so that a full look at a thousand of them takes well below a microsecond and two
/// threads seldom share a line.
#[derive(Debug, Default)]
#[repr(align(8))]
struct Slot(AtomicBool);

/// A limit on the calls that are under way.
///
/// Never more than the limit begin; with as many threads as slots one may be refused while another is just leaving.
#[derive(Debug)]
pub struct Bulkhead {
    limit: AtomicUsize,
    slots: Box<[Slot]>,
    tally: Tally,
}

/// The right to be under way, given back when dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Permit<P: Deref<Target = Bulkhead>> {
    bulkhead: P,
    slot: usize,
}

impl Bulkhead {
    /// A bulkhead that lets `limit` calls in, and can be tuned up to `limit_max`.
    #[must_use]
    pub fn new(limit: usize, limit_max: usize) -> Self {
        let slots: Box<[Slot]> = (0..limit_max).map(|_| Slot::default()).collect();
        Self { limit: AtomicUsize::new(limit.min(limit_max)), slots, tally: Tally::default() }
    }

    /// Changes the limit, up to the most that was said in the beginning. Calls that are under way stay: after a
    /// lowering there may be more than the limit until they end.
    pub fn tune(&self, limit: usize) {
        self.limit.store(limit.min(self.slots.len()), Ordering::Relaxed);
    }

    /// The limit now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Lets a call in; whoever holds the bulkhead (a reference, an `Arc`) goes into the permit.
    ///
    /// # Errors
    /// [`Refusal::BulkheadFull`] if as many are under way as may be.
    pub fn enter<P: Deref<Target = Self>>(holder: P) -> Result<Permit<P>, Refusal> {
        match holder.take() {
            Some(slot) => {
                holder.tally.count(Decision::Admitted);
                Ok(Permit { bulkhead: holder, slot })
            }
            None => {
                holder.tally.count(Decision::Refused);
                Err(Refusal::BulkheadFull { limit: holder.limit() })
            }
        }
    }

    /// How many calls are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.slots.iter().filter(|slot| slot.0.load(Ordering::Relaxed)).count()
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    #[inline]
    fn take(&self) -> Option<usize> {
        let slots = self.slots.get(..self.limit())?;
        let last = LAST.get();
        if slots.get(last).is_some_and(Slot::take) {
            return Some(last);
        }
        // Threads begin far from each other.
        let start = seat() * slots.len() / SEATS;
        let (before, after) = slots.split_at_checked(start)?;
        let after = after.iter().position(Slot::take).map(|found| start + found);
        after.or_else(|| before.iter().position(Slot::take))
    }
}

impl Slot {
    #[inline]
    fn take(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
            && self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

impl<P: Deref<Target = Bulkhead>> Drop for Permit<P> {
    fn drop(&mut self) {
        if let Some(slot) = self.bulkhead.slots.get(self.slot) {
            slot.0.store(false, Ordering::Release);
        }
        LAST.set(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn as_many_enter_as_may_and_the_next_when_one_leaves() {
        let bulkhead = Bulkhead::new(3, 8);
        let mut inside: Vec<_> = (0..3).map(|_| Bulkhead::enter(&bulkhead).unwrap()).collect();
        assert_eq!(Bulkhead::enter(&bulkhead).unwrap_err(), Refusal::BulkheadFull { limit: 3 });
        inside.pop();
        inside.push(Bulkhead::enter(&bulkhead).unwrap());
        assert_eq!(bulkhead.under_way(), 3);
        drop(inside);
        assert_eq!(bulkhead.under_way(), 0);
        let counts = bulkhead.tally().counts();
        assert_eq!((counts.of(Decision::Admitted), counts.of(Decision::Refused)), (4, 1));
    }

    #[test]
    fn the_limit_moves_while_calls_are_under_way() {
        let bulkhead = Arc::new(Bulkhead::new(4, 8));
        let enter = || Bulkhead::enter(Arc::clone(&bulkhead));
        let inside: Vec<_> = (0..4).map(|_| enter().unwrap()).collect();
        bulkhead.tune(1);
        assert!(enter().is_err());
        drop(inside);
        let first = enter().unwrap();
        assert!(enter().is_err());
        bulkhead.tune(1_000);
        assert_eq!(bulkhead.limit(), 8, "no more than there is room for");
        let _second = enter().unwrap();
        bulkhead.tune(0);
        drop(first);
        assert!(enter().is_err(), "nobody enters a closed one");
    }

    #[test]
    fn threads_never_exceed_the_limit() {
        let bulkhead = Bulkhead::new(3, 3);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let Ok(_permit) = Bulkhead::enter(&bulkhead) else { continue };
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(bulkhead.under_way(), 0);
    }
}
