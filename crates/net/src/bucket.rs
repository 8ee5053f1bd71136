//! A token bucket as a moment: how far ahead of its allowance a sender is.
//!
//! Called with the time; never reads a clock.

use core::time::Duration;

use tokio::time::Instant;

/// Nanoseconds of a second.
const SECOND_NS: u128 = 1_000_000_000;

/// An allowance of so many tokens a second, with a burst.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// Tokens earned in a second; not zero.
    per_second: u64,
    /// How far ahead a sender may be: the burst, as the time it takes to earn.
    ahead_max: Duration,
    /// When everything taken so far will have been earned.
    paid_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u64, burst: u64, now: Instant) -> Self {
        assert!(per_second > 0, "a bucket that never fills");
        Self { per_second, ahead_max: earn(burst, per_second), paid_at: now }
    }

    /// Takes `tokens`, if need be on credit, and says how long to take nothing more.
    pub(crate) fn charge(&mut self, tokens: u64, now: Instant) -> Option<Duration> {
        self.paid_at = self.paid_at.max(now) + earn(tokens, self.per_second);
        self.paid_at.duration_since(now).checked_sub(self.ahead_max).filter(|wait| !wait.is_zero())
    }

    /// Takes one token if that needs no credit.
    pub(crate) fn try_take(&mut self, now: Instant) -> Result<(), Empty> {
        let paid_at = self.paid_at.max(now) + earn(1, self.per_second);
        if paid_at.duration_since(now) > self.ahead_max {
            return Err(Empty);
        }
        self.paid_at = paid_at;
        Ok(())
    }

    /// When the bucket is full again.
    pub(crate) const fn full_at(&self) -> Instant {
        self.paid_at
    }
}

/// The bucket has no token left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Empty;

/// How long earning `tokens` takes.
fn earn(tokens: u64, per_second: u64) -> Duration {
    let ns = u128::from(tokens) * SECOND_NS / u128::from(per_second);
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_the_rest_waits_for_its_tokens() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100, 50, now);
        assert_eq!(bucket.charge(50, now), None);
        assert_eq!(bucket.charge(10, now), Some(Duration::from_millis(100)));
        assert_eq!(bucket.charge(0, now + Duration::from_millis(100)), None);
        assert_eq!(
            bucket.charge(50, now + Duration::from_secs(60)),
            None,
            "earned at most a burst"
        );
        assert_eq!(
            bucket.charge(1, now + Duration::from_secs(60)),
            Some(Duration::from_millis(10))
        );
    }

    #[test]
    fn taking_without_credit_stops_at_the_burst() {
        let now = Instant::now();
        let mut bucket = Bucket::new(2, 2, now);
        assert_eq!([(); 3].map(|()| bucket.try_take(now)), [Ok(()), Ok(()), Err(Empty)]);
        assert_eq!(bucket.try_take(now + Duration::from_millis(500)), Ok(()));
    }
}
