//! A half-open breaker under threads: never more probes than allowed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use strait_resilience::{Breaker, BreakerSettings, BreakerState, Class, Clock, SteppedClock};

fn open(probes: u8, clock: &SteppedClock) -> Breaker {
    let open_for = Duration::from_secs(1);
    let breaker = Breaker::new(BreakerSettings { failure_percent: 1, calls: 1, probes, open_for });
    Breaker::admit(&breaker, clock).expect("it is closed").record(Class::Transient, clock);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

/// How many calls are under way, and how many were at most.
#[derive(Default)]
struct Crowd {
    now: AtomicU32,
    most: AtomicU32,
}

impl Crowd {
    fn during(&self, call: impl FnOnce()) {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        call();
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets eight threads call, each until it was let through and refused often enough; answers the largest crowd. A probe
/// ends as `end` says, before it counts as gone.
fn largest_crowd(
    breaker: &Breaker,
    clock: &(impl Clock + Sync),
    end: fn(u32) -> Option<Class>,
) -> u32 {
    let crowd = Crowd::default();
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let crowd = &crowd;
            scope.spawn(move || {
                for call in 0..2_000_u32 {
                    let Ok(pass) = Breaker::admit(breaker, clock) else { continue };
                    crowd.during(std::thread::yield_now);
                    match end(thread.wrapping_mul(31).wrapping_add(call)) {
                        Some(class) => pass.record(class, clock),
                        None => drop(pass),
                    }
                }
            });
        }
    });
    crowd.most.into_inner()
}

#[test]
fn threads_that_abandon_their_probes_never_crowd_in() {
    for probes in [1, 3] {
        let clock = SteppedClock::default();
        let breaker = open(probes, &clock);
        clock.advance(Duration::from_secs(1));
        let most = largest_crowd(&breaker, &clock, |_| None);
        assert!((1..=u32::from(probes)).contains(&most), "{most} probes of {probes}");
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "nobody said how it went");
    }
}

#[test]
fn only_so_many_probes_go_through_until_they_are_answered() {
    for probes in [1, 2, 5] {
        let clock = SteppedClock::default();
        let breaker = open(probes, &clock);
        clock.advance(Duration::from_secs(1));
        let held: Vec<_> = std::thread::scope(|scope| {
            let call = || Breaker::admit(&breaker, &clock).ok();
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(call)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(held.len(), usize::from(probes));
        for pass in held {
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            pass.record(Class::Success, &clock);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}

#[test]
fn what_was_called_before_it_opened_says_nothing_later() {
    let clock = SteppedClock::default();
    let breaker = Breaker::new(BreakerSettings { calls: 2, ..BreakerSettings::default() });
    let [first, second, late] = [(); 3].map(|()| Breaker::admit(&breaker, &clock).unwrap());
    first.record(Class::Transient, &clock);
    second.record(Class::Transient, &clock);
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(Duration::from_secs(30));
    let probe = Breaker::admit(&breaker, &clock).unwrap();
    late.record(Class::Success, &clock);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "only the probe counts");
    probe.record(Class::Success, &clock);
    assert_eq!(breaker.state(), BreakerState::Closed);
}
