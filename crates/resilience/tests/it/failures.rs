//! Failures of each kind, injected into a stack of all five layers on tokio's paused clock.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use strait_resilience::{
    Backoff, Breaker, BreakerLayer, BreakerSettings, BreakerState, Bulkhead, BulkheadLayer, Class,
    CoarseClock, Decision, RateLimit, RateLimitLayer, RateSettings, Refusal, Retry, RetryLayer,
    RetrySettings, SteppedClock, Timeout, TimeoutLayer,
};
use thiserror::Error;
use tower_layer::Layer;
use tower_service::Service;

/// What the callee says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Fault {
    #[error("come back later")]
    Busy,
    #[error("never")]
    Wrong,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

fn class(outcome: &Result<u32, Fault>) -> Class {
    match outcome {
        Ok(_) => Class::Success,
        Err(Fault::Busy | Fault::Refused(Refusal::TimedOut { .. })) => Class::Transient,
        Err(Fault::Wrong) => Class::Permanent,
        Err(Fault::Refused(_)) => Class::Refused,
    }
}

/// How the callee meets a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Answer,
    Busy,
    Wrong,
    Hang,
    Panic,
}

/// A callee that does what the script says, and answers when it has ended.
#[derive(Debug, Clone, Default)]
struct Scripted {
    deeds: Arc<Mutex<VecDeque<Deed>>>,
    calls: Arc<Mutex<u32>>,
}

impl Service<u32> for Scripted {
    type Response = u32;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<u32, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        *self.calls.lock().expect("no holder panics") += 1;
        let deed = self.deeds.lock().expect("no holder panics").pop_front().unwrap_or(Deed::Answer);
        Box::pin(async move {
            match deed {
                Deed::Answer => Ok(request),
                Deed::Busy => Err(Fault::Busy),
                Deed::Wrong => Err(Fault::Wrong),
                Deed::Hang => std::future::pending().await,
                Deed::Panic => panic!("a fault of the callee"),
            }
        })
    }
}

/// All five policies.
struct Policies {
    rate: RateLimit,
    bulkhead: Bulkhead,
    retry: Retry,
    breaker: Breaker,
    timeout: Timeout,
}

impl Policies {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            rate: RateLimit::new(RateSettings { per_second: 1_000, burst: 1_000 }),
            bulkhead: Bulkhead::new(2, 8),
            retry: Retry::new(RetrySettings { attempts_max: 3, ..RetrySettings::default() }, 1),
            breaker: Breaker::new(BreakerSettings { calls: 4, ..BreakerSettings::default() }),
            timeout: Timeout::new(Duration::from_secs(5)),
        })
    }

    fn counts(&self) -> [[u64; 5]; 5] {
        let tallies = [
            self.rate.tally(),
            self.bulkhead.tally(),
            self.retry.tally(),
            self.breaker.tally(),
            self.timeout.tally(),
        ];
        tallies.map(|tally| Decision::ALL.map(|decision| tally.counts().of(decision)))
    }
}

/// Leads from all policies to one of them.
macro_rules! part {
    ($name:ident, $field:ident, $policy:ty) => {
        #[derive(Clone)]
        struct $name(Arc<Policies>);
        impl std::ops::Deref for $name {
            type Target = $policy;
            fn deref(&self) -> &$policy {
                &self.0.$field
            }
        }
    };
}

part!(ThisRate, rate, RateLimit);
part!(ThisBulkhead, bulkhead, Bulkhead);
part!(ThisRetry, retry, Retry);
part!(ThisBreaker, breaker, Breaker);
part!(ThisTimeout, timeout, Timeout);

type Answer = Pin<Box<dyn Future<Output = Result<u32, Fault>> + Send>>;

/// One call through all layers.
fn call(policies: &Arc<Policies>, callee: &Scripted, clock: &Arc<SteppedClock>) -> Answer {
    let policies = || Arc::clone(policies);
    let stack = TimeoutLayer::new(ThisTimeout(policies())).layer(callee.clone());
    let stack = BreakerLayer::new(ThisBreaker(policies()), class, Arc::clone(clock)).layer(stack);
    let stack = RetryLayer::new(ThisRetry(policies()), class).layer(stack);
    let stack = BulkheadLayer::new(ThisBulkhead(policies())).layer(stack);
    let mut stack = RateLimitLayer::new(ThisRate(policies()), CoarseClock).layer(stack);
    let Poll::Ready(Ok(())) = stack.poll_ready(&mut Context::from_waker(Waker::noop())) else {
        panic!("the callee is always ready");
    };
    Box::pin(stack.call(7))
}

