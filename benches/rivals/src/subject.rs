//! Something to measure: alone on one thread, and called by eight tasks on two.

use std::future::{Future, Ready, poll_fn, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use strait_resilience::Refusal;
use thiserror::Error;
use tokio::runtime::Runtime;
use tower::Service;

/// Tasks that call at the same time.
const TASKS: u32 = 8;
/// Calls between two looks at the time.
const BATCH: u32 = 256;

/// What can go wrong: here nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A policy refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A callee that answers at once.
#[derive(Debug, Clone)]
pub struct Bare;

impl Service<u64> for Bare {
    type Response = u64;
    type Error = Fault;
    type Future = Ready<Result<u64, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(black_box(request)))
    }
}

/// Two threads for eight tasks.
pub struct Crowd(Runtime);

impl Crowd {
    pub fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Self(builder.worker_threads(2).enable_time().build().expect("threads"))
    }

    /// Makes something where its timers are.
    pub fn inside<T>(&self, make: impl FnOnce() -> T) -> T {
        let _entered = self.0.enter();
        make()
    }
}

type Measure = Box<dyn FnMut(&Crowd, Duration) -> f64>;

/// What is measured.
pub struct Subject {
    pub policy: &'static str,
    pub of: &'static str,
    alone: Measure,
    together: Option<Measure>,
}

impl Subject {
    /// A service that all tasks share by cloning it.
    pub fn shared<S>(policy: &'static str, of: &'static str, service: S) -> Self
    where
        S: Service<u64> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Send,
        S::Response: Send,
    {
        let each = service.clone();
        let together: Measure = Box::new(move |crowd, slice| together(crowd, &each, slice));
        Self { together: Some(together), ..Self::single(policy, of, service) }
    }

    /// A service that cannot be shared.
    pub fn single<S>(policy: &'static str, of: &'static str, mut service: S) -> Self
    where
        S: Service<u64> + 'static,
    {
        let alone: Measure = Box::new(move |crowd, slice| {
            let _entered = crowd.0.enter();
            let mut context = Context::from_waker(Waker::noop());
            per_call(slice, || {
                assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
                let call = pin!(service.call(7));
                assert!(matches!(call.poll(&mut context), Poll::Ready(Ok(_))));
            })
        });
        Self { policy, of, alone, together: None }
    }

    /// A plain function that may be called from everywhere.
    pub fn function<F>(policy: &'static str, of: &'static str, call: F) -> Self
    where
        F: Fn() + Clone + Send + Sync + 'static,
    {
        let each = call.clone();
        let alone: Measure = Box::new(move |_, slice| per_call(slice, &call));
        let together: Measure = Box::new(move |crowd, slice| {
            crowd.all(|| {
                let call = each.clone();
                async move {
                    let (mut spent, mut calls) = (Duration::ZERO, 0_u32);
                    while spent < slice {
                        let start = Instant::now();
                        (0..BATCH).for_each(|_| call());
                        spent += start.elapsed();
                        calls += BATCH;
                        tokio::task::yield_now().await;
                    }
                    (spent, calls)
                }
            })
        });
        Self { policy, of, alone, together: Some(together) }
    }

    pub fn alone(&mut self, crowd: &Crowd, slice: Duration) -> f64 {
        (self.alone)(crowd, slice)
    }

    pub fn together(&mut self, crowd: &Crowd, slice: Duration) -> Option<f64> {
        self.together.as_mut().map(|measure| measure(crowd, slice))
    }
}

/// Nanoseconds of a call.
fn per_call(slice: Duration, mut call: impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < slice {
        (0..BATCH).for_each(|_| call());
        calls += BATCH;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn together<S>(crowd: &Crowd, service: &S, slice: Duration) -> f64
where
    S: Service<u64> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    S::Response: Send,
{
    crowd.all(|| {
        let mut service = service.clone();
        async move {
            let (mut spent, mut calls) = (Duration::ZERO, 0_u32);
            while spent < slice {
                let start = Instant::now();
                for _ in 0..BATCH {
                    assert!(poll_fn(|context| service.poll_ready(context)).await.is_ok());
                    assert!(service.call(7).await.is_ok());
                }
                spent += start.elapsed();
                calls += BATCH;
                tokio::task::yield_now().await;
            }
            (spent, calls)
        }
    })
}

impl Crowd {
    /// Runs a task eight times at once; the nanoseconds that one call took its thread.
    fn all<T>(&self, task: impl Fn() -> T) -> f64
    where
        T: Future<Output = (Duration, u32)> + Send + 'static,
    {
        let tasks: Vec<_> = (0..TASKS).map(|_| self.0.spawn(task())).collect();
        self.0.block_on(async {
            let (mut spent, mut calls) = (Duration::ZERO, 0.0);
            for task in tasks {
                let (its_time, its_calls) = task.await.expect("no task panics");
                spent += its_time;
                calls += f64::from(its_calls);
            }
            spent.as_secs_f64() * 1e9 / calls
        })
    }
}
