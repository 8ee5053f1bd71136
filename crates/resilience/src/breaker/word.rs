//! A breaker's state as one word.
//!
//! ```text
//!  63 62  61        46  45                                0
//! ┌──────┬────────────┬────────────────────────────────────┐
//! │ 0    │ generation │ 0…0 │ calls seen: 6 │ failed: 32   │ closed: a bit for each call, the last one lowest
//! │ 1    │ generation │ since when, in milliseconds: 46    │ open
//! │ 2    │ generation │ 0…0 │ started: 6 │ succeeded: 6    │ half-open
//! └──────┴────────────┴────────────────────────────────────┘
//! ```

use crate::limits::BREAKER_CALLS_MAX;

const KIND_SHIFT: u32 = 62;
const GENERATION_SHIFT: u32 = 46;
const PAYLOAD: u64 = (1 << GENERATION_SHIFT) - 1;
const SIX_BITS: u64 = 0x3f;

/// How the last calls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct History {
    /// A bit for each call, set if it failed, the last one lowest.
    failed: u32,
    /// How many calls there were, 32 at most.
    seen: u8,
}

impl History {
    pub(super) const fn with_success(self) -> Self {
        self.with(0)
    }

    pub(super) const fn with_failure(self) -> Self {
        self.with(1)
    }

    const fn with(self, bit: u32) -> Self {
        let seen = if self.seen < BREAKER_CALLS_MAX { self.seen + 1 } else { self.seen };
        Self { failed: self.failed << 1 | bit, seen }
    }

    /// How many of the last so many calls failed; `None` if there were fewer.
    pub(super) fn failures_among(self, calls: u8) -> Option<u32> {
        let unasked = u32::from(BREAKER_CALLS_MAX.checked_sub(calls)?);
        (self.seen >= calls).then(|| (self.failed << unasked).count_ones())
    }
}

/// Where a breaker stands, with all that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed(History),
    Open { since_ms: u64 },
    HalfOpen { started: u8, succeeded: u8 },
}

/// A state, and the number of the change that led to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) generation: u16,
    pub(super) state: State,
}

impl Default for Word {
    fn default() -> Self {
        Self { generation: 0, state: State::Closed(History::default()) }
    }
}

impl Word {
    /// The word after a change of state.
    pub(super) const fn next(self, state: State) -> Self {
        Self { generation: self.generation.wrapping_add(1), state }
    }

    /// The word after the change to a closed breaker without a history.
    pub(super) const fn closed(self) -> Self {
        self.next(State::Closed(History { failed: 0, seen: 0 }))
    }

    pub(super) fn pack(self) -> u64 {
        let (kind, payload) = match self.state {
            State::Closed(History { failed, seen }) => {
                (0, u64::from(seen) << u32::BITS | u64::from(failed))
            }
            State::Open { since_ms } => (1, since_ms & PAYLOAD),
            State::HalfOpen { started, succeeded } => {
                (2, u64::from(started) << 6 | u64::from(succeeded))
            }
        };
        kind << KIND_SHIFT | u64::from(self.generation) << GENERATION_SHIFT | payload
    }

    pub(super) fn unpack(word: u64) -> Self {
        let six_bits = |shift: u32| u8::try_from(word >> shift & SIX_BITS).expect("6 bits");
        let state = match word >> KIND_SHIFT {
            0 => State::Closed(History {
                failed: u32::try_from(word & u64::from(u32::MAX)).expect("32 bits"),
                seen: six_bits(u32::BITS),
            }),
            1 => State::Open { since_ms: word & PAYLOAD },
            2 => State::HalfOpen { started: six_bits(6), succeeded: six_bits(0) },
            kind => unreachable!("pack writes no kind {kind}"),
        };
        let generation = word >> GENERATION_SHIFT & u64::from(u16::MAX);
        Self { generation: u16::try_from(generation).expect("16 bits"), state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_word() {
        let history = |failed, seen| State::Closed(History { failed, seen });
        for state in [
            history(0, 0),
            history(u32::MAX, 32),
            history(1, 1),
            State::Open { since_ms: 0 },
            State::Open { since_ms: PAYLOAD },
            State::HalfOpen { started: 1, succeeded: 0 },
            State::HalfOpen { started: 32, succeeded: 31 },
        ] {
            for generation in [0, 1, u16::MAX] {
                let word = Word { generation, state };
                assert_eq!(Word::unpack(word.pack()), word);
            }
        }
    }

    #[test]
    fn a_history_counts_the_last_calls_only() {
        let mut history = History::default();
        for _ in 0..3 {
            history = history.with_failure();
        }
        assert_eq!(history.failures_among(4), None, "too few calls");
        for _ in 0..4 {
            history = history.with_success();
        }
        let among = [4, 5, 7].map(|calls| history.failures_among(calls));
        assert_eq!(among, [Some(0), Some(1), Some(3)]);
        for _ in 0..100 {
            history = history.with_success();
        }
        assert_eq!(history, history.with_success(), "nothing is left to forget");
    }
}
