//! How much each client may ask, and how much all of them together have under way.
//!
//! The composition root makes one [`Admission`], tunes it and reads its counts; the router asks it around every request.
//! Each client, that is each address, has two buckets. One is for requests that show a token; it is generous. The other is
//! for requests that are refused for what they are: no token, garbage, no such endpoint. Only these take from it, so
//! whoever floods the node with garbage gets `RATE_LIMITED` for it and keeps nobody else from anything, not even an honest
//! program at the same address.
//!
//! **Invariant:** a request that shows no token takes no token of an honest client's bucket; what is kept of clients has a
//! fixed size however many there are.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use strait_api_types::ErrorCode;
use strait_resilience::{Bulkhead, ClientLimit, ClientSlots, CoarseClock, RateSettings, Refusal};

use crate::ApiError;
use crate::connections::Client;
use crate::limits::{CALLERS_MAX, QUESTIONS_MAX, STREAMS_MAX};

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Requests of one client; no limit if the rate is 0.
    pub requests: RateSettings,
    /// Requests of one client that are refused for what they are; no limit if 0. As many at once.
    pub refused_per_second: u32,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        let requests = RateSettings { per_second: 50_000, burst: 100_000 };
        Self { requests, refused_per_second: 50 }
    }
}

impl AdmissionSettings {
    const fn refused(self) -> RateSettings {
        RateSettings { per_second: self.refused_per_second, burst: self.refused_per_second }
    }
}

/// Who is let in: the buckets of clients, and the room for requests under way.
#[derive(Debug)]
pub struct Admission {
    /// Requests of each client that show a token.
    pub requests: ClientLimit,
    /// Requests of each client that are refused for what they are.
    pub refused: ClientLimit,
    /// Questions under way.
    pub questions: Arc<Bulkhead>,
    /// Callers who wait for work.
    pub work: Arc<Bulkhead>,
    /// Event streams.
    pub streams: Arc<Bulkhead>,
    /// Makes numbers of addresses that nobody outside can aim at.
    secret: RandomState,
}

impl Default for Admission {
    fn default() -> Self {
        Self::new(AdmissionSettings::default())
    }
}

impl Admission {
    /// Rules with these settings.
    #[must_use]
    pub fn new(settings: AdmissionSettings) -> Self {
        let limit = |rate| ClientLimit::new(rate, ClientSlots::default());
        let [questions, work, streams] = [QUESTIONS_MAX, CALLERS_MAX, STREAMS_MAX]
            .map(|most| Arc::new(Bulkhead::new(most, most)));
        Self {
            requests: limit(settings.requests),
            refused: limit(settings.refused()),
            questions,
            work,
            streams,
            secret: RandomState::new(),
        }
    }

    /// Changes the settings; they count from the next request on.
    pub fn tune(&self, settings: AdmissionSettings) {
        self.requests.tune(settings.requests);
        self.refused.tune(settings.refused());
    }

    /// The client's number. Whoever has an address of the sixth version has 2^64 of them.
    fn number_of(&self, client: Client) -> u64 {
        let address = match client.0.ip().to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        };
        self.secret.hash_one(address)
    }
}

/// Lets a request with a token through as long as its client keeps to the rate. Comes after the token was looked at.
pub(crate) async fn limit_requests(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(client) = request.extensions().get().copied()
        && let Err(refusal) = admission.requests.admit(admission.number_of(client), &CoarseClock)
    {
        return rate_limited(refusal, "this client sends more requests than api.rate_per_second");
    }
    next.run(request).await
}

/// Answers `RATE_LIMITED` in place of other refusals to a client that gets too many of them. Comes before the token is
/// looked at.
pub(crate) async fn limit_refusals(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    let client: Option<Client> = request.extensions().get().copied();
    let is_route = request.extensions().get::<MatchedPath>().is_some();
    let response = next.run(request).await;
    if let Some(client) = client
        && is_at_fault(response.status(), is_route.then_some(()))
        && let Err(refusal) = admission.refused.admit(admission.number_of(client), &CoarseClock)
    {
        return rate_limited(
            refusal,
            "this client sends more bad requests than api.refused_per_second",
        );
    }
    response
}

/// True if the request is refused for what it is, whatever the node's state: a program that sends such is broken or probes.
fn is_at_fault(status: StatusCode, route: Option<()>) -> bool {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
        StatusCode::NOT_FOUND => route.is_none(),
        _ => false,
    }
}

fn rate_limited(refusal: Refusal, message: &'static str) -> Response {
    let wait = refusal.retry_after().unwrap_or_default().max(Duration::from_millis(1));
    let hint = format!("ask again in {} ms, with the same idempotency key", wait.as_millis());
    let mut response = ApiError::new(ErrorCode::RateLimited, message, hint).into_response();
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_of_the_sixth_version_are_one_client() {
        let admission = Admission::default();
        let client = |address: &str| Client((address.parse::<IpAddr>().unwrap(), 7).into());
        let number = |address| admission.number_of(client(address));
        assert_eq!(number("2001:db8:1:2::1"), number("2001:db8:1:2:ffff::9"));
        assert_ne!(number("2001:db8:1:2::1"), number("2001:db8:1:3::1"));
        assert_eq!(number("::ffff:10.0.0.1"), number("10.0.0.1"));
        assert_ne!(number("10.0.0.1"), number("10.0.0.2"));
        let other = Admission::default();
        let address = client("10.0.0.1");
        assert_ne!(
            other.number_of(address),
            admission.number_of(address),
            "nobody can foretell it"
        );
    }
}
