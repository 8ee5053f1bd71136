//! [`Timeout`] around a service.

use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::refusal::Refusal;
use crate::timeout::Timeout;

/// Puts a limit of time around services.
#[derive(Debug, Clone)]
pub struct TimeoutLayer<P> {
    timeout: P,
}

impl<P> TimeoutLayer<P> {
    /// A layer with this limit.
    #[must_use]
    pub const fn new(timeout: P) -> Self {
        Self { timeout }
    }
}

impl<S, P: Clone> Layer<S> for TimeoutLayer<P> {
    type Service = TimeoutService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService { inner, timeout: self.timeout.clone() }
    }
}

/// A service whose calls end in time.
#[derive(Debug, Clone)]
pub struct TimeoutService<S, P> {
    inner: S,
    timeout: P,
}

impl<S, P, R> Service<R> for TimeoutService<S, P>
where
    S: Service<R>,
    S::Error: From<Refusal>,
    P: Deref<Target = Timeout> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TimeoutFuture<S::Future, P>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let limit = self.timeout.admit();
        let call = self.inner.call(request);
        TimeoutFuture { call, waiting: None, limit, timeout: self.timeout.clone() }
    }
}

pin_project! {
    /// A call with a limit of time, which begins when it is first asked and has no answer yet: a call that answers at once
    /// never touches a timer.
    #[derive(Debug)]
    pub struct TimeoutFuture<F, P> {
        #[pin]
        call: F,
        #[pin]
        waiting: Option<Sleep>,
        limit: Option<Duration>,
        timeout: P,
    }
}

impl<F, P, T, E> Future for TimeoutFuture<F, P>
where
    F: Future<Output = Result<T, E>>,
    E: From<Refusal>,
    P: Deref<Target = Timeout>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(outcome) = this.call.poll(context) {
            return Poll::Ready(outcome);
        }
        let Some(limit) = *this.limit else { return Poll::Pending };
        if this.waiting.is_none() {
            this.waiting.set(Some(sleep(limit)));
        }
        if let Some(waiting) = this.waiting.as_pin_mut() {
            ready!(waiting.poll(context));
        }
        this.timeout.note_timed_out();
        Poll::Ready(Err(Refusal::TimedOut { limit }.into()))
    }
}
