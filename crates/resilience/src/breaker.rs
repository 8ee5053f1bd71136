//! Stops calling what fails too often, and tries it again after a while.
//!
//! ```text
//!            the failures among the last calls reach the limit
//!   closed ─────────────────────────────────────────────────────▶ open
//!      ▲                                                           │ the first call after the wait
//!      │  all probes worked                    a probe failed      ▼
//!      └──────────────────────────────── half-open ◀───────────────┘
//!                                            └────────────────▶ open
//! ```
//!
//! All of this is one word ([`word`]). Each change of state has a number, and an outcome counts only for the number its
//! call was let in under: what was called long ago says nothing about now. As long as all calls work, a call reads the
//! word twice and writes nothing.
//!
//! **Laws**, tried by `tests/it/breaker_model.rs`: open lets nothing through before its wait is over; half-open never has
//! more probes on their way and answered than allowed; a probe that is abandoned makes room for another.

mod word;

use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use self::word::{History, State, Word};
use crate::class::Class;
use crate::clock::Clock;
use crate::limits::{BREAKER_CALLS_MAX, PROBES_MAX};
use crate::refusal::Refusal;
use crate::tally::{Decision, Tally};

/// The settings of a [`Breaker`]. Values outside their bounds are brought to the nearest that is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// The share of failures that opens it, in per cent: 1 to 100; 0 never opens it, and closes one that is open.
    /// Default 50.
    pub failure_percent: u8,
    /// Among how many of the last calls: 1 to 32. Fewer never open it. Default 10.
    pub calls: u8,
    /// How many calls must work in a half-open one to close it, and as many are let through: 1 to 32. Default 1.
    pub probes: u8,
    /// How long it stays open before the first probe, in whole milliseconds, at most 49 days. Default 30 s.
    pub open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failure_percent: 50, calls: 10, probes: 1, open_for: Duration::from_secs(30) }
    }
}

impl BreakerSettings {
    fn pack(self) -> u64 {
        let open_ms = u32::try_from(self.open_for.as_millis()).unwrap_or(u32::MAX);
        let [percent, calls, probes] = [
            self.failure_percent.min(100),
            self.calls.clamp(1, BREAKER_CALLS_MAX),
            self.probes.clamp(1, PROBES_MAX),
        ]
        .map(u64::from);
        percent << 48 | calls << 40 | probes << 32 | u64::from(open_ms)
    }

    fn unpack(word: u64) -> Self {
        let [.., percent, calls, probes, a, b, c, d] = word.to_be_bytes();
        let open_for = Duration::from_millis(u64::from(u32::from_be_bytes([a, b, c, d])));
        Self { failure_percent: percent, calls, probes, open_for }
    }

