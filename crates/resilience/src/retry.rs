//! Which calls are made again, and how long after.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::class::Class;
use crate::tally::{Decision, Tally};

/// Bits of a wait in the settings' word: 3 days in milliseconds.
const WAIT_BITS: u32 = 28;
const WAIT_MS_MAX: u64 = (1 << WAIT_BITS) - 1;

/// Waits that double up to a cap, with jitter so that a herd does not return as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Backoff {
    /// The wait after `failures` in a row (at least one), between half of the doubled wait and all of it; `entropy`
    /// chooses where.
    #[must_use]
    pub fn wait(self, failures: u32, entropy: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.most);
        let half = whole / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_nanos(entropy % spread)
    }
}

/// The settings of a [`Retry`]. Values outside their bounds are brought to the nearest that is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySettings {
    /// How often a call is made at most, the first time included: 1 to 255. Default 5.
    pub attempts_max: u8,
    /// The waits in between, in whole milliseconds, at most three days. Default 1 s, doubling to 32 s.
    pub backoff: Backoff,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(32) };
        Self { attempts_max: 5, backoff }
    }
}

impl RetrySettings {
    fn pack(self) -> u64 {
        let ms = |wait: Duration| {
            u64::try_from(wait.as_millis()).unwrap_or(WAIT_MS_MAX).min(WAIT_MS_MAX)
        };
        let attempts = u64::from(self.attempts_max.max(1));
        attempts << (2 * WAIT_BITS) | ms(self.backoff.first) << WAIT_BITS | ms(self.backoff.most)
    }

    fn unpack(word: u64) -> Self {
        let ms = |bits: u64| Duration::from_millis(bits & WAIT_MS_MAX);
        Self {
            attempts_max: u8::try_from(word >> (2 * WAIT_BITS)).expect("8 bits are left"),
            backoff: Backoff { first: ms(word >> WAIT_BITS), most: ms(word) },
        }
    }
}

/// Decides whether a failed call is made again. Transient failures are, permanent ones never.
#[derive(Debug)]
pub struct Retry {
    settings: AtomicU64,
    /// Where the next jitter comes from; only failures move it.
    jitter: AtomicU64,
    tally: Tally,
}

/// One call, however often it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it counts the attempts of one call"]
pub struct Attempts {
    failures: u32,
}

impl Retry {
    /// A policy whose jitter begins with this seed; two processes should not have the same.
    #[must_use]
    pub fn new(settings: RetrySettings, seed: u64) -> Self {
        let settings = AtomicU64::new(settings.pack());
        Self { settings, jitter: AtomicU64::new(seed), tally: Tally::default() }
    }

    /// Changes the settings; calls under way are decided by the new ones from their next failure on.
    pub fn tune(&self, settings: RetrySettings) {
        self.settings.store(settings.pack(), Ordering::Relaxed);
    }

    /// The settings now.
    #[must_use]
    pub fn settings(&self) -> RetrySettings {
        RetrySettings::unpack(self.settings.load(Ordering::Relaxed))
    }

    /// Begins a call.
    #[inline]
    pub fn begin(&self) -> Attempts {
        self.tally.count(Decision::Admitted);
        Attempts { failures: 0 }
    }

    /// Decides after an attempt: how long to wait before the next; `None` if the call is over.
    #[must_use = "the call is over, or made again"]
    #[inline]
    pub fn after(&self, attempts: &mut Attempts, outcome: Class) -> Option<Duration> {
        match outcome {
            Class::Success | Class::Permanent | Class::Refused => None,
            Class::Transient => self.after_failure(attempts),
        }
    }

    #[cold]
    fn after_failure(&self, attempts: &mut Attempts) -> Option<Duration> {
        let RetrySettings { attempts_max, backoff } = self.settings();
        attempts.failures = attempts.failures.saturating_add(1);
        if attempts.failures >= u32::from(attempts_max) {
            self.tally.count(Decision::GaveUp);
            return None;
        }
        self.tally.count(Decision::Retried);
        Some(backoff.wait(attempts.failures, self.entropy()))
    }

