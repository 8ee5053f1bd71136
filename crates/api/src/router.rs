//! The routes of `/v1` and what every request passes on its way to them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use strait_api_types::ErrorCode;
use strait_resilience::{Bulkhead, Permit};
use strait_telemetry::Sampler;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::Instrument;

use crate::idempotency::Asked;
use crate::limits::{LAST_ANSWERS_WITHIN, WAITING_MAX};
use crate::rate::{self, Admission};
use crate::routes::{
    channels, contracts, events, locks, node, payments, recovery, settings, wallet,
};
use crate::token::Token;
use crate::waiting::{Crowded, Waiting};
use crate::{ApiError, Backend, OnAnswer, answered, traced};

/// What the handlers share.
pub(crate) struct Shared<B> {
    /// The node.
    backend: Arc<B>,
    /// What every caller must show.
    token: Token,
    /// How long a caller waits for an answer; the work itself has no limit.
    answer_within: Duration,
    /// Who is let in, and how much of what may be under way.
    admission: Arc<Admission>,
    /// Requests with a key that the node works on, those of callers who left included.
    waiting: Arc<Waiting>,
    /// Becomes true when the server stops; event streams end then.
    stopping: watch::Receiver<bool>,
}

/// The handlers' state.
pub(crate) type Api<B> = Arc<Shared<B>>;

/// Whose room a request takes. What waits for peers has its own, so that it never keeps an operator from looking, or
/// from closing a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Questions, and the closing of channels.
    Questions,
    /// Everything else.
    Work,
}

impl<B: Backend> Shared<B> {
    pub(crate) fn new(
        backend: Arc<B>,
        token: Token,
        answer_within: Duration,
        admission: Arc<Admission>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let waiting = Waiting::new(WAITING_MAX);
        Self { backend, token, answer_within, admission, waiting, stopping }
    }

    /// Puts a question to the node in a task of its own, so that a caller who leaves does not break it off in the
    /// middle, and waits a while for the answer. The task waits no longer than its caller may.
    pub(crate) async fn ask<T, F, Q>(&self, room: Room, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<B>) -> Q,
        Q: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let permit = self.permit(room)?;
        let (answer, patience) = (question(Arc::clone(&self.backend)), self.patience());
        let work = async move {
            let answer = tokio::select! {
                answer = answer => Some(answer),
                () = patience => None,
            };
            drop(permit);
            answer
        };
        let task = tokio::spawn(work.in_current_span());
        match task.await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(self.still_running()),
            Err(lost) => Err(ApiError::internal(&lost)),
        }
    }

    /// Puts a request that moves money to the node, or joins the asking that waits under its key, and waits a while.
    ///
    /// Neither a caller that leaves nor the time limit stops the work; both free the caller's permit.
    pub(crate) async fn ask_once<T, F, Q>(
        &self,
        room: Room,
        asked: Asked,
        question: F,
    ) -> Result<T, ApiError>
    where
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Arc<B>) -> Q,
        Q: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let _permit = self.permit(room)?;
        let backend = Arc::clone(&self.backend);
        let caller = self.waiting.join(asked, || question(backend));
        let mut caller = caller.map_err(|Crowded| busy())?;
        tokio::select! {
            answer = caller.outcome() => answer,
            () = self.patience() => Err(self.still_running()),
        }
    }

    /// Takes the room of an event stream, for as long as the stream lives.
    pub(crate) fn stream_permit(&self) -> Result<Permit<Arc<Bulkhead>>, ApiError> {
        Bulkhead::enter(Arc::clone(&self.admission.streams)).map_err(|_full| busy())
    }

    fn permit(&self, room: Room) -> Result<Permit<Arc<Bulkhead>>, ApiError> {
        let room = match room {
            Room::Questions => &self.admission.questions,
            Room::Work => &self.admission.work,
        };
        Bulkhead::enter(Arc::clone(room)).map_err(|_full| busy())
    }

    /// How long a caller waits: a stopping server has less time for each.
    fn patience(&self) -> impl Future<Output = ()> + Send + 'static {
        let (limit, stopped) = (self.answer_within, self.stopped());
        async move {
            tokio::select! {
                () = sleep(limit) => {}
                () = async { stopped.await; sleep(LAST_ANSWERS_WITHIN).await } => {}
            }
        }
    }

    fn still_running(&self) -> ApiError {
        ApiError::new(
            ErrorCode::StillRunning,
            format!("no answer within {} ms; the work goes on", self.answer_within.as_millis()),
            "ask again with the same idempotency key to learn how it ended",
        )
    }

    /// Resolves when the server stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            // An error means that the server is gone, which is a stop too.
            let _gone = stopping.wait_for(|stop| *stop).await;
        }
    }
}

