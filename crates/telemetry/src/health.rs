//! Health: how often each part of the node failed of late, and what that means for the node.
//!
//! Parts report outcomes as they happen. Each has a sliding window; the share of errors in it decides its standing:
//! healthy below 5 %, degraded to 10 %, unhealthy above. A part that has to keep up with something outside is judged by
//! its last sign of life instead: it names the moment when the next is overdue, and is unhealthy from then on, however
//! few outcomes there are; errors only degrade it. Three verdicts are drawn from the standings, each with its
//! causes: *startup* (have all parts come up?), *ready* (can it serve now?), *live* (would a restart help?).
//!
//! **Invariant:** time is an argument; nothing here reads a clock.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strait_primitives::{Millis, Timestamp};

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

/// A part of the node that can be well or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The event store.
    Store,
    /// The chain backend.
    Chain,
    /// The peer-to-peer network.
    Network,
    /// The on-chain wallet.
    Wallet,
    /// The contract machine.
    Contracts,
    /// The REST API.
    Api,
    /// The log in a second folder.
    Ship,
}

impl Component {
    /// Every part, in the order of start-up.
    pub const ALL: [Self; 7] = [
        Self::Store,
        Self::Chain,
        Self::Wallet,
        Self::Contracts,
        Self::Network,
        Self::Api,
        Self::Ship,
    ];

    /// Its name in answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Chain => "chain",
            Self::Network => "network",
            Self::Wallet => "wallet",
            Self::Contracts => "contracts",
            Self::Api => "api",
            Self::Ship => "ship",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How one operation of a part went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Success,
    /// It failed for a reason of its own; refusing bad input is a success.
    Failure,
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Up, and errors are below 5 %.
    Healthy,
    /// Up, and errors are between 5 and 10 %.
    Degraded,
    /// Up, and errors are above 10 %.
    Unhealthy,
    /// Not up yet.
    Starting,
    /// Up, and working off what it has missed.
    Behind,
    /// Will not work again in this process: only a restart helps.
    Halted,
}

impl Standing {
    /// Its name in answers and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::Behind => "behind",
            Self::Halted => "halted",
        }
    }
}

/// Why a part is named in a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The part.
    pub component: Component,
    /// How it stands.
    pub standing: Standing,
    /// Errors in the window.
    pub errors: u64,
    /// Outcomes in the window, errors included.
    pub outcomes: u64,
    /// The last failure, in words, if one was told since the part was last well.
    pub detail: Option<String>,
}

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes. The causes name parts that are not at their best.
    Pass {
        /// Parts that are degraded, or worse where the question does not mind.
        causes: Vec<Cause>,
    },
    /// No, because of these.
    Fail {
        /// Parts that make it fail; never empty.
        causes: Vec<Cause>,
    },
}

impl Verdict {
    /// True for a pass.
    #[must_use]
    pub const fn is_pass(&self) -> bool {
        matches!(self, Self::Pass { .. })
    }

    /// Why.
    #[must_use]
    pub fn causes(&self) -> &[Cause] {
        match self {
            Self::Pass { causes } | Self::Fail { causes } => causes,
        }
    }
}

/// Outcomes of one slice of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    errors: u64,
    outcomes: u64,
}

/// How far a part has come in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Behind,
    Running,
    Halted,
}

/// What is known of one part.
#[derive(Debug)]
struct Record {
    life: Life,
    /// Slices by their number since 1970; at most [`SLICES`].
    window: BTreeMap<u64, Slice>,
    /// From when on the next sign of life is overdue, for a part that has to keep up.
    due: Option<Timestamp>,
    /// The last failure in words.
    detail: Option<String>,
    /// What waits for the operator, however well the part works.
    concern: Option<String>,
}

impl Record {
    /// Nothing known yet.
    const fn new() -> Self {
        Self {
            life: Life::Starting,
            window: BTreeMap::new(),
            due: None,
            detail: None,
            concern: None,
        }
    }

    /// Notes an outcome.
    fn count(&mut self, outcome: Outcome, now: Timestamp) {
        self.slide(now);
        let slice = self.window.entry(slice_of(now)).or_default();
        slice.outcomes = slice.outcomes.saturating_add(1);
        match outcome {
            Outcome::Success => {}
            Outcome::Failure => slice.errors = slice.errors.saturating_add(1),
        }
    }

    /// Notes a sign of life. A halted part stays halted.
    fn live_on(&mut self, life: Life, now: Timestamp, due: Timestamp, detail: Option<String>) {
        self.count(Outcome::Success, now);
        match self.life {
            Life::Starting | Life::Behind | Life::Running => {
                (self.life, self.due, self.detail) = (life, Some(due), detail);
            }
            Life::Halted => {}
        }
    }

