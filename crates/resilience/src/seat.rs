//! A number for each thread that no other living thread has, so that it can count in a cell of its own.
//!
//! [`Tally`](crate::Tally) and [`Bulkhead`](crate::Bulkhead) ask for it with each call, so it is a plain thread-local cell.
//! A thread that ends gives its number back; the next one goes on counting where it stopped.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::limits::SEATS;

/// The seat of all threads that came when the others were taken, and of those about to end.
pub(crate) const SHARED: usize = 0;
/// No seat was asked for yet.
const NONE: usize = usize::MAX;

/// A bit for each seat that is taken; the shared one always is.
static TAKEN: AtomicU64 = AtomicU64::new(1);

thread_local! {
    // Two cells, because one with a destructor would be asked at each access whether it still lives.
    static SEAT: Cell<usize> = const { Cell::new(NONE) };
    static LEASE: Cell<Option<Lease>> = const { Cell::new(None) };
}

/// Gives the seat back when the thread ends.
struct Lease(usize);

impl Drop for Lease {
    fn drop(&mut self) {
        SEAT.set(SHARED);
        // After this thread's last count in its cells, before the next thread's first.
        TAKEN.fetch_and(!(1 << self.0), Ordering::AcqRel);
    }
}

/// This thread's seat, below [`SEATS`].
#[inline]
pub(crate) fn seat() -> usize {
    match SEAT.get() {
        NONE => take(),
        seat => seat,
    }
}

#[cold]
fn take() -> usize {
    let free = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
    let seat = match TAKEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, free) {
        Ok(taken) => usize::try_from(taken.trailing_ones()).expect("at most 64"),
        Err(_all) => SHARED,
    };
    assert!(seat < SEATS, "seat {seat}");
    SEAT.set(seat);
    if seat != SHARED {
        // A thread that is about to end has no lease any more: its seat is given back here, and it counts in the shared one.
        let lease = Lease(seat);
        if LEASE.try_with(|cell| cell.set(Some(lease))).is_err() {
            return SHARED;
        }
    }
    seat
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_that_live_at_the_same_time_share_no_seat_but_the_shared_one() {
        for threads in [4, 100] {
            let together = Barrier::new(threads);
            let mut seats: Vec<usize> = std::thread::scope(|scope| {
                let ask = || {
                    let seat = seat();
                    together.wait();
                    assert_eq!(seat, super::seat(), "it stays");
                    seat
                };
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            seats.retain(|seat| *seat != SHARED);
            let distinct: BTreeSet<usize> = seats.iter().copied().collect();
            assert_eq!(distinct.len(), seats.len());
            assert!(!seats.is_empty(), "those who left have made room");
        }
    }
}
