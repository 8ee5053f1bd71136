//! Each policy around a callee that answers at once, and the stack of five; the floor is the callee alone.
//!
//! What other crates make of the same is measured by `benches/rivals`, a workspace of its own.

use core::convert::identity;
use core::future::{Future, Ready, ready};
use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use criterion::Criterion;
use criterion::measurement::Measurement;
use strait_resilience::{
    Breaker, BreakerLayer, BreakerSettings, Bulkhead, BulkheadLayer, Class, CoarseClock, RateLimit,
    RateLimitLayer, RateSettings, Refusal, Retry, RetryLayer, RetrySettings, Timeout, TimeoutLayer,
};
use tower_layer::Layer;
use tower_service::Service;

/// A callee that answers at once.
#[derive(Debug, Clone)]
struct Bare;

impl Service<u64> for Bare {
    type Response = u64;
    type Error = Refusal;
    type Future = Ready<Result<u64, Refusal>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(black_box(request)))
    }
}

/// Tells outcomes apart.
type Tell = fn(&Result<u64, Refusal>) -> Class;

fn class(outcome: &Result<u64, Refusal>) -> Class {
    match outcome {
        Ok(_) => Class::Success,
        Err(Refusal::TimedOut { .. }) => Class::Transient,
        Err(_) => Class::Refused,
    }
}

/// A policy that lives as long as the process: references to it are free.
fn leaked<P>(policy: P) -> &'static P {
    Box::leak(Box::new(policy))
}

fn rate() -> RateLimitLayer<&'static RateLimit, CoarseClock> {
    let plenty = RateSettings { per_second: 1_000_000, burst: u32::MAX };
    RateLimitLayer::new(leaked(RateLimit::new(plenty)), CoarseClock)
}

fn bulkhead() -> BulkheadLayer<&'static Bulkhead> {
    BulkheadLayer::new(leaked(Bulkhead::new(64, 64)))
}

fn retry() -> RetryLayer<&'static Retry, Tell> {
    RetryLayer::new(leaked(Retry::new(RetrySettings::default(), 7)), class)
}

fn breaker() -> BreakerLayer<&'static Breaker, Tell, CoarseClock> {
    BreakerLayer::new(leaked(Breaker::new(BreakerSettings::default())), class, CoarseClock)
}

fn timeout() -> TimeoutLayer<&'static Timeout> {
    TimeoutLayer::new(leaked(Timeout::new(Duration::from_secs(5))))
}

/// Calls once; nothing here ever has to wait.
fn call<S>(service: &mut S) -> u64
where
    S: Service<u64, Response = u64, Error = Refusal>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(7)).poll(&mut context) {
        Poll::Ready(answer) => answer.map_or_else(|refusal| panic!("{refusal}"), identity),
        Poll::Pending => panic!("the callee answers at once"),
    }
}

pub(crate) fn bench<M: Measurement>(c: &mut Criterion<M>) {
    let mut group = c.benchmark_group("resilience");
    let mut floor = Bare;
    group.bench_function("floor", |b| b.iter(|| call(&mut floor)));
    let mut service = rate().layer(Bare);
    group.bench_function("rate limit", |b| b.iter(|| call(&mut service)));
    let mut service = bulkhead().layer(Bare);
    group.bench_function("bulkhead", |b| b.iter(|| call(&mut service)));
    let mut service = retry().layer(Bare);
    group.bench_function("retry", |b| b.iter(|| call(&mut service)));
    let mut service = breaker().layer(Bare);
    group.bench_function("breaker", |b| b.iter(|| call(&mut service)));
    let mut service = timeout().layer(Bare);
    group.bench_function("timeout", |b| b.iter(|| call(&mut service)));
    let inner = retry().layer(breaker().layer(timeout().layer(Bare)));
    let mut service = rate().layer(bulkhead().layer(inner));
    group.bench_function("stack of five", |b| b.iter(|| call(&mut service)));
    group.finish();
}
