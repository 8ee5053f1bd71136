//! How long a call may take.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::tally::{Decision, Tally};

/// A limit on the time of one call.
///
/// Calls under way keep the limit that they began with.
#[derive(Debug)]
pub struct Timeout {
    /// In milliseconds; zero is none.
    limit_ms: AtomicU64,
    tally: Tally,
}

impl Timeout {
    /// A limit; zero is none. Whole milliseconds count.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit_ms: AtomicU64::new(whole_ms(limit)), tally: Tally::default() }
    }

    /// Changes the limit for calls from now on.
    pub fn tune(&self, limit: Duration) {
        self.limit_ms.store(whole_ms(limit), Ordering::Relaxed);
    }

    /// Begins a call: how long it may take.
    #[must_use]
    #[inline]
    pub fn admit(&self) -> Option<Duration> {
        self.tally.count(Decision::Admitted);
        self.limit()
    }

    /// The limit now.
    #[must_use]
    #[inline]
    pub fn limit(&self) -> Option<Duration> {
        let limit_ms = self.limit_ms.load(Ordering::Relaxed);
        (limit_ms > 0).then(|| Duration::from_millis(limit_ms))
    }

    /// Counts a call that did not end in time.
    pub fn note_timed_out(&self) {
        self.tally.count(Decision::TimedOut);
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Less than a millisecond counts as one, for zero would mean no limit.
fn whole_ms(limit: Duration) -> u64 {
    let least = u64::from(!limit.is_zero());
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(least)
}
