//! [`Retry`] around a service.

use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::class::Classify;
use crate::retry::{Attempts, Retry};

/// Makes calls to services again that may work later. Only for requests that are safe to repeat.
#[derive(Debug, Clone)]
pub struct RetryLayer<P, K> {
    retry: P,
    classify: K,
}

impl<P, K> RetryLayer<P, K> {
    /// A layer that asks this policy after each attempt.
    #[must_use]
    pub const fn new(retry: P, classify: K) -> Self {
        Self { retry, classify }
    }
}

impl<S, P: Clone, K: Clone> Layer<S> for RetryLayer<P, K> {
    type Service = RetryService<S, P, K>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService { inner, retry: self.retry.clone(), classify: self.classify.clone() }
    }
}

/// A service whose calls are made again.
#[derive(Debug, Clone)]
pub struct RetryService<S, P, K> {
    inner: S,
    retry: P,
    classify: K,
}

impl<S, P, K, R> Service<R> for RetryService<S, P, K>
where
    S: Service<R> + Clone,
    P: Deref<Target = Retry> + Clone,
    K: Classify<S::Response, S::Error> + Clone,
    R: Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, R, S::Future, P, K>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The one that is ready is the one to call; its clone takes its place here.
        let next = self.inner.clone();
        let mut service = core::mem::replace(&mut self.inner, next);
        let attempts = self.retry.begin();
        let call = service.call(request.clone());
        let (retry, classify) = (self.retry.clone(), self.classify.clone());
        RetryFuture { step: Step::Calling { call }, service, request, attempts, retry, classify }
    }
}

pin_project! {
    /// A call, however often it is made.
    #[derive(Debug)]
    pub struct RetryFuture<S, R, F, P, K> {
        #[pin]
        step: Step<F>,
        service: S,
        request: R,
        attempts: Attempts,
        retry: P,
        classify: K,
    }
}

pin_project! {
    #[project = StepProjection]
    #[derive(Debug)]
    enum Step<F> {
        Calling {
            #[pin]
            call: F,
        },
        // Boxed: waits are rare, and every call carries the room for one.
        Waiting { wait: Pin<Box<Sleep>> },
        Readying,
    }
}

impl<S, R, P, K> Future for RetryFuture<S, R, S::Future, P, K>
where
    S: Service<R>,
    P: Deref<Target = Retry>,
    K: Classify<S::Response, S::Error>,
    R: Clone,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Calling { call } => {
                    let outcome = ready!(call.poll(context));
                    let class = this.classify.classify(&outcome);
                    match this.retry.after(this.attempts, class) {
                        None => return Poll::Ready(outcome),
                        Some(wait) => Step::Waiting { wait: Box::pin(sleep(wait)) },
                    }
                }
                StepProjection::Waiting { wait } => {
                    ready!(wait.as_mut().poll(context));
                    Step::Readying
                }
                StepProjection::Readying => {
                    ready!(this.service.poll_ready(context))?;
                    Step::Calling { call: this.service.call(this.request.clone()) }
                }
            };
            this.step.set(next);
        }
    }
}
