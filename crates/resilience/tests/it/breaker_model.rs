//! The breaker beside a model that keeps lists and names in place of bits: random calls, outcomes, times and settings.

use std::time::Duration;

use proptest::prelude::*;
use strait_resilience::{
    Breaker, BreakerSettings, BreakerState, Class, Clock, Decision, Pass, Refusal, SteppedClock,
};

/// What happens to a breaker.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody calls.
    Call,
    /// One of the calls under way ends like this.
    End(usize, Class),
    /// One of the calls under way is abandoned.
    Abandon(usize),
    /// Time passes.
    Wait(u64),
    /// The operator changes the settings.
    Tune(BreakerSettings),
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    (0_u8..=100, 1_u8..=32, 1_u8..=4, 0_u64..=2_000).prop_map(
        |(failure_percent, calls, probes, open_ms)| BreakerSettings {
            failure_percent,
            // Short ones more often: they change state more often.
            calls: if calls > 16 { calls } else { calls.div_ceil(4) },
            probes,
            open_for: Duration::from_millis(open_ms),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![
        3 => Just(Class::Success),
        4 => Just(Class::Transient),
        1 => Just(Class::Permanent),
        1 => Just(Class::Refused),
    ];
    prop_oneof![
        8 => Just(Step::Call),
        8 => (0_usize..64, class).prop_map(|(call, class)| Step::End(call, class)),
        1 => (0_usize..64).prop_map(Step::Abandon),
        2 => (0_u64..1_500).prop_map(Step::Wait),
        1 => settings().prop_map(Step::Tune),
    ]
}

/// Where the model stands. Calls are known by the era they began in.
#[derive(Debug)]
enum Era {
    Closed { outcomes: Vec<bool> },
    Open { since_ms: u64 },
    HalfOpen { under_way: u32, worked: u32 },
}

#[derive(Debug)]
struct Model {
    settings: BreakerSettings,
    era: Era,
    number: u64,
    now_ms: u64,
}

impl Model {
    fn begin(&mut self, era: Era) {
        self.era = era;
        self.number += 1;
    }

    fn close(&mut self) {
        self.begin(Era::Closed { outcomes: Vec::new() });
    }

    /// The era of the call, or how long to wait.
    fn call(&mut self) -> Result<u64, Duration> {
        let (is_off, probes) =
            (self.settings.failure_percent == 0, u32::from(self.settings.probes));
        match &mut self.era {
            Era::Closed { .. } => {}
            Era::Open { .. } if is_off => self.close(),
            Era::HalfOpen { worked, .. } if is_off || *worked >= probes => self.close(),
            Era::Open { since_ms } => {
                let until = Duration::from_millis(*since_ms) + self.settings.open_for;
                let now = Duration::from_millis(self.now_ms);
                if now < until {
                    return Err(until - now);
                }
                self.begin(Era::HalfOpen { under_way: 1, worked: 0 });
            }
            Era::HalfOpen { under_way, worked } => {
                if *under_way + *worked >= probes {
                    return Err(Duration::ZERO);
                }
                *under_way += 1;
            }
        }
        Ok(self.number)
    }

    fn end(&mut self, call: u64, class: Class) {
        if call != self.number {
            return;
        }
        let BreakerSettings { failure_percent, calls, probes, .. } = self.settings;
        let failed = class == Class::Transient;
        let neutral = class == Class::Refused;
        match &mut self.era {
            Era::Open { .. } => panic!("no call begins while it is open"),
            Era::Closed { .. } if neutral => {}
            Era::Closed { outcomes } => {
                outcomes.push(failed);
                let last: Vec<bool> = outcomes.iter().rev().take(calls.into()).copied().collect();
                let failures = last.iter().filter(|failed| **failed).count();
                let is_full = last.len() == usize::from(calls);
                let limit = usize::from(failure_percent) * usize::from(calls);
                if failed && is_full && failure_percent > 0 && failures * 100 >= limit {
                    self.begin(Era::Open { since_ms: self.now_ms });
                }
            }
            Era::HalfOpen { .. } if failed => self.begin(Era::Open { since_ms: self.now_ms }),
            Era::HalfOpen { under_way, worked } => {
                *under_way -= 1;
                if !neutral {
                    *worked += 1;
                    if *worked >= u32::from(probes) {
                        self.close();
                    }
                }
            }
        }
    }

    fn state(&self) -> BreakerState {
        match self.era {
            Era::Closed { .. } => BreakerState::Closed,
            Era::Open { .. } => BreakerState::Open,
            Era::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

/// The breaker, the model, and the calls under way in both.
struct Pair<'a> {
    breaker: &'a Breaker,
    clock: &'a SteppedClock,
    model: Model,
    calls: Vec<(Pass<&'a Breaker>, u64)>,
    admitted: u64,
    refused: u64,
}

impl<'a> Pair<'a> {
    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Call => match (Breaker::admit(self.breaker, self.clock), self.model.call()) {
                (Ok(pass), Ok(era)) => {
                    self.admitted += 1;
                    self.calls.push((pass, era));
                }
                (Err(Refusal::BreakerOpen { retry_after }), Err(wait)) => {
                    self.refused += 1;
                    prop_assert_eq!(retry_after, wait);
                }
                (breaker, model) => prop_assert!(false, "{breaker:?}, the model says {model:?}"),
            },
            Step::End(call, class) => {
                if let Some((pass, era)) = self.leave(call) {
                    pass.record(class, self.clock);
                    self.model.end(era, class);
                }
            }
            Step::Abandon(call) => {
                if let Some((pass, era)) = self.leave(call) {
                    drop(pass);
                    self.model.end(era, Class::Refused);
                }
            }
            Step::Wait(ms) => {
                self.clock.advance(Duration::from_millis(ms));
                self.model.now_ms = self.clock.now().as_ms();
            }
            Step::Tune(settings) => {
                self.breaker.tune(settings);
                self.model.settings = settings;
            }
        }
        prop_assert_eq!(self.breaker.state(), self.model.state());
        Ok(())
    }

    /// One of the calls under way.
    fn leave(&mut self, call: usize) -> Option<(Pass<&'a Breaker>, u64)> {
        let index = call.checked_rem(self.calls.len())?;
        Some(self.calls.swap_remove(index))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_breaker_does_what_its_model_does(
        settings in settings(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (breaker, clock) = (Breaker::new(settings), SteppedClock::default());
        let model =
            Model { settings, era: Era::Closed { outcomes: Vec::new() }, number: 0, now_ms: 0 };
        let calls = Vec::new();
        let (breaker, clock) = (&breaker, &clock);
        let mut pair = Pair { breaker, clock, model, calls, admitted: 0, refused: 0 };
        for step in steps {
            pair.take(step)?;
        }
        let counts = breaker.tally().counts();
        prop_assert_eq!(counts.of(Decision::Admitted), pair.admitted);
        prop_assert_eq!(counts.of(Decision::Refused), pair.refused);
    }
}

#[test]
fn by_default_half_of_ten_calls_open_it_for_thirty_seconds() {
    let (breaker, clock) = (Breaker::new(BreakerSettings::default()), SteppedClock::default());
    let call = |class| Breaker::admit(&breaker, &clock).map(|pass| pass.record(class, &clock));
    for class in [Class::Success, Class::Transient].into_iter().cycle().take(9) {
        call(class).unwrap();
    }
    assert_eq!(breaker.state(), BreakerState::Closed, "nine calls are too few");
    call(Class::Transient).unwrap();
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(Duration::from_millis(29_999));
    let refusal = Refusal::BreakerOpen { retry_after: Duration::from_millis(1) };
    assert_eq!(call(Class::Success).unwrap_err(), refusal);
    clock.advance(Duration::from_millis(1));
    call(Class::Success).unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);
}
