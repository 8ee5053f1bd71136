//! `/v1/events`: the log's public events, as a stream that can be resumed or as pages.
//!
//! Back-pressure: the backend's stream is polled only when the connection takes more, so a slow reader costs the
//! node nothing but its place in the log.
//!
//! A stream ends with the token it was opened with: no event is sent after that, and a silent one ends within a second.

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use strait_api_types::{
    EVENT_PAGE_DEFAULT, EVENT_PAGE_MAX, ErrorBody, ErrorCode, Event, EventPage,
};
use strait_primitives::EventSeq;
use tokio::time::sleep;

use crate::caller::Caller;
use crate::limits::TOKEN_LOOK;
use crate::receipts::event_for;
use crate::router::{Api, Room};
use crate::{ApiError, Backend, Follow, request};

/// Pause after which a silent stream sends a comment, so that dead connections are noticed on both ends.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The query as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    from: Option<String>,
    limit: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// The first place wanted.
    from: EventSeq,
    /// How many events at most.
    limit: Option<u32>,
    /// In which form.
    form: Form,
}

/// The forms of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Server-sent events, without end.
    Stream,
    /// One JSON object.
    Page,
}

/// Events from a place in the log on.
///
/// `Accept: text/event-stream` (or nothing) gives server-sent events that go on for ever: `id` is the event's `seq`, `data` the
/// event as JSON; a `Last-Event-ID` header resumes after that event and goes before `from`. A failure arrives as an
/// event named `error`, and ends the stream. `Accept: application/json` gives one page of what is there now.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(
        ("from" = Option<u64>, Query, description = "The first place wanted; the oldest there is if absent or 0"),
        ("limit" = Option<u32>, Query, description = "How many events at most: a page has 100 unless told, 1,000 at most; a stream has no limit unless told"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The seq of the last event that arrived"),
    ),
    responses(
        (status = 200, content((EventPage = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn events<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wanted = wanted(&uri, &headers)?;
    match wanted.form {
        Form::Stream => follow(&api, caller, wanted).await,
        Form::Page => page(&api, caller, wanted).await.map(IntoResponse::into_response),
    }
}

async fn follow<B: Backend>(
    api: &Api<B>,
    caller: Caller,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let from = wanted.from;
    let permit = api.stream_permit()?;
    let events = api
        .ask(Room::Questions, |node| async move { node.events(from, Follow::Forever).await })
        .await?;
    let limit =
        wanted.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let ended = stream::once(end_of_token(caller.clone())).map(Err);
    let again = caller.clone();
    let events = events.map(move |event| again.check_again().and(event));
    let events = until_failure(stream::select(events, ended))
        .filter_map(move |event| ready(event.map(|event| event_for(&caller, event)).transpose()));
    let events = events.take(limit).take_until(api.stopped());
    // The stream keeps its room for as long as it lives.
    let events = events.map(move |event| {
        let _held = &permit;
        sent(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// Waits until the caller's token has ended, and says how. The operator's own never does.
async fn end_of_token(caller: Caller) -> ApiError {
    loop {
        if let Err(ended) = caller.check_again() {
            return ended;
        }
        sleep(TOKEN_LOOK).await;
    }
}

async fn page<B: Backend>(
    api: &Api<B>,
    caller: Caller,
    wanted: Wanted,
) -> Result<Json<EventPage>, ApiError> {
    let limit = wanted.limit.unwrap_or(EVENT_PAGE_DEFAULT);
    let limit = usize::try_from(limit).expect("a u32 fits into usize on every platform we run on");
    let from = wanted.from;
    let events = api
        .ask(Room::Questions, move |node| async move {
            let mut source = pin!(node.events(from, Follow::UntilNow).await?.take(limit));
            let mut events = Vec::new();
            while let Some(event) = source.next().await {
                events.push(event?);
            }
            Ok(events)
        })
        .await?;
    let next_from = match events.last() {
        Some(Event { seq, .. }) => seq.saturating_add(1),
        None => from.max(EventSeq::ZERO.next()).to_u64(),
    };
    let events = events.into_iter().filter_map(|event| event_for(&caller, event)).collect();
    Ok(Json(EventPage { events, next_from }))
}

/// Ends a stream after its first failure.
fn until_failure<S>(events: S) -> impl Stream<Item = Result<Event, ApiError>>
where
    S: Stream<Item = Result<Event, ApiError>>,
{
    events.scan(Ok(()), |before: &mut Result<(), ()>, event| {
        let item = before.is_ok().then_some(event);
        if matches!(item, Some(Err(_))) {
            *before = Err(());
        }
        ready(item)
    })
}

/// One event as it goes over the line.
fn sent(event: Result<Event, ApiError>) -> Result<sse::Event, Infallible> {
    Ok(match event {
        Ok(event) => {
            let json =
                serde_json::to_string(&event).expect("an event has only strings and numbers");
            sse::Event::default().id(event.seq.to_string()).data(json)
        }
        Err(error) => {
            error.log();
            let json = serde_json::to_string(&error.to_body()).expect("an error has only strings");
            sse::Event::default().event("error").data(json)
        }
    })
}

fn wanted(uri: &Uri, headers: &HeaderMap) -> Result<Wanted, ApiError> {
    let Query(raw) = Query::<RawQuery>::try_from_uri(uri).map_err(|error| {
        ApiError::invalid_field("query", &error.body_text(), "events take from and limit")
    })?;
    let form = form(headers)?;
    let from = match headers.get("last-event-id") {
        Some(value) => {
            let last = request::event_seq("Last-Event-ID", value.to_str().unwrap_or_default())?;
            EventSeq::new(last.to_u64().saturating_add(1))
        }
        None => match raw.from {
            Some(text) => request::event_seq("from", &text)?,
            None => EventSeq::ZERO,
        },
    };
    let limit = raw.limit.map(|text| limit(&text, form)).transpose()?;
    Ok(Wanted { from, limit, form })
}

fn limit(text: &str, form: Form) -> Result<u32, ApiError> {
    let most = match form {
        Form::Stream => u32::MAX,
        Form::Page => EVENT_PAGE_MAX,
    };
    text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
        ApiError::invalid_field(
            "limit",
            "is not a number of events",
            &format!("give a whole number from 1 to {most}"),
        )
    })
}

/// Streams unless the caller takes only JSON.
fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let Some(accept) = headers.get(header::ACCEPT) else {
        return Ok(Form::Stream);
    };
    let accept = accept.to_str().unwrap_or_default();
    let mut types = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    let takes = |wanted: &[&str]| types.clone().any(|given| wanted.contains(&given));
    if takes(&["text/event-stream", "text/*"]) {
        return Ok(Form::Stream);
    }
    if takes(&["application/json", "application/*"]) {
        return Ok(Form::Page);
    }
    if types.any(|given| given == "*/*") {
        return Ok(Form::Stream);
    }
    Err(ApiError::new(
        ErrorCode::NotAcceptable,
        format!("there is no {accept} of events"),
        "accept text/event-stream for a stream or application/json for a page",
    ))
}
