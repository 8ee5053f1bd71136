//! [`RateLimit`] around a service.

use core::ops::Deref;
use core::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::refusable::Refusable;
use crate::clock::Clock;
use crate::rate::RateLimit;
use crate::refusal::Refusal;

/// Puts a rate limit around services.
#[derive(Debug, Clone)]
pub struct RateLimitLayer<P, C> {
    limit: P,
    clock: C,
}

impl<P, C> RateLimitLayer<P, C> {
    /// A layer that asks this limit.
    #[must_use]
    pub const fn new(limit: P, clock: C) -> Self {
        Self { limit, clock }
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for RateLimitLayer<P, C> {
    type Service = RateLimitService<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimitService { inner, limit: self.limit.clone(), clock: self.clock.clone() }
    }
}

/// A service behind a rate limit.
#[derive(Debug, Clone)]
pub struct RateLimitService<S, P, C> {
    inner: S,
    limit: P,
    clock: C,
}

impl<S, P, C, R> Service<R> for RateLimitService<S, P, C>
where
    S: Service<R>,
    S::Error: From<Refusal>,
    P: Deref<Target = RateLimit>,
    C: Clock,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Refusable<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.limit.admit(&self.clock) {
            Ok(()) => Refusable::Made { call: self.inner.call(request) },
            Err(refusal) => Refusable::refused(refusal),
        }
    }
}