/// Lets a callee do these deeds, and calls it once.
async fn outcome(deeds: &[Deed]) -> (Result<u32, Fault>, u32, Arc<Policies>) {
    let (policies, callee) = (Policies::new(), Scripted::default());
    callee.deeds.lock().expect("no holder panics").extend(deeds);
    let answer = call(&policies, &callee, &Arc::default()).await;
    assert_eq!(policies.bulkhead.under_way(), 0, "its place is free again");
    let calls = *callee.calls.lock().expect("no holder panics");
    (answer, calls, policies)
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_failure_is_met_as_its_class_says() {
    use Deed::{Answer, Busy, Hang, Wrong};
    let late = Err(Fault::Refused(Refusal::TimedOut { limit: Duration::from_secs(5) }));
    for (deeds, expected, calls) in [
        (&[Answer][..], Ok(7), 1),
        (&[Wrong, Answer], Err(Fault::Wrong), 1),
        (&[Busy, Answer], Ok(7), 2),
        (&[Busy, Wrong, Answer], Err(Fault::Wrong), 2),
        (&[Hang, Busy, Answer], Ok(7), 3),
        (&[Busy, Busy, Busy, Answer], Err(Fault::Busy), 3),
        (&[Hang, Hang, Hang], late, 3),
    ] {
        let (answer, called, _) = outcome(deeds).await;
        assert_eq!((answer, called), (expected, calls), "{deeds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_counted_once() {
    let (_, _, policies) = outcome(&[Deed::Hang, Deed::Busy, Deed::Answer]).await;
    let [rate, bulkhead, retry, breaker, timeout] = policies.counts();
    assert_eq!((rate, bulkhead), ([1, 0, 0, 0, 0], [1, 0, 0, 0, 0]));
    assert_eq!(retry, [1, 0, 2, 0, 0], "two more attempts");
    assert_eq!((breaker, timeout), ([3, 0, 0, 0, 0], [3, 0, 0, 0, 1]));
    let (_, _, policies) = outcome(&[Deed::Busy; 3]).await;
    let [.., retry, _, _] = policies.counts();
    assert_eq!(retry, [1, 0, 2, 1, 0], "and then it gave up");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_spares_the_callee_and_ends_the_retries() {
    let (policies, callee, clock) = (Policies::new(), Scripted::default(), Arc::default());
    callee.deeds.lock().expect("no holder panics").extend([Deed::Busy; 6]);
    assert_eq!(call(&policies, &callee, &clock).await, Err(Fault::Busy));
    let open = Refusal::BreakerOpen { retry_after: Duration::from_secs(30) };
    assert_eq!(call(&policies, &callee, &clock).await, Err(Fault::Refused(open)));
    assert_eq!(*callee.calls.lock().expect("no holder panics"), 4, "the fourth failure opened it");
    clock.advance(Duration::from_secs(30));
    callee.deeds.lock().expect("no holder panics").clear();
    assert_eq!(call(&policies, &callee, &clock).await, Ok(7));
    assert_eq!(policies.breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_a_caller_who_leaves_gives_everything_back() {
    let (policies, callee, clock) = (Policies::new(), Scripted::default(), Arc::default());
    callee.deeds.lock().expect("no holder panics").extend([
        Deed::Panic,
        Deed::Panic,
        Deed::Hang,
        Deed::Hang,
    ]);
    for _ in 0..2 {
        let lost = tokio::spawn(call(&policies, &callee, &clock)).await.unwrap_err();
        assert!(lost.is_panic());
        assert_eq!(policies.bulkhead.under_way(), 0);
    }
    let [first, second] = [(); 2].map(|()| tokio::spawn(call(&policies, &callee, &clock)));
    tokio::task::yield_now().await;
    assert_eq!(policies.bulkhead.under_way(), 2);
    let full = Fault::Refused(Refusal::BulkheadFull { limit: 2 });
    assert_eq!(call(&policies, &callee, &clock).await, Err(full));
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(policies.bulkhead.under_way(), 1);
    assert_eq!(call(&policies, &callee, &clock).await, Ok(7));
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    assert_eq!(policies.bulkhead.under_way(), 0);
    assert_eq!(policies.breaker.state(), BreakerState::Closed, "nobody held it against the callee");
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_probe_makes_room_for_another() {
    let (policies, callee, clock) = (Policies::new(), Scripted::default(), Arc::default());
    policies.breaker.tune(BreakerSettings { calls: 1, ..BreakerSettings::default() });
    policies.retry.tune(RetrySettings { attempts_max: 1, ..RetrySettings::default() });
    callee.deeds.lock().expect("no holder panics").extend([Deed::Busy, Deed::Hang, Deed::Answer]);
    assert_eq!(call(&policies, &callee, &clock).await, Err(Fault::Busy));
    clock.advance(Duration::from_secs(30));
    let probe = tokio::spawn(call(&policies, &callee, &clock));
    tokio::task::yield_now().await;
    let wait = Refusal::BreakerOpen { retry_after: Duration::ZERO };
    assert_eq!(call(&policies, &callee, &clock).await, Err(Fault::Refused(wait)));
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    assert_eq!(call(&policies, &callee, &clock).await, Ok(7));
    assert_eq!(policies.breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn too_fast_a_caller_is_refused_before_anything_is_taken() {
    let (policies, callee) = (Policies::new(), Scripted::default());
    policies.rate.tune(RateSettings { per_second: 1, burst: 1 });
    assert_eq!(call(&policies, &callee, &Arc::default()).await, Ok(7));
    let refused = call(&policies, &callee, &Arc::default()).await.unwrap_err();
    assert!(matches!(refused, Fault::Refused(Refusal::RateLimited { .. })), "{refused}");
    assert_eq!(*callee.calls.lock().expect("no holder panics"), 1);
    let [rate, bulkhead, ..] = policies.counts();
    assert_eq!((rate, bulkhead), ([1, 1, 0, 0, 0], [1, 0, 0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn settings_count_for_the_next_call() {
    let (policies, callee, clock) = (Policies::new(), Scripted::default(), Arc::default());
    policies.timeout.tune(Duration::from_millis(10));
    let backoff = Backoff { first: Duration::ZERO, most: Duration::ZERO };
    policies.retry.tune(RetrySettings { attempts_max: 2, backoff });
    callee.deeds.lock().expect("no holder panics").extend([Deed::Hang, Deed::Hang]);
    let began = tokio::time::Instant::now();
    let late = Refusal::TimedOut { limit: Duration::from_millis(10) };
    assert_eq!(call(&policies, &callee, &clock).await, Err(Fault::Refused(late)));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    policies.timeout.tune(Duration::ZERO);
    callee.deeds.lock().expect("no holder panics").push_back(Deed::Hang);
    let mut endless = call(&policies, &callee, &clock);
    let hour = tokio::time::timeout(Duration::from_secs(3_600), &mut endless).await;
    assert!(hour.is_err(), "zero is no limit");
}