fn busy() -> ApiError {
    ApiError::new(
        ErrorCode::Busy,
        "the node is working on as many requests as it takes",
        "ask again in a second, with the same idempotency key: a request with it may be under way",
    )
}

/// Builds the routes.
pub(crate) fn router<B: Backend>(
    shared: Api<B>,
    on_answer: OnAnswer,
    sampler: Arc<Sampler>,
) -> Router {
    let admission = Arc::clone(&shared.admission);
    Router::new()
        .route("/v1/status", get(node::status::<B>))
        .route("/v1/settings", get(settings::settings::<B>).patch(settings::change_settings::<B>))
        .route("/v1/peers", get(node::peers::<B>).post(node::connect_peer::<B>))
        .route("/v1/channels", get(channels::channels::<B>).post(channels::open_channel::<B>))
        .route("/v1/channels/{channel_id}", get(channels::channel::<B>))
        .route("/v1/channels/{channel_id}/close", post(channels::close_channel::<B>))
        .route("/v1/recovery", get(recovery::recoveries::<B>))
        .route("/v1/recovery/{channel_id}", post(recovery::recover::<B>))
        .route("/v1/payments", post(payments::pay::<B>))
        .route("/v1/locks", get(locks::locks::<B>).post(locks::offer_lock::<B>))
        .route("/v1/locks/{channel_id}/{direction}/{number}", get(locks::lock::<B>))
        .route("/v1/locks/{channel_id}/{direction}/{number}/claim", post(locks::claim_lock::<B>))
        .route("/v1/locks/{channel_id}/{direction}/{number}/cancel", post(locks::cancel_lock::<B>))
        .route(
            "/v1/contracts/modules",
            get(contracts::modules::<B>).post(contracts::add_module::<B>),
        )
        .route("/v1/contracts", get(contracts::contracts::<B>).post(contracts::open_contract::<B>))
        .route("/v1/contracts/{contract_id}", get(contracts::contract::<B>))
        .route("/v1/contracts/{contract_id}/actions", post(contracts::act::<B>))
        .route("/v1/contracts/{contract_id}/settle", post(contracts::settle::<B>))
        .route("/v1/wallet", get(wallet::wallet::<B>))
        .route("/v1/wallet/addresses", post(wallet::new_address::<B>))
        .route("/v1/wallet/sends", post(wallet::send_coins::<B>))
        .route("/v1/events", get(events::events::<B>))
        .route("/v1/openapi.json", get(node::openapi))
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&admission), rate::limit_requests))
        .layer(middleware::from_fn_with_state(sampler, traced::trace))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), authenticate::<B>))
        .layer(middleware::from_fn_with_state(admission, rate::limit_refusals))
        .layer(middleware::from_fn_with_state(on_answer, answered::tell))
        .with_state(shared)
}

/// Lets a request through if it shows the token. Nothing of a request without it is looked at.
async fn authenticate<B: Backend>(
    State(api): State<Api<B>>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match shown.and_then(bearer) {
        Some(token) if api.token.is_shown_by(token) => next.run(request).await,
        Some(_) => unauthorized("the bearer token is not this node's"),
        None => unauthorized("there is no bearer token"),
    }
}

/// The token in an `Authorization` header, if the scheme is Bearer.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

fn unauthorized(message: &'static str) -> Response {
    ApiError::new(
        ErrorCode::Unauthorized,
        message,
        "send Authorization: Bearer with the content of the node's token file",
    )
    .into_response()
}

async fn no_such_endpoint(request: Request) -> ApiError {
    ApiError::new(
        ErrorCode::EndpointNotFound,
        format!("there is no endpoint {}", request.uri().path()),
        "GET /v1/openapi.json lists the endpoints; all begin with /v1",
    )
}

async fn no_such_method(request: Request) -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        format!("{} does not take {}", request.uri().path(), request.method()),
        "the Allow header names the methods it takes",
    )
}

#[cfg(test)]
mod tests;
