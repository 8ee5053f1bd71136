//! [`Breaker`] around a service.

use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::refusable::Refusable;
use crate::breaker::{Breaker, Pass};
use crate::class::Classify;
use crate::clock::Clock;
use crate::refusal::Refusal;

/// Puts a circuit breaker around services.
#[derive(Debug, Clone)]
pub struct BreakerLayer<P, K, C> {
    breaker: P,
    classify: K,
    clock: C,
}

impl<P, K, C> BreakerLayer<P, K, C> {
    /// A layer that asks this breaker, and tells it how calls end.
    #[must_use]
    pub const fn new(breaker: P, classify: K, clock: C) -> Self {
        Self { breaker, classify, clock }
    }
}

impl<S, P: Clone, K: Clone, C: Clone> Layer<S> for BreakerLayer<P, K, C> {
    type Service = BreakerService<S, P, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService {
            inner,
            breaker: self.breaker.clone(),
            classify: self.classify.clone(),
            clock: self.clock.clone(),
        }
    }
}

/// A service behind a circuit breaker.
#[derive(Debug, Clone)]
pub struct BreakerService<S, P, K, C> {
    inner: S,
    breaker: P,
    classify: K,
    clock: C,
}

impl<S, P, K, C, R> Service<R> for BreakerService<S, P, K, C>
where
    S: Service<R>,
    S::Error: From<Refusal>,
    P: Deref<Target = Breaker> + Clone,
    K: Classify<S::Response, S::Error> + Clone,
    C: Clock + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BreakerFuture<S::Future, P, K, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (call, pass) = match Breaker::admit(self.breaker.clone(), &self.clock) {
            Ok(pass) => (Refusable::Made { call: self.inner.call(request) }, Some(pass)),
            Err(refusal) => (Refusable::refused(refusal), None),
        };
        let (classify, clock) = (self.classify.clone(), self.clock.clone());
        BreakerFuture { call, pass, classify, clock }
    }
}

pin_project! {
    /// A call that a breaker wants to hear of.
    #[derive(Debug)]
    pub struct BreakerFuture<F, P, K, C>
    where
        P: Deref<Target = Breaker>,
    {
        #[pin]
        call: Refusable<F>,
        // Given back untold if the future is dropped before its end.
        pass: Option<Pass<P>>,
        classify: K,
        clock: C,
    }
}

impl<F, P, K, C, T, E> Future for BreakerFuture<F, P, K, C>
where
    F: Future<Output = Result<T, E>>,
    E: From<Refusal>,
    P: Deref<Target = Breaker>,
    K: Classify<T, E>,
    C: Clock,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.call.poll(context));
        if let Some(pass) = this.pass.take() {
            pass.record(this.classify.classify(&outcome), this.clock);
        }
        Poll::Ready(outcome)
    }
}
