//! [`Bulkhead`] around a service.

use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::refusable::Refusable;
use crate::bulkhead::{Bulkhead, Permit};
use crate::refusal::Refusal;

/// Puts a bulkhead around services.
#[derive(Debug, Clone)]
pub struct BulkheadLayer<P> {
    bulkhead: P,
}

impl<P> BulkheadLayer<P> {
    /// A layer that enters this bulkhead with each call.
    #[must_use]
    pub const fn new(bulkhead: P) -> Self {
        Self { bulkhead }
    }
}

impl<S, P: Clone> Layer<S> for BulkheadLayer<P> {
    type Service = BulkheadService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        BulkheadService { inner, bulkhead: self.bulkhead.clone() }
    }
}

/// A service behind a bulkhead.
#[derive(Debug, Clone)]
pub struct BulkheadService<S, P> {
    inner: S,
    bulkhead: P,
}

impl<S, P, R> Service<R> for BulkheadService<S, P>
where
    S: Service<R>,
    S::Error: From<Refusal>,
    P: Deref<Target = Bulkhead> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BulkheadFuture<S::Future, P>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match Bulkhead::enter(self.bulkhead.clone()) {
            Ok(permit) => {
                let call = Refusable::Made { call: self.inner.call(request) };
                BulkheadFuture { call, permit: Some(permit) }
            }
            Err(refusal) => BulkheadFuture { call: Refusable::refused(refusal), permit: None },
        }
    }
}

pin_project! {
    /// A call inside a bulkhead.
    #[derive(Debug)]
    pub struct BulkheadFuture<F, P>
    where
        P: Deref<Target = Bulkhead>,
    {
        #[pin]
        call: Refusable<F>,
        // Given back with the answer, not only when the future is dropped.
        permit: Option<Permit<P>>,
    }
}

impl<F, P, T, E> Future for BulkheadFuture<F, P>
where
    F: Future<Output = Result<T, E>>,
    E: From<Refusal>,
    P: Deref<Target = Bulkhead>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.call.poll(context));
        drop(this.permit.take());
        Poll::Ready(outcome)
    }
}
