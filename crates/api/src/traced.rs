//! Requests that are traced: each has a span from its arrival to its answer, within the caller's trace if it names one.
//!
//! A caller that sends `traceparent` gets it back as `traceresponse`, with this node's span in it where spans are
//! exported. Beyond the authentication only: strangers trace nothing.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use strait_telemetry::{Sampler, TARGET, TraceParent, continue_trace};
use tracing::field::Empty;
use tracing::{Instrument, Level, span};

use crate::answered::method_name;

/// The caller's place in its trace.
const PARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the node made of it.
const RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Traces a request if the sampler draws it.
pub(crate) async fn trace(
    State(sampler): State<Arc<Sampler>>,
    request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(PARENT).and_then(|value| value.to_str().ok());
    // The specification wants one that cannot be read to be taken for none.
    let caller: Option<TraceParent> = header.and_then(|text| text.parse().ok());
    if !sampler.draws(caller.as_ref()) {
        let response = next.run(request).await;
        return echoed(response, caller);
    }
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = span!(
        target: TARGET,
        parent: None,
        Level::DEBUG,
        "api",
        otel.kind = "server",
        http.request.method = method_name(request.method()),
        http.route = route,
        http.response.status_code = Empty,
        trace_id = Empty,
    );
    let here = continue_trace(&span, caller);
    if let Some(here) = here {
        span.record("trace_id", format_args!("{:032x}", here.trace()));
    }
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    echoed(response, here.or(caller))
}

fn echoed(mut response: Response, place: Option<TraceParent>) -> Response {
    if let Some(place) = place
        && let Ok(value) = HeaderValue::try_from(place.to_string())
    {
        response.headers_mut().insert(RESPONSE, value);
    }
    response
}
