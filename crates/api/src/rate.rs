//! How much each caller may ask, and how much all of them together have under way.
//!
//! The composition root makes one [`Admission`], tunes it and reads its counts; the router asks it around every request.
//! Each token has two buckets. One is for its requests; it is generous, and the operator's own token has one by itself that no
//! setting makes so small that the setting could not be taken back. The other is for requests that are refused for what
//! they are: garbage, no such endpoint, beyond the token. Whoever shows no token that counts has such a bucket for the address it
//! comes from, and only that. So whoever floods the node with garbage gets `RATE_LIMITED` for it and keeps nobody else from
//! anything, not even an honest program at the same address, or behind the same proxy.
//!
//! **Invariant:** a request that shows no token takes nothing out of a token's bucket, and no token out of another's; what is
//! kept of callers has a fixed size however many there are.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use strait_api_types::ErrorCode;
use strait_primitives::TokenId;
use strait_resilience::{
    Bulkhead, ClientLimit, ClientSlots, CoarseClock, RateLimit, RateSettings, Refusal,
};

use crate::ApiError;
use crate::caller::Caller;
use crate::connections::Client;
use crate::limits::{CALLERS_MAX, QUESTIONS_MAX, ROOT_BURST_MIN, ROOT_PER_SECOND_MIN, STREAMS_MAX};

/// What an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionSettings {
    /// Requests of one token; no limit if the rate is 0. The operator's own has a hundred a second all the same.
    pub requests: RateSettings,
    /// Requests of one token, or of one address without one, that are refused for what they are; no limit if 0. As many at
    /// once.
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

    /// What the operator's own token has: enough to take back whatever was set.
    fn root(self) -> RateSettings {
        let RateSettings { per_second, burst } = self.requests;
        if per_second == 0 {
            return self.requests;
        }
        RateSettings {
            per_second: per_second.max(ROOT_PER_SECOND_MIN),
            burst: burst.max(ROOT_BURST_MIN),
        }
    }
}

/// Who is let in: the buckets of clients, and the room for requests under way.
#[derive(Debug)]
pub struct Admission {
    /// Requests of the operator's own token.
    pub root: RateLimit,
    /// Requests of each other token.
    pub requests: ClientLimit,
    /// Requests of each token, and of each address without one, that are refused for what they are.
    pub refused: ClientLimit,
    /// Questions under way.
    pub questions: Arc<Bulkhead>,
    /// Callers who wait for work.
    pub work: Arc<Bulkhead>,
    /// Event streams.
    pub streams: Arc<Bulkhead>,
    /// Makes numbers of callers that nobody outside can aim at.
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
            root: RateLimit::new(settings.root()),
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
        self.root.tune(settings.root());
        self.requests.tune(settings.requests);
        self.refused.tune(settings.refused());
    }

    /// Lets a request through as long as its token keeps to the rate.
    pub(crate) fn admit(&self, caller: &Caller) -> Result<(), ApiError> {
        let admitted = match caller.token() {
            None => self.root.admit(&CoarseClock),
            Some(token) => {
                let number = self.number_of(Asker::Token(Some(token.id)));
                self.requests.admit(number, &CoarseClock)
            }
        };
        admitted.map_err(|refusal| {
            rate_limited(refusal, "this token sends more requests than api.rate_per_second")
        })
    }

    /// Answers `RATE_LIMITED` in place of a refusal to who gets too many of them.
    fn refuse(&self, asker: Asker, response: Response) -> Response {
        match self.refused.admit(self.number_of(asker), &CoarseClock) {
            Ok(()) => response,
            Err(refusal) => {
                let message = "this client sends more bad requests than api.refused_per_second";
                rate_limited(refusal, message).into_response()
            }
        }
    }

    fn number_of(&self, asker: Asker) -> u64 {
        self.secret.hash_one(asker)
    }
}

/// Who asks, as far as rates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asker {
    /// A token; none is the operator's own.
    Token(Option<TokenId>),
    /// Somebody without a token that counts.
    Address(IpAddr),
}

impl Asker {
    /// Whoever has an address of the sixth version has 2^64 of them.
    fn at(client: Client) -> Self {
        Self::Address(match client.0.ip().to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Holds up addresses that show no token that counts. Comes before the token is looked at; no other answer has this status.
pub(crate) async fn limit_strangers(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    let client: Option<Client> = request.extensions().get().copied();
    let response = next.run(request).await;
    match client {
        Some(client) if response.status() == StatusCode::UNAUTHORIZED => {
            admission.refuse(Asker::at(client), response)
        }
        Some(_) | None => response,
    }
}

/// Holds up tokens with bad requests. Comes after the token was looked at.
pub(crate) async fn limit_refusals(
    State(admission): State<Arc<Admission>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let is_route = request.extensions().get::<MatchedPath>().is_some();
    let response = next.run(request).await;
    if is_at_fault(response.status(), is_route.then_some(())) {
        admission.refuse(Asker::Token(caller.token().map(|token| token.id)), response)
    } else {
        response
    }
}

/// True if the request is refused for what it is, whatever the node's state: a program that sends such is broken or probes.
fn is_at_fault(status: StatusCode, route: Option<()>) -> bool {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
        StatusCode::NOT_FOUND => route.is_none(),
        _ => false,
    }
}

fn rate_limited(refusal: Refusal, message: &'static str) -> ApiError {
    let wait = refusal.retry_after().unwrap_or_default().max(Duration::from_millis(1));
    let hint = format!("ask again in {} ms, with the same idempotency key", wait.as_millis());
    ApiError::new(ErrorCode::RateLimited, message, hint).ask_again_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_of_the_sixth_version_are_one_client() {
        let admission = Admission::default();
        let client = |address: &str| Client((address.parse::<IpAddr>().unwrap(), 7).into());
        let number = |address| admission.number_of(Asker::at(client(address)));
        assert_eq!(number("2001:db8:1:2::1"), number("2001:db8:1:2:ffff::9"));
        assert_ne!(number("2001:db8:1:2::1"), number("2001:db8:1:3::1"));
        assert_eq!(number("::ffff:10.0.0.1"), number("10.0.0.1"));
        assert_ne!(number("10.0.0.1"), number("10.0.0.2"));
        let other = Admission::default();
        let address = Asker::at(client("10.0.0.1"));
        assert_ne!(
            other.number_of(address),
            admission.number_of(address),
            "nobody can foretell it"
        );
    }
}
