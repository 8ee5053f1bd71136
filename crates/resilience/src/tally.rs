//! Counts of decisions that cost next to nothing: a cell for each thread, added up by whoever reads.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::limits::SEATS;
use crate::seat::{SHARED, seat};

/// What a policy decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call may be made.
    Admitted,
    /// It may not.
    Refused,
    /// It failed and is made again.
    Retried,
    /// It failed for the last time, and might have worked later.
    GaveUp,
    /// It did not end in time.
    TimedOut,
}

impl Decision {
    /// Every decision, in the order of their declaration.
    pub const ALL: [Self; 5] =
        [Self::Admitted, Self::Refused, Self::Retried, Self::GaveUp, Self::TimedOut];

    const fn index(self) -> usize {
        match self {
            Self::Admitted => 0,
            Self::Refused => 1,
            Self::Retried => 2,
            Self::GaveUp => 3,
            Self::TimedOut => 4,
        }
    }
}

/// How often each decision was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; Decision::ALL.len()]);

impl Counts {
    /// How often this one was made.
    #[must_use]
    pub fn of(&self, decision: Decision) -> u64 {
        self.0.get(decision.index()).copied().unwrap_or_default()
    }
}

/// One thread's cells, a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cells([AtomicU64; Decision::ALL.len()]);

/// Counts the decisions of one policy: 4 KiB, one load and one store for each count, no read-modify-write.
///
/// Each thread has cells that only it writes; beyond 63 threads the others share one set and pay an addition.
#[derive(Debug)]
pub struct Tally(Box<[Cells]>);

impl Default for Tally {
    fn default() -> Self {
        Self((0..SEATS).map(|_| Cells::default()).collect())
    }
}

impl Tally {
    /// Counts one decision.
    #[inline]
    pub fn count(&self, decision: Decision) {
        let seat = seat();
        let Some(cell) = self.0.get(seat).and_then(|cells| cells.0.get(decision.index())) else {
            return;
        };
        if seat == SHARED {
            cell.fetch_add(1, Ordering::Relaxed);
        } else {
            // Nobody else writes here, so nothing is lost between the two.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// All counts so far. They never go down.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for cells in &self.0 {
            for (sum, cell) in sum.0.iter_mut().zip(&cells.0) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        let tally = Tally::default();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..100 {
                    scope.spawn(|| (0..1_000).for_each(|_| tally.count(Decision::Refused)));
                }
            });
        }
        assert_eq!(tally.counts().of(Decision::Refused), 300_000);
        assert_eq!(tally.counts().of(Decision::Admitted), 0);
    }
}
