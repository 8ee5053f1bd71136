//! The routes of `/v1` and what every request passes on its way to them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use strait_api_types::ErrorCode;
use strait_resilience::{Bulkhead, Permit};
use strait_telemetry::Sampler;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::Instrument;

use crate::audit::Call;
use crate::caller::{self, Caller, unauthorized};
use crate::idempotency::Asked;
use crate::limits::{LAST_ANSWERS_WITHIN, WAITING_MAX};
use crate::rate::{self, Admission};
use crate::routes::{
    channels, contracts, events, locks, node, payments, recovery, settings, tokens, wallet,
};
use crate::token::Token;
use crate::waiting::{Crowded, Waiting};
use crate::{ApiError, AuditLog, Backend, OnAnswer, answered, traced};

/// What the handlers share.
pub(crate) struct Shared<B> {
    /// The node.
    backend: Arc<B>,
    /// What every caller must show.
    token: Token,
    /// How long a caller waits for an answer; the work itself has no limit.
    answer_within: Duration,
    /// Where calls that change something are told.
    audit: Option<AuditLog>,
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
        audit: Option<AuditLog>,
        admission: Arc<Admission>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let waiting = Waiting::new(WAITING_MAX);
        Self { backend, token, answer_within, audit, admission, waiting, stopping }
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
        .route("/v1/tokens", get(tokens::tokens::<B>).post(tokens::create_token::<B>))
        .route("/v1/tokens/{token_id}", delete(tokens::revoke_token::<B>))
        .route("/v1/events", get(events::events::<B>))
        .route("/v1/openapi.json", get(node::openapi))
        .fallback(no_such_endpoint)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(sampler, traced::trace))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), let_in::<B>))
        .layer(middleware::from_fn_with_state(Arc::clone(&admission), rate::limit_refusals))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), authenticate::<B>))
        .layer(middleware::from_fn_with_state(admission, rate::limit_strangers))
        .layer(middleware::from_fn_with_state(on_answer, answered::tell))
        .with_state(shared)
}

/// Lets a request through if it shows a token that counts. Nothing of any other is looked at.
async fn authenticate<B: Backend>(
    State(api): State<Api<B>>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&api, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Lets a request through if its token keeps to its rate and covers it, and if what it changes can be told; tells of it
/// before its answer leaves.
async fn let_in<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let audit = api.audit.as_ref().filter(|_| changes(request.method()));
    let mut call = audit.map(|audit| Call::new(audit.clone(), caller.clone(), &request));
    let admitted = api.admission.admit(&caller).and_then(|()| covered(&caller, &request));
    let begun = admitted.and_then(|()| call.as_mut().map_or(Ok(()), Call::begin));
    let response = match begun {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(call) = call {
        call.answered(&response);
    }
    response
}

/// True unless a request only looks.
fn changes(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Refuses what the caller's token does not cover. What matches no route is told so, whoever asks.
fn covered(caller: &Caller, request: &Request) -> Result<(), ApiError> {
    let route = request.extensions().get::<MatchedPath>();
    route.map_or(Ok(()), |route| caller::check(caller, request.method(), route.as_str()))
}

/// Who asks, if they have a token.
fn identify<B: Backend>(api: &Api<B>, request: &Request) -> Result<Caller, ApiError> {
    let shown = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    match shown.and_then(bearer) {
        Some(token) if api.token.is_shown_by(token) => Ok(Caller::root()),
        Some(token) => caller::identify(&api.backend, token),
        None => Err(unauthorized("there is no bearer token")),
    }
}

/// The token in an `Authorization` header, if the scheme is Bearer.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
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
