//! The candidates, with settings as near to ours as they allow.

use std::future::{Future, Ready};
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use failsafe::CircuitBreaker;
use governor::{Quota, RateLimiter};
use tower::{BoxError, Layer, ServiceBuilder};
use tower_resilience::{bulkhead, circuitbreaker, ratelimiter, retry, timelimiter};

use crate::subject::{Bare, Fault, Subject};

const SECOND: Duration = Duration::from_secs(1);
const FIVE: Duration = Duration::from_secs(5);
const OPEN: Duration = Duration::from_secs(30);
/// More than any run takes.
const PLENTY: u32 = 4_000_000_000;

pub fn subjects() -> Vec<Subject> {
    let mut subjects = tower_subjects();
    subjects.extend(tower_resilience_subjects());
    subjects.extend(ninelives_subjects());
    subjects.extend(single_purpose());
    subjects
}

/// tower's policy for retry: what to do with a failure is the caller's code.
#[derive(Clone)]
struct Again;

impl<T, E> tower::retry::Policy<u64, T, E> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, outcome: &mut Result<T, E>) -> Option<Self::Future> {
        assert!(outcome.is_ok(), "nothing fails here");
        None
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

fn tower_subjects() -> Vec<Subject> {
    let of = "tower 0.5";
    let limited = || ServiceBuilder::new().rate_limit(u64::from(PLENTY), SECOND);
    vec![
        Subject::single("rate limit", of, limited().service(Bare)),
        Subject::shared(
            "bulkhead",
            of,
            ServiceBuilder::new().load_shed().concurrency_limit(64).service(Bare),
        ),
        Subject::shared("retry", of, ServiceBuilder::new().retry(Again).service(Bare)),
        Subject::shared("timeout", of, ServiceBuilder::new().timeout(FIVE).service(Bare)),
        Subject::shared(
            "stack",
            "tower 0.5 (bulkhead, retry, timeout; its rate limit cannot be shared, and it has no breaker)",
            ServiceBuilder::new()
                .load_shed()
                .concurrency_limit(64)
                .retry(Again)
                .timeout(FIVE)
                .service(Bare),
        ),
    ]
}

fn tower_resilience_subjects() -> Vec<Subject> {
    let of = "tower-resilience 0.13";
    let rate = || {
        let plenty = usize::try_from(PLENTY).expect("64 bits");
        let builder = ratelimiter::RateLimiterLayer::builder();
        builder.limit_for_period(plenty).refresh_period(SECOND).build().expect("valid")
    };
    let bulkhead = || {
        let builder = bulkhead::BulkheadLayer::builder();
        builder.max_concurrent_calls(64).build().expect("valid")
    };
    let breaker = || {
        let builder = circuitbreaker::CircuitBreakerLayer::builder();
        let builder = builder.failure_rate_threshold(0.5).sliding_window_size(10);
        builder.wait_duration_in_open(OPEN).build().expect("valid")
    };
    let timeout = || timelimiter::TimeLimiterLayer::builder().timeout_duration(FIVE).build();
    vec![
        Subject::shared("rate limit", of, rate().layer(Bare)),
        Subject::shared("bulkhead", of, bulkhead().layer(Bare)),
        Subject::shared(
            "retry",
            of,
            retry::RetryLayer::<u64, u64, Fault>::builder()
                .max_attempts(5)
                .exponential_backoff(SECOND)
                .build()
                .layer(Bare),
        ),
        Subject::shared("breaker", of, breaker().layer(Bare)),
        Subject::shared("timeout", of, timeout().layer(Bare)),
        {
            let inner = ServiceBuilder::new().layer(timeout()).map_err(Wrapped::new).service(Bare);
            let inner = ServiceBuilder::new().map_err(Wrapped::new).layer(breaker()).service(inner);
            let again = retry::RetryLayer::<u64, u64, Wrapped>::builder()
                .max_attempts(5)
                .exponential_backoff(SECOND)
                .build();
            let inner = again.layer(inner);
            let inner =
                ServiceBuilder::new().map_err(Wrapped::new).layer(bulkhead()).service(inner);
            Subject::shared("stack", of, rate().layer(inner))
        },
    ]
}

/// A flat error for a stack whose layers each wrap the one before.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
struct Wrapped(String);

impl Wrapped {
    fn new(error: impl core::fmt::Debug) -> Self {
        Self(format!("{error:?}"))
    }
}

fn ninelives_subjects() -> Vec<Subject> {
    use ninelives::prelude::{Backoff, Jitter};
    use ninelives::{
        BulkheadLayer, CircuitBreakerConfig, CircuitBreakerLayer, ResilienceError, RetryPolicy,
        TimeoutLayer,
    };
    fn retry<E: std::error::Error + Send + Sync + 'static>() -> ninelives::RetryLayer<E> {
        let builder = RetryPolicy::<E>::builder().max_attempts(5);
        let builder = builder.backoff(Backoff::exponential(SECOND)).with_jitter(Jitter::equal());
        builder.build().expect("valid").into_layer()
    }
    let of = "ninelives 0.2";
    let breaker = || {
        let config = CircuitBreakerConfig::new(5, OPEN, 1).expect("valid");
        CircuitBreakerLayer::new(config).expect("valid")
    };
    let bulkhead = || BulkheadLayer::new(64).expect("valid");
    let timeout = || TimeoutLayer::new(FIVE).expect("valid");
    let stack = breaker().layer(timeout().layer(Bare));
    let stack = retry::<ResilienceError<ResilienceError<Fault>>>().layer(stack);
    vec![
        Subject::shared("bulkhead", of, bulkhead().layer(Bare)),
        Subject::shared("retry", of, retry::<Fault>().layer(Bare)),
        Subject::shared("breaker", of, breaker().layer(Bare)),
        Subject::shared("timeout", of, timeout().layer(Bare)),
        Subject::shared(
            "stack",
            "ninelives 0.2 (four: it has no rate limit)",
            bulkhead().layer(stack),
        ),
    ]
}

/// Crates that do one thing, and no service.
fn single_purpose() -> Vec<Subject> {
    let plenty = NonZeroU32::new(PLENTY).expect("not zero");
    let quota = Quota::per_second(NonZeroU32::new(1_000_000).expect("not zero"));
    let governed = Arc::new(RateLimiter::direct(quota.allow_burst(plenty)));
    let policy = failsafe::failure_policy::success_rate_over_time_window(
        0.5,
        10,
        OPEN,
        failsafe::backoff::constant(OPEN),
    );
    let safe = Arc::new(failsafe::Config::new().failure_policy(policy).build());
    let reclosed = Arc::new(
        recloser::Recloser::custom().error_rate(0.5).closed_len(10).open_wait(OPEN).build(),
    );
    let answer = || Ok::<u64, BoxError>(std::hint::black_box(7));
    vec![
        Subject::function("rate limit, core", "governor 0.10", move || {
            governed.check().expect("a full bucket");
        }),
        Subject::function("breaker, core", "failsafe 1.3", move || {
            assert!(safe.call(answer).is_ok());
        }),
        Subject::function("breaker, core", "recloser 1.4", move || {
            assert!(reclosed.call(answer).is_ok());
        }),
        Subject::function("retry", "backon 1.6", || {
            let builder = ExponentialBuilder::default().with_jitter().with_max_times(4);
            let call = || async { Ok::<u64, Fault>(std::hint::black_box(7)) };
            let call = pin!(call.retry(builder).into_future());
            let mut context = Context::from_waker(Waker::noop());
            assert!(matches!(call.poll(&mut context), Poll::Ready(Ok(_))));
        }),
    ]
}
