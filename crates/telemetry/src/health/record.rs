//! What is known of one part of the node: its outcomes in a sliding window, its last sign of life, and how it stands by them.
//!
//! `health` keeps one for each part. **Invariant:** time is an argument; nothing here reads a clock.

use std::collections::BTreeMap;

use strait_primitives::{Millis, Timestamp};

use super::standing::{Cause, Component, Outcome, Standing};

/// Length of a slice of the window.
const SLICE: Millis = Millis(5_000);
/// Slices in the window: one minute, long enough to smooth a hiccup, short enough to notice a recovery.
const SLICES: u64 = 12;
/// Fewer outcomes than this in the window say little: errors among them degrade a part but do not condemn it.
const OUTCOMES_MIN: u64 = 10;
/// From this share of errors on, in percent, a part is degraded.
const DEGRADED_PERCENT: u64 = 5;
/// Above this share of errors, in percent, a part is unhealthy.
const UNHEALTHY_PERCENT: u64 = 10;

/// Outcomes of one slice of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    errors: u64,
    outcomes: u64,
}

/// How far a part has come in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Starting,
    Behind,
    Running,
    Halted,
}

/// What is known of one part.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) life: Life,
    /// Slices by their number since 1970; at most [`SLICES`].
    window: BTreeMap<u64, Slice>,
    /// From when on the next sign of life is overdue, for a part that has to keep up.
    due: Option<Timestamp>,
    /// The last failure in words.
    pub(super) detail: Option<String>,
    /// What waits for the operator, however well the part works.
    pub(super) concern: Option<String>,
}

impl Record {
    /// Nothing known yet.
    pub(super) const fn new() -> Self {
        Self {
            life: Life::Starting,
            window: BTreeMap::new(),
            due: None,
            detail: None,
            concern: None,
        }
    }

    /// Notes an outcome.
    pub(super) fn count(&mut self, outcome: Outcome, now: Timestamp) {
        self.slide(now);
        let slice = self.window.entry(slice_of(now)).or_default();
        slice.outcomes = slice.outcomes.saturating_add(1);
        match outcome {
            Outcome::Success => {}
            Outcome::Failure => slice.errors = slice.errors.saturating_add(1),
        }
    }

    /// Notes a sign of life. A halted part stays halted.
    pub(super) fn live_on(
        &mut self,
        life: Life,
        now: Timestamp,
        due: Timestamp,
        detail: Option<String>,
    ) {
        self.count(Outcome::Success, now);
        match self.life {
            Life::Starting | Life::Behind | Life::Running => {
                (self.life, self.due, self.detail) = (life, Some(due), detail);
            }
            Life::Halted => {}
        }
    }

    /// Drops slices that have left the window.
    pub(super) fn slide(&mut self, now: Timestamp) {
        let oldest = slice_of(now).saturating_sub(SLICES - 1);
        self.window = self.window.split_off(&oldest);
    }

    /// Errors and outcomes in the window.
    fn sum(&self) -> Slice {
        let add = |sum: Slice, slice: &Slice| Slice {
            errors: sum.errors.saturating_add(slice.errors),
            outcomes: sum.outcomes.saturating_add(slice.outcomes),
        };
        self.window.values().fold(Slice::default(), add)
    }

    /// True if the part has to keep up, and has not.
    fn is_overdue(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due < now)
    }

    /// How the part stands.
    fn standing(&self, now: Timestamp) -> Standing {
        match self.life {
            Life::Starting => Standing::Starting,
            Life::Halted => Standing::Halted,
            Life::Behind | Life::Running if self.is_overdue(now) => Standing::Unhealthy,
            Life::Behind => Standing::Behind,
            Life::Running => match (standing_of(self.sum()), self.due) {
                (Standing::Unhealthy, Some(_)) => Standing::Degraded,
                (Standing::Healthy, _) if self.concern.is_some() => Standing::Degraded,
                (standing, _) => standing,
            },
        }
    }

    /// The part as a cause.
    pub(super) fn cause(&self, component: Component, now: Timestamp) -> Cause {
        let Slice { errors, outcomes } = self.sum();
        let standing = self.standing(now);
        let silent = || {
            let is_silent = standing == Standing::Unhealthy && self.is_overdue(now);
            is_silent.then(|| "no sign of life for too long".to_owned())
        };
        let told = self.detail.clone().filter(|_| standing != Standing::Healthy);
        let detail = told.or_else(silent).or_else(|| self.concern.clone());
        Cause { component, standing, errors, outcomes, detail }
    }
}

/// The number of the slice that a moment falls into.
const fn slice_of(moment: Timestamp) -> u64 {
    moment.to_unix_ms() / SLICE.0
}

/// How a running part with these outcomes stands.
const fn standing_of(sum: Slice) -> Standing {
    let Slice { errors, outcomes } = sum;
    let hundred_errors = errors.saturating_mul(100);
    if errors == 0 || hundred_errors < outcomes.saturating_mul(DEGRADED_PERCENT) {
        Standing::Healthy
    } else if outcomes < OUTCOMES_MIN
        || hundred_errors <= outcomes.saturating_mul(UNHEALTHY_PERCENT)
    {
        Standing::Degraded
    } else {
        Standing::Unhealthy
    }
}
