//! Our policies, each alone and all five as a stack: held by a `&'static`, and by an `Arc`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use strait_resilience::{
    Breaker, BreakerLayer, BreakerSettings, Bulkhead, BulkheadLayer, Class, CoarseClock, RateLimit,
    RateLimitLayer, RateSettings, Refusal, Retry, RetryLayer, RetrySettings, Timeout, TimeoutLayer,
};
use tower::{Layer, Service};

use crate::subject::{Bare, Fault, Subject};

fn class(outcome: &Result<u64, Fault>) -> Class {
    match outcome {
        Ok(_) => Class::Success,
        Err(Fault::Refused(Refusal::TimedOut { .. })) => Class::Transient,
        Err(Fault::Refused(_)) => Class::Refused,
    }
}

fn rate() -> RateLimit {
    RateLimit::new(RateSettings { per_second: 1_000_000, burst: u32::MAX })
}

fn bulkhead() -> Bulkhead {
    Bulkhead::new(64, 64)
}

fn retry() -> Retry {
    Retry::new(RetrySettings::default(), 7)
}

fn breaker() -> Breaker {
    Breaker::new(BreakerSettings::default())
}

fn timeout() -> Timeout {
    Timeout::new(Duration::from_secs(5))
}

/// All five around a callee, in the order that the crate advises.
fn stack<A, B, C, D, E>(
    rate: A,
    bulkhead: B,
    retry: C,
    breaker: D,
    timeout: E,
) -> impl Service<u64, Response = u64, Error = Fault, Future: Send> + Clone + Send + 'static
where
    A: Deref<Target = RateLimit> + Clone + Send + 'static,
    B: Deref<Target = Bulkhead> + Clone + Send + 'static,
    C: Deref<Target = Retry> + Clone + Send + 'static,
    D: Deref<Target = Breaker> + Clone + Send + 'static,
    E: Deref<Target = Timeout> + Clone + Send + 'static,
{
    let stack = TimeoutLayer::new(timeout).layer(Bare);
    let stack = BreakerLayer::new(breaker, class, CoarseClock).layer(stack);
    let stack = RetryLayer::new(retry, class).layer(stack);
    let stack = BulkheadLayer::new(bulkhead).layer(stack);
    RateLimitLayer::new(rate, CoarseClock).layer(stack)
}

/// A policy that lives as long as the process.
fn leaked<P>(policy: P) -> &'static P {
    Box::leak(Box::new(policy))
}

pub fn subjects() -> Vec<Subject> {
    let (rated, entered, called) = (leaked(rate()), leaked(bulkhead()), leaked(breaker()));
    vec![
        Subject::shared("no policy", "ours", Bare),
        Subject::shared(
            "rate limit",
            "ours",
            RateLimitLayer::new(leaked(rate()), CoarseClock).layer(Bare),
        ),
        Subject::shared("bulkhead", "ours", BulkheadLayer::new(leaked(bulkhead())).layer(Bare)),
        Subject::shared("retry", "ours", RetryLayer::new(leaked(retry()), class).layer(Bare)),
        Subject::shared(
            "breaker",
            "ours",
            BreakerLayer::new(leaked(breaker()), class, CoarseClock).layer(Bare),
        ),
        Subject::shared("timeout", "ours", TimeoutLayer::new(leaked(timeout())).layer(Bare)),
        Subject::shared(
            "stack",
            "ours",
            stack(
                leaked(rate()),
                leaked(bulkhead()),
                leaked(retry()),
                leaked(breaker()),
                leaked(timeout()),
            ),
        ),
        Subject::shared(
            "stack",
            "ours, each in an `Arc`",
            stack(
                Arc::new(rate()),
                Arc::new(bulkhead()),
                Arc::new(retry()),
                Arc::new(breaker()),
                Arc::new(timeout()),
            ),
        ),
        Subject::function("rate limit, core", "ours", move || {
            rated.admit(&CoarseClock).expect("a full bucket");
        }),
        Subject::function("bulkhead, core", "ours", move || {
            drop(Bulkhead::enter(entered).expect("room"));
        }),
        Subject::function("breaker, core", "ours", move || {
            let pass = Breaker::admit(called, &CoarseClock).expect("closed");
            pass.record(Class::Success, &CoarseClock);
        }),
    ]
}
