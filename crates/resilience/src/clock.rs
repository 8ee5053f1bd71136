//! Time as an argument: what the policies ask, and the clock that a node gives them.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

/// A moment on a clock that never goes back by much, in nanoseconds since whatever it began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// A moment so many nanoseconds after the beginning.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the beginning.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the beginning.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// A later moment.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Where policies get the time from.
pub trait Clock {
    /// The time now.
    fn now(&self) -> Moment;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

/// The system's monotonic clock as of its last tick: a third of the price of the exact one, and up to 10 ms behind (4 ms
/// with most kernels). A bucket is thus late by as much in giving tokens, which its burst should outlast; never early.
#[derive(Debug, Clone, Copy, Default)]
pub struct CoarseClock;

#[cfg(target_os = "linux")]
const COARSE: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const COARSE: ClockId = ClockId::Monotonic;

impl Clock for CoarseClock {
    fn now(&self) -> Moment {
        let time = clock_gettime(COARSE);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let ns = u64::try_from(time.tv_nsec).unwrap_or(0);
        Moment(seconds.wrapping_mul(1_000_000_000).wrapping_add(ns))
    }
}

/// A clock that stands still until it is told to go on: for tests and simulated worlds.
#[derive(Debug, Default)]
pub struct SteppedClock(AtomicU64);

impl SteppedClock {
    /// A clock that stands at this moment.
    #[must_use]
    pub const fn at(moment: Moment) -> Self {
        Self(AtomicU64::new(moment.as_ns()))
    }

    /// Goes on by so much.
    pub fn advance(&self, by: Duration) {
        let later = self.now().after(by);
        self.0.store(later.as_ns(), Ordering::Relaxed);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_clock_goes_on_and_not_back() {
        let first = CoarseClock.now();
        let mut last = first;
        while last.as_ns() < first.as_ns() + 20_000_000 {
            let now = CoarseClock.now();
            assert!(now >= last, "{now:?} after {last:?}");
            last = now;
        }
    }
}