    /// True if such a history opens the breaker.
    fn trips(self, history: History) -> bool {
        let Some(failures) = history.failures_among(self.calls) else { return false };
        self.failure_percent > 0
            && failures * 100 >= u32::from(self.failure_percent) * u32::from(self.calls)
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// A few go through, to see how they end.
    HalfOpen,
    /// None goes through until the wait is over.
    Open,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: AtomicU64,
    word: AtomicU64,
    tally: Tally,
}

/// A call that was let through. Tell it how the call ended; one that is dropped untold counts as never made.
#[derive(Debug)]
#[must_use = "a call that is dropped untold counts as never made"]
pub struct Pass<P: Deref<Target = Breaker>> {
    breaker: P,
    /// The change of state that it was let through under.
    generation: u16,
    /// Cleared when the outcome is told.
    is_open: bool,
}

impl Breaker {
    /// A closed breaker without a history.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings: AtomicU64::new(settings.pack()),
            word: AtomicU64::new(Word::default().pack()),
            tally: Tally::default(),
        }
    }

    /// Changes the settings. They count from the next call or outcome on, for the history that is there.
    pub fn tune(&self, settings: BreakerSettings) {
        self.settings.store(settings.pack(), Ordering::Relaxed);
    }

    /// The settings now.
    #[must_use]
    pub fn settings(&self) -> BreakerSettings {
        BreakerSettings::unpack(self.settings.load(Ordering::Relaxed))
    }

    /// Where it stands. An open one whose wait is over stays open until somebody calls.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.load().state {
            State::Closed(_) => BreakerState::Closed,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Open { .. } => BreakerState::Open,
        }
    }

    /// Lets a call through, or not; whoever holds the breaker (a reference, an `Arc`) goes into the pass. The clock is
    /// read only if the breaker is open.
    ///
    /// # Errors
    /// [`Refusal::BreakerOpen`] if it does not.
    pub fn admit<P, C>(holder: P, clock: &C) -> Result<Pass<P>, Refusal>
    where
        P: Deref<Target = Self>,
        C: Clock + ?Sized,
    {
        let word = holder.load();
        let admitted = match word.state {
            State::Closed(_) => Ok(word.generation),
            State::Open { .. } | State::HalfOpen { .. } => holder.admit_slowly(clock),
        };
        let admitted = match admitted {
            Ok(generation) => generation,
            Err(retry_after) => {
                holder.tally.count(Decision::Refused);
                return Err(Refusal::BreakerOpen { retry_after });
            }
        };
        holder.tally.count(Decision::Admitted);
        Ok(Pass { breaker: holder, generation: admitted, is_open: true })
    }

    /// What was decided so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The generation to call under, or how long to wait.
    #[cold]
    fn admit_slowly<C: Clock + ?Sized>(&self, clock: &C) -> Result<u16, Duration> {
        let now_ms = clock.now().as_ms();
        loop {
            let settings = self.settings();
            let word = self.load();
            let next = match word.state {
                State::Closed(_) => return Ok(word.generation),
                State::Open { .. } if settings.failure_percent == 0 => word.closed(),
                State::HalfOpen { succeeded, .. }
                    if settings.failure_percent == 0 || succeeded >= settings.probes =>
                {
                    word.closed()
                }
                State::Open { since_ms } => {
                    let waited = Duration::from_millis(now_ms.saturating_sub(since_ms));
                    match settings.open_for.checked_sub(waited).filter(|wait| !wait.is_zero()) {
                        Some(wait) => return Err(wait),
                        None => word.next(State::HalfOpen { started: 1, succeeded: 0 }),
                    }
                }
                State::HalfOpen { started, succeeded } if started < settings.probes => {
                    let state = State::HalfOpen { started: started + 1, succeeded };
                    Word { state, ..word }
                }
                State::HalfOpen { .. } => return Err(Duration::ZERO),
            };
            if self.exchange(word, next) {
                return Ok(next.generation);
            }
        }
    }

    /// Takes note of how a call ended that was let through under this generation.
    fn note<C: Clock + ?Sized>(&self, generation: u16, outcome: Class, clock: &C) {
        loop {
            let word = self.load();
            if word.generation != generation {
                return;
            }
            let settings = self.settings();
            let next = match (word.state, outcome) {
                // No call is let through under a generation that is open.
                (State::Open { .. }, _) => return,
                (State::Closed(_) | State::HalfOpen { .. }, Class::Refused) => {
                    return self.give_back(generation);
                }
                (State::Closed(history), Class::Success | Class::Permanent) => {
                    Word { state: State::Closed(history.with_success()), ..word }
                }
                (State::Closed(history), Class::Transient) => {
                    let history = history.with_failure();
                    if settings.trips(history) {
                        word.next(State::Open { since_ms: clock.now().as_ms() })
                    } else {
                        Word { state: State::Closed(history), ..word }
                    }
                }
                (State::HalfOpen { .. }, Class::Transient) => {
                    word.next(State::Open { since_ms: clock.now().as_ms() })
                }
                (State::HalfOpen { started, succeeded }, Class::Success | Class::Permanent) => {
                    let succeeded = succeeded + 1;
                    if succeeded >= settings.probes {
                        word.closed()
                    } else {
                        Word { state: State::HalfOpen { started, succeeded }, ..word }
                    }
                }
            };
            // What says nothing new is not written: as long as all works, callers share the line without a fight.
            if next == word || self.exchange(word, next) {
                return;
            }
        }
    }

    /// A call was not made after all: if it was a probe, there is room for another.
    fn give_back(&self, generation: u16) {
        loop {
            let word = self.load();
            let State::HalfOpen { started, succeeded } = word.state else { return };
            if word.generation != generation {
                return;
            }
            assert!(started > succeeded, "{started} probes, {succeeded} worked, and one more left");
            let state = State::HalfOpen { started: started - 1, succeeded };
            if self.exchange(word, Word { state, ..word }) {
                return;
            }
        }
    }

    fn load(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    fn exchange(&self, current: Word, next: Word) -> bool {
        let (current, next) = (current.pack(), next.pack());
        self.word.compare_exchange(current, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<P: Deref<Target = Breaker>> Pass<P> {
    /// Tells how the call ended. The clock is read only if that opens the breaker.
    pub fn record<C: Clock + ?Sized>(mut self, outcome: Class, clock: &C) {
        self.is_open = false;
        self.breaker.note(self.generation, outcome, clock);
    }
}

impl<P: Deref<Target = Breaker>> Drop for Pass<P> {
    fn drop(&mut self) {
        if self.is_open {
            self.breaker.give_back(self.generation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_word_and_bounds_hold() {
        let usual = BreakerSettings {
            failure_percent: 37,
            calls: 32,
            probes: 3,
            open_for: Duration::from_millis(u64::from(u32::MAX)),
        };
        assert_eq!(BreakerSettings::unpack(usual.pack()), usual);
        let wild = BreakerSettings {
            failure_percent: 200,
            calls: 0,
            probes: 255,
            open_for: Duration::MAX,
        };
        let tame = BreakerSettings::unpack(wild.pack());
        assert_eq!((tame.failure_percent, tame.calls, tame.probes), (100, 1, PROBES_MAX));
    }
}