    /// Drops slices that have left the window.
    fn slide(&mut self, now: Timestamp) {
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
    fn cause(&self, component: Component, now: Timestamp) -> Cause {
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
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    fn running() -> Health {
        let health = Health::new();
        Component::ALL.iter().for_each(|component| health.started(*component));
        health
    }

    fn standing(health: &Health, now: Timestamp) -> Standing {
        let overview = health.overview(now);
        overview.iter().find(|cause| cause.component == Component::Chain).unwrap().standing
    }

    fn check(errors: u64, outcomes: u64, expect: Standing) {
        let health = running();
        for number in 0..outcomes {
            let outcome = if number < errors { Outcome::Failure } else { Outcome::Success };
            health.record(Component::Chain, outcome, NOON);
        }
        assert_eq!(standing(&health, NOON), expect, "{errors} of {outcomes}");
    }

    #[test]
    fn the_share_of_errors_decides_the_standing() {
        check(0, 0, Standing::Healthy);
        check(4, 100, Standing::Healthy);
        check(49, 1_000, Standing::Healthy);
        check(5, 100, Standing::Degraded);
        check(10, 100, Standing::Degraded);
        check(101, 1_000, Standing::Unhealthy);
        check(100, 100, Standing::Unhealthy);
        // Too few outcomes to condemn a part.
        check(1, 1, Standing::Degraded);
        check(9, 9, Standing::Degraded);
        check(10, 10, Standing::Unhealthy);
    }

    #[test]
    fn what_waits_for_the_operator_degrades_a_part_and_fails_no_probe() {
        let (health, now) = (running(), Timestamp::from_unix_ms(1_000_000));
        health.concerns(Component::Store, Some("two channels wait".to_owned()));
        let ready = health.ready(now);
        assert!(ready.is_pass());
        let told = ready.causes().iter().find(|cause| cause.component == Component::Store).unwrap();
        assert_eq!(told.standing, Standing::Degraded);
        assert_eq!(told.detail.as_deref(), Some("two channels wait"));
        health.concerns(Component::Store, None);
        assert!(health.ready(now).causes().is_empty());
    }

    #[test]
    fn errors_leave_with_their_window() {
        let health = running();
        for _ in 0..20 {
            health.record_failure(Component::Chain, NOON, "connection refused");
        }
        let later = |ms| NOON.after(Millis(ms));
        assert_eq!(standing(&health, later(54_000)), Standing::Unhealthy);
        assert_eq!(standing(&health, later(60_000)), Standing::Healthy);
    }

    #[test]
    fn a_part_that_must_keep_up_is_judged_by_its_last_sign_of_life_however_few_outcomes() {
        let health = running();
        let later = |ms| NOON.after(Millis(ms));
        health.keeps_up(Component::Chain, NOON, later(30_000));
        assert_eq!(standing(&health, later(30_000)), Standing::Healthy);
        // Nothing at all is no good news.
        assert_eq!(standing(&health, later(30_001)), Standing::Unhealthy);
        let told =
            |health: &Health, now| health.ready(now).causes().first().unwrap().detail.clone();
        assert!(told(&health, later(30_001)).is_some());
        // Two calls a minute that hang are two failures, which alone condemn nobody.
        health.record_failure(Component::Chain, later(35_000), "timeout");
        assert_eq!(told(&health, later(35_000)), Some("timeout".to_owned()));
        assert!(!health.ready(later(200_000)).is_pass());
        // One agreement is enough, whatever was before.
        for _ in 0..100 {
            health.record_failure(Component::Chain, later(200_000), "connection refused");
        }
        health.keeps_up(Component::Chain, later(200_001), later(230_000));
        assert_eq!(standing(&health, later(200_001)), Standing::Degraded);
        assert!(health.ready(later(200_001)).is_pass());
    }

    #[test]
    fn a_part_that_is_behind_is_not_ready_and_needs_no_restart() {
        let health = running();
        let later = |ms| NOON.after(Millis(ms));
        health.lags(Component::Chain, NOON, later(30_000), "at height 7");
        let cause = health.ready(NOON).causes().first().cloned().unwrap();
        assert_eq!(
            (cause.standing, cause.detail.as_deref()),
            (Standing::Behind, Some("at height 7"))
        );
        assert!(health.live(NOON).is_pass() && health.startup(NOON).is_pass());
        assert_eq!(standing(&health, later(30_001)), Standing::Unhealthy);
        health.keeps_up(Component::Chain, later(30_002), later(60_000));
        assert!(health.ready(later(30_002)).is_pass());
    }

    #[test]
    fn a_starting_node_is_live_and_not_ready() {
        let health = Health::new();
        assert!(health.live(NOON).is_pass());
        assert_eq!(health.ready(NOON).causes().len(), Component::ALL.len());
        assert!(!health.startup(NOON).is_pass());
        Component::ALL.iter().for_each(|component| health.started(*component));
        assert!(health.ready(NOON).is_pass() && health.startup(NOON).is_pass());
    }

    #[test]
    fn an_unhealthy_part_makes_the_node_unready_and_is_named_with_its_last_failure() {
        let health = running();
        for _ in 0..20 {
            health.record_failure(Component::Chain, NOON, "connection refused");
        }
        let verdict = health.ready(NOON);
        assert!(!verdict.is_pass());
        assert_eq!(
            verdict.causes(),
            [Cause {
                component: Component::Chain,
                standing: Standing::Unhealthy,
                errors: 20,
                outcomes: 20,
                detail: Some("connection refused".to_owned()),
            }]
        );
        assert!(health.live(NOON).is_pass(), "a restart does not bring the backend up");
        assert!(health.startup(NOON).is_pass());
    }

    #[test]
    fn a_halted_part_fails_every_probe_and_stays_halted() {
        let health = running();
        health.halted(Component::Store, "another writer took the log over");
        health.started(Component::Store);
        for verdict in [health.live(NOON), health.ready(NOON), health.startup(NOON)] {
            assert!(!verdict.is_pass());
            assert_eq!(verdict.causes().first().unwrap().standing, Standing::Halted);
        }
    }
}
