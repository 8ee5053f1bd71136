//! Word of every answered request, for counters: which route, which method, which status.
//!
//! **Invariant:** route and method come from bounded sets, whatever a caller sends, so that no caller fills a monitoring
//! system.

use core::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use strait_api_types::ErrorCode;

/// The route of requests that match none.
const NO_ROUTE: &str = "none";

/// One answered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The route as the router knows it, `/v1/channels/{channel_id}`; `none` for a path that matches no route.
    pub route: &'a str,
    /// `GET`, `POST`, `PATCH`, `DELETE` or `other`.
    pub method: &'static str,
    /// The status code of the answer.
    pub status: u16,
    /// What was wrong, if something was.
    pub refusal: Option<ErrorCode>,
}

/// Who hears of every answered request.
#[derive(Clone)]
pub struct OnAnswer(Arc<dyn Fn(Answered<'_>) + Send + Sync>);

impl OnAnswer {
    /// Calls this for every answered request, refused ones included.
    #[must_use]
    pub fn new(hear: impl Fn(Answered<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// Nobody hears of it.
    #[must_use]
    pub fn nobody() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for OnAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnAnswer")
    }
}

/// Tells of a request once it is answered.
pub(crate) async fn tell(
    State(on_answer): State<OnAnswer>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_name(request.method());
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let refusal = response.extensions().get::<ErrorCode>().copied();
    (on_answer.0)(Answered { route, method, status: response.status().as_u16(), refusal });
    response
}

/// A method's name, out of a bounded set.
pub(crate) fn method_name(method: &Method) -> &'static str {
    if *method == Method::GET {
        "GET"
    } else if *method == Method::POST {
        "POST"
    } else if *method == Method::PATCH {
        "PATCH"
    } else if *method == Method::DELETE {
        "DELETE"
    } else {
        "other"
    }
}
