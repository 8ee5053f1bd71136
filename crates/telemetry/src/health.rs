//! Health: how often each part of the node failed of late, and what that means for the node.
//!
//! Parts report outcomes as they happen. Each has a sliding window; the share of errors in it decides its standing:
//! healthy below 5 %, degraded to 10 %, unhealthy above. A part that has to keep up with something outside is judged by
//! its last sign of life instead: it names the moment when the next is overdue, and is unhealthy from then on, however
//! few outcomes there are; errors only degrade it. Three verdicts are drawn from the standings, each with its
//! causes: *startup* (have all parts come up?), *ready* (can it serve now?), *live* (would a restart help?).
//!
//! **Invariant:** time is an argument; nothing here reads a clock.

mod record;
mod standing;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strait_primitives::Timestamp;

use self::record::{Life, Record};
pub use self::standing::{Cause, Component, Outcome, Standing, Verdict};

/// The health of the node. Shared by reference; every call is short.
#[derive(Debug)]
pub struct Health {
    /// One record for each of [`Component::ALL`].
    records: Mutex<BTreeMap<Component, Record>>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// A node whose parts are all still starting.
    #[must_use]
    pub fn new() -> Self {
        let records = Component::ALL.map(|component| (component, Record::new()));
        Self { records: Mutex::new(BTreeMap::from(records)) }
    }

    /// Notes that a part is up. A halted part stays halted.
    pub fn started(&self, component: Component) {
        self.change(component, |record| match record.life {
            Life::Starting => record.life = Life::Running,
            Life::Behind | Life::Running | Life::Halted => {}
        });
    }

    /// Notes that a part keeps up with what is outside; it is overdue if there is no such sign after `due`.
    pub fn keeps_up(&self, component: Component, now: Timestamp, due: Timestamp) {
        self.change(component, |record| record.live_on(Life::Running, now, due, None));
    }

    /// Notes that a part works, but does not keep up yet, and how far it is; it is overdue if there is no sign of life
    /// after `due`.
    pub fn lags(&self, component: Component, now: Timestamp, due: Timestamp, detail: &str) {
        let detail = Some(detail.to_owned());
        self.change(component, |record| record.live_on(Life::Behind, now, due, detail));
    }

    /// Notes that a part will not work again in this process, and why.
    pub fn halted(&self, component: Component, detail: &str) {
        self.change(component, |record| {
            record.life = Life::Halted;
            record.detail = Some(detail.to_owned());
        });
    }

    /// Notes what waits for the operator in a part that works, or that nothing does any more: it is degraded meanwhile.
    pub fn concerns(&self, component: Component, what: Option<String>) {
        self.change(component, |record| record.concern = what);
    }

    /// Notes how an operation of a part went.
    pub fn record(&self, component: Component, outcome: Outcome, now: Timestamp) {
        self.change(component, |record| record.count(outcome, now));
    }

    /// Notes a failed operation of a part together with the reason, which verdicts repeat.
    pub fn record_failure(&self, component: Component, now: Timestamp, detail: &str) {
        self.record(component, Outcome::Failure, now);
        self.change(component, |record| record.detail = Some(detail.to_owned()));
    }

    /// Every part as it stands.
    #[must_use]
    pub fn overview(&self, now: Timestamp) -> Vec<Cause> {
        let mut records = self.lock();
        let causes = records.iter_mut().map(|(component, record)| {
            record.slide(now);
            record.cause(*component, now)
        });
        causes.collect()
    }

    /// Would a restart help? Fails only if a part has halted.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> Verdict {
        self.judge(now, |standing| match standing {
            Standing::Halted => Weight::Fails,
            Standing::Unhealthy => Weight::Noted,
            Standing::Healthy | Standing::Degraded | Standing::Starting | Standing::Behind => {
                Weight::Unsaid
            }
        })
    }

    /// Can the node serve now? Fails if a part is not up, behind, unhealthy or halted; names degraded ones.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> Verdict {
        self.judge(now, |standing| match standing {
            Standing::Halted | Standing::Unhealthy | Standing::Starting | Standing::Behind => {
                Weight::Fails
            }
            Standing::Degraded => Weight::Noted,
            Standing::Healthy => Weight::Unsaid,
        })
    }

    /// Have all parts come up? Later troubles do not change the answer, except a halt; nor does a long catching up, which
    /// a restart would only make longer.
    #[must_use]
    pub fn startup(&self, now: Timestamp) -> Verdict {
        self.judge(now, |standing| match standing {
            Standing::Halted | Standing::Starting => Weight::Fails,
            Standing::Healthy | Standing::Degraded | Standing::Unhealthy | Standing::Behind => {
                Weight::Unsaid
            }
        })
    }

    /// Draws a verdict from what each standing weighs.
    fn judge(&self, now: Timestamp, weigh: impl Fn(Standing) -> Weight) -> Verdict {
        let (mut failing, mut noted) = (Vec::new(), Vec::new());
        for cause in self.overview(now) {
            match weigh(cause.standing) {
                Weight::Fails => failing.push(cause),
                Weight::Noted => noted.push(cause),
                Weight::Unsaid => {}
            }
        }
        if failing.is_empty() {
            Verdict::Pass { causes: noted }
        } else {
            Verdict::Fail { causes: failing }
        }
    }

    /// Changes the record of a part.
    fn change(&self, component: Component, change: impl FnOnce(&mut Record)) {
        let mut records = self.lock();
        change(records.get_mut(&component).expect("every component has a record from the start"));
    }

    /// The records; each is whole whenever the lock is free, even after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Component, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a standing means for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Fails,
    Noted,
    Unsaid,
}

#[cfg(test)]
mod tests;