    /// Decides after a failed attempt of a call that is never given up, whatever the settings say: how long to wait before
    /// the next. `entropy` chooses the jitter.
    pub fn again(&self, attempts: &mut Attempts, entropy: u64) -> Duration {
        attempts.failures = attempts.failures.saturating_add(1);
        self.tally.count(Decision::Retried);
        self.settings().backoff.wait(attempts.failures, entropy)
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The next number of a sequence that looks random (SplitMix64): enough to spread callers, not to keep secrets.
    fn entropy(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.jitter.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_five_attempts_over_seconds_that_double() {
        let retry = Retry::new(RetrySettings::default(), 7);
        let mut call = retry.begin();
        for whole_s in [1, 2, 4, 8] {
            let whole = Duration::from_secs(whole_s);
            let wait = retry.after(&mut call, Class::Transient).unwrap();
            assert!((whole / 2..=whole).contains(&wait), "{wait:?} of {whole:?}");
        }
        assert_eq!(retry.after(&mut call, Class::Transient), None);
        let counts = retry.tally().counts();
        let told = Decision::ALL.map(|decision| counts.of(decision));
        assert_eq!(told, [1, 0, 4, 1, 0]);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_takes_at_most_half() {
        let backoff = RetrySettings::default().backoff;
        for (failures, whole_s) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 32), (9999, 32)] {
            let whole = Duration::from_secs(whole_s);
            for entropy in [0, 1, 12_345_678_901, u64::MAX] {
                let wait = backoff.wait(failures, entropy);
                assert!((whole / 2..=whole).contains(&wait), "{failures} failures: {wait:?}");
            }
        }
    }

    #[test]
    fn only_what_may_work_later_is_made_again() {
        let retry = Retry::new(RetrySettings::default(), 7);
        for outcome in [Class::Success, Class::Permanent, Class::Refused] {
            assert_eq!(retry.after(&mut retry.begin(), outcome), None);
        }
        assert!(retry.after(&mut retry.begin(), Class::Transient).is_some());
    }

    #[test]
    fn settings_survive_their_word_and_bounds_hold() {
        let backoff = Backoff { first: Duration::from_millis(7), most: Duration::from_hours(1) };
        let usual = RetrySettings { attempts_max: 255, backoff };
        assert_eq!(RetrySettings::unpack(usual.pack()), usual);
        let wild = Backoff { first: Duration::MAX, most: Duration::MAX };
        let wild = RetrySettings { attempts_max: 0, backoff: wild };
        let tame = RetrySettings::unpack(wild.pack());
        assert_eq!(tame.attempts_max, 1);
        assert_eq!(tame.backoff.most, Duration::from_millis(WAIT_MS_MAX));
    }

    #[test]
    fn what_is_never_given_up_waits_ever_longer_and_the_same_entropy_chooses_the_same_wait() {
        let settings = RetrySettings { attempts_max: 1, ..RetrySettings::default() };
        let [one, other] = [7, 8].map(|seed| Retry::new(settings, seed));
        let (mut call, mut same) = (one.begin(), other.begin());
        let waits: Vec<_> = (0..300).map(|_| one.again(&mut call, 5)).collect();
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits.last().unwrap() >= &(settings.backoff.most / 2));
        assert!(waits.iter().all(|wait| *wait == other.again(&mut same, 5)));
        let counts = one.tally().counts();
        assert_eq!(Decision::ALL.map(|decision| counts.of(decision)), [1, 0, 300, 0, 0]);
    }

    #[test]
    fn fewer_attempts_hold_for_calls_under_way() {
        let retry = Retry::new(RetrySettings::default(), 7);
        let mut call = retry.begin();
        assert!(retry.after(&mut call, Class::Transient).is_some());
        retry.tune(RetrySettings { attempts_max: 2, ..RetrySettings::default() });
        assert_eq!(retry.after(&mut call, Class::Transient), None);
    }
}
