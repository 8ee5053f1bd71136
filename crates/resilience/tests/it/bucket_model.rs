//! The token bucket beside a model that counts tokens, and its promise under threads.

use std::time::Duration;

use proptest::prelude::*;
use strait_resilience::{
    Bucket, Clock, Moment, Rate, RateLimit, RateSettings, Refusal, SteppedClock,
};

/// Tokens as fractions, so that nothing is rounded: a second earns `per_second` times this many.
const TOKEN: u128 = 1_000_000_000;

/// What happens to a bucket.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody takes tokens.
    Take(usize),
    /// Time passes.
    Wait(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let short = (0_u64..2_000_000).prop_map(Duration::from_nanos);
    let long = (0_u64..5_000).prop_map(Duration::from_millis);
    prop_oneof![
        4 => (1_usize..20).prop_map(Step::Take),
        4 => short.prop_map(Step::Wait),
        1 => long.prop_map(Step::Wait),
    ]
}

/// Rates whose tokens take a whole number of nanoseconds to earn, so that the model needs no rounding either.
fn rate() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![1, 2, 5, 10, 100, 1_000, 8_000, 20_000, 1_000_000])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_bucket_gives_what_its_model_gives(
        per_second in rate(),
        burst in 1_u32..50,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let clock = SteppedClock::at(Moment::from_ns(77));
        let (rate, bucket) = (Rate::new(RateSettings { per_second, burst }), Bucket::default());
        let full = u128::from(burst) * TOKEN;
        let mut tokens = full;
        for step in steps {
            match step {
                Step::Take(count) => for _ in 0..count {
                    let taken = rate.take(&bucket, clock.now());
                    prop_assert_eq!(taken.is_ok(), tokens >= TOKEN, "{} of {}", tokens, TOKEN);
                    match taken {
                        Ok(()) => tokens -= TOKEN,
                        Err(wait) => {
                            let earned = wait.as_nanos() * u128::from(per_second);
                            prop_assert_eq!(tokens + earned, TOKEN, "after the wait there is one");
                        }
                    }
                },
                Step::Wait(time) => {
                    clock.advance(time);
                    tokens = full.min(tokens + time.as_nanos() * u128::from(per_second));
                }
            }
        }
    }

    #[test]
    fn whatever_is_tuned_a_bucket_gives_no_more_than_the_highest_setting_allows(
        settings in prop::collection::vec((1_u32..=5_000, 1_u32..50), 1..10),
        waits in prop::collection::vec(0_u64..20_000_000, 1..100),
    ) {
        let clock = SteppedClock::default();
        let of = |(per_second, burst)| RateSettings { per_second, burst };
        let limit = RateLimit::new(of(settings[0]));
        let mut given = 0_u128;
        for (index, wait) in waits.iter().enumerate() {
            clock.advance(Duration::from_nanos(*wait));
            limit.tune(of(settings[index % settings.len()]));
            given += (0..20).filter(|_| limit.admit(&clock).is_ok()).count() as u128;
        }
        let fastest = settings.iter().map(|(rate, _)| u128::from(*rate)).max().unwrap();
        // An operator who widens a bucket hands its width out; a drained one stays drained through the narrowing before.
        let bursts: u128 = settings.iter().map(|(_, burst)| u128::from(*burst)).sum();
        let turns = (waits.len() / settings.len() + 1) as u128;
        let earned = u128::from(clock.now().as_ns()) * fastest / TOKEN;
        prop_assert!(given <= bursts * turns + earned + 1, "{given}");
    }
}

#[test]
fn a_shrunk_bucket_holds_nobody_up_longer_than_an_empty_one() {
    let (clock, slow) = (SteppedClock::default(), RateSettings { per_second: 1, burst: 1_000 });
    let limit = RateLimit::new(slow);
    for _ in 0..1_000 {
        limit.admit(&clock).unwrap();
    }
    limit.tune(RateSettings { per_second: 1_000, burst: 10 });
    let refusal = Refusal::RateLimited { retry_after: Duration::from_millis(1) };
    assert_eq!(limit.admit(&clock).unwrap_err(), refusal);
    clock.advance(Duration::from_millis(1));
    limit.admit(&clock).unwrap();
}

#[test]
fn many_threads_get_no_more_than_the_bucket_holds() {
    let clock = SteppedClock::default();
    let limit = RateLimit::new(RateSettings { per_second: 1, burst: 10_000 });
    let given: usize = std::thread::scope(|scope| {
        let take = || (0..5_000).filter(|_| limit.admit(&clock).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(given, 10_000);
}
