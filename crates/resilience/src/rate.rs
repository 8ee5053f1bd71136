//! How many calls a second: a token bucket as a moment.
//!
//! A [`Bucket`] is the moment at which everything taken so far will have been earned. A full bucket lies in the past, an
//! empty one its whole burst in the future; taking a token moves it by the time that a token takes to earn. So a bucket
//! is one word without a timer, and settings may change under it.

mod clients;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

pub use self::clients::{ClientLimit, ClientSlots};
use crate::clock::{Clock, Moment};
use crate::limits::RATE_PER_SECOND_MAX;
use crate::refusal::Refusal;
use crate::tally::{Decision, Tally};

const SECOND_NS: u32 = 1_000_000_000;

/// The settings of a rate. Values outside their bounds are brought to the nearest that is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Tokens earned in a second, up to 1,000,000; 0 is no limit.
    pub per_second: u32,
    /// Tokens that a full bucket holds, at least one.
    pub burst: u32,
}

/// A rate that buckets are filled at. The same for as many buckets as share it.
#[derive(Debug)]
pub struct Rate {
    /// The nanoseconds that a token takes to earn, above the burst; zero is no limit.
    word: AtomicU64,
}

/// What one caller, or all together, may still take.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When everything taken so far will have been earned, in nanoseconds.
    paid_at: AtomicU64,
}

impl Rate {
    /// A rate.
    #[must_use]
    pub fn new(settings: RateSettings) -> Self {
        Self { word: AtomicU64::new(pack(settings)) }
    }

    /// Changes the rate and the burst of all its buckets.
    pub fn tune(&self, settings: RateSettings) {
        self.word.store(pack(settings), Ordering::Relaxed);
    }

    /// Takes a token out of a bucket.
    ///
    /// # Errors
    /// How long until there is one.
    #[inline]
    pub fn take(&self, bucket: &Bucket, now: Moment) -> Result<(), Duration> {
        let (each_ns, burst) = unpack(self.word.load(Ordering::Relaxed));
        if each_ns == 0 {
            return Ok(());
        }
        bucket.take(each_ns, each_ns.saturating_mul(burst), now.as_ns())
    }

    /// Takes so many tokens out of a bucket, if need be on credit, and says how long to take nothing more. For what is
    /// there before anybody knows its size.
    #[must_use = "how long to take nothing more"]
    #[inline]
    pub fn charge(&self, bucket: &Bucket, tokens: u32, now: Moment) -> Option<Duration> {
        let (each_ns, burst) = unpack(self.word.load(Ordering::Relaxed));
        if each_ns == 0 {
            return None;
        }
        let cost_ns = each_ns.saturating_mul(u64::from(tokens));
        bucket.charge(cost_ns, each_ns.saturating_mul(burst), now.as_ns())
    }

    /// True if there is no limit.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.word.load(Ordering::Relaxed) == 0
    }
}

/// The time each token takes, rounded up so that nobody gets more than was said, and the burst.
fn pack(settings: RateSettings) -> u64 {
    let per_second = settings.per_second.min(RATE_PER_SECOND_MAX);
    if per_second == 0 {
        return 0;
    }
    let each_ns = SECOND_NS.div_ceil(per_second);
    u64::from(each_ns) << u32::BITS | u64::from(settings.burst.max(1))
}

const fn unpack(word: u64) -> (u64, u64) {
    (word >> u32::BITS, word & 0xffff_ffff)
}

impl Bucket {
    #[inline]
    fn take(&self, each_ns: u64, ahead_max_ns: u64, now_ns: u64) -> Result<(), Duration> {
        let latest = now_ns.saturating_add(ahead_max_ns);
        loop {
            let paid_at = self.paid_at.load(Ordering::Relaxed);
            let next = paid_at.max(now_ns).saturating_add(each_ns);
            if next > latest {
                if paid_at > latest {
                    // The burst has shrunk, or the rate grown: nobody is further behind than an empty bucket.
                    let _lost = self.exchange(paid_at, latest);
                    return Err(Duration::from_nanos(each_ns));
                }
                return Err(Duration::from_nanos(next - latest));
            }
            if self.exchange(paid_at, next) {
                return Ok(());
            }
        }
    }

    #[inline]
    fn charge(&self, cost_ns: u64, ahead_max_ns: u64, now_ns: u64) -> Option<Duration> {
        let latest = now_ns.saturating_add(ahead_max_ns);
        loop {
            let paid_at = self.paid_at.load(Ordering::Relaxed);
            let next = paid_at.max(now_ns).saturating_add(cost_ns);
            if self.exchange(paid_at, next) {
                let ahead_ns = next.saturating_sub(latest);
                return (ahead_ns > 0).then(|| Duration::from_nanos(ahead_ns));
            }
        }
    }

    /// True if a full bucket would be no fuller.
    fn is_full(&self, now: Moment) -> bool {
        self.paid_at() <= now.as_ns()
    }

    fn paid_at(&self) -> u64 {
        self.paid_at.load(Ordering::Relaxed)
    }

    /// Tokens guard nothing but themselves, so no order is needed.
    fn exchange(&self, current: u64, next: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        self.paid_at.compare_exchange_weak(current, next, relaxed, relaxed).is_ok()
    }
}

/// A rate limit on all calls together.
#[derive(Debug)]
pub struct RateLimit {
    rate: Rate,
    bucket: Bucket,
    tally: Tally,
}

impl RateLimit {
    /// A limit whose bucket is full.
    #[must_use]
    pub fn new(settings: RateSettings) -> Self {
        Self { rate: Rate::new(settings), bucket: Bucket::default(), tally: Tally::default() }
    }

    /// Changes rate and burst.
    pub fn tune(&self, settings: RateSettings) {
        self.rate.tune(settings);
    }

    /// Lets a call through if there is a token for it. The clock is not read where there is no limit.
    ///
    /// # Errors
    /// [`Refusal::RateLimited`] if there is none.
    pub fn admit<C: Clock + ?Sized>(&self, clock: &C) -> Result<(), Refusal> {
        let taken =
            if self.rate.is_off() { Ok(()) } else { self.rate.take(&self.bucket, clock.now()) };
        decided(&self.tally, taken)
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Counts what a bucket said.
fn decided(tally: &Tally, taken: Result<(), Duration>) -> Result<(), Refusal> {
    match taken {
        Ok(()) => {
            tally.count(Decision::Admitted);
            Ok(())
        }
        Err(retry_after) => {
            tally.count(Decision::Refused);
            Err(Refusal::RateLimited { retry_after })
        }
    }
}
