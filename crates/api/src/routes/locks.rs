//! `/v1/locks`.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use strait_api_types::{
    BODY_BYTES_MAX, ClaimLockRequest, ErrorBody, ErrorCode, Lock, LockList, OfferLockRequest,
};
use strait_payment::LockKey;

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::receipts::lock_for;
use crate::request::lock::{RawLockQuery, lock_key, preimage};
use crate::router::{Api, Room};
use crate::{ApiError, Backend, LockQuery, OfferLock, body};

/// The lock that a path names.
pub(crate) struct PathLock(LockKey);

impl<S: Send + Sync> FromRequestParts<S> for PathLock {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path((channel, direction, number)) =
            Path::<(String, String, String)>::from_request_parts(parts, state).await.map_err(
                |error| ApiError::invalid_field("lock", &error.body_text(), "give it as text"),
            )?;
        lock_key(&channel, &direction, &number).map(Self)
    }
}

/// What of a lock's name goes into the hash of a request: each part has one length.
fn parts_of(lock: &LockKey) -> ([u8; 32], [u8; 9]) {
    let mut rest = [u8::from(lock.offerer.is_holder()); 9];
    rest[..8].copy_from_slice(&lock.id.0.to_be_bytes());
    (lock.channel.to_bytes(), rest)
}

/// Locks in use, and the last thousand that are over.
#[utoipa::path(get, path = "/v1/locks", tag = "locks",
    params(
        ("channel_id" = Option<String>, Query, description = "Only those of this channel, in hex"),
        ("direction" = Option<String>, Query, description = "Only those that are sent or received"),
        ("state" = Option<String>, Query, description = "Only those in this state"),
        ("after" = Option<String>, Query, description = "Only those that come after this lock_id: the last page's next_after"),
        ("limit" = Option<u32>, Query, description = "How many at most: 100 unless told, 1,000 at most"),
    ),
    responses(
        (status = 200, body = LockList),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn locks<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<LockList>, ApiError> {
    let Query(raw) = Query::<RawLockQuery>::try_from_uri(&uri).map_err(|error| {
        let right = "locks take channel_id, direction, state, after and limit";
        ApiError::invalid_field("query", &error.body_text(), right)
    })?;
    let query = LockQuery::try_from(raw)?;
    let list = api.ask(Room::Questions, move |node| async move { node.locks(query).await }).await?;
    let locks = list.locks.into_iter().map(|lock| lock_for(&caller, lock)).collect();
    Ok(Json(LockList { locks, ..list }))
}

/// One lock.
#[utoipa::path(get, path = "/v1/locks/{channel_id}/{direction}/{number}", tag = "locks",
    params(
        ("channel_id" = String, Path, description = "Its channel, in hex"),
        ("direction" = String, Path, description = "Who offered it: sent (this node) or received (its peer)"),
        ("number" = u64, Path, description = "Which of its offerer's in this channel"),
    ),
    responses(
        (status = 200, body = Lock),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn lock<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathLock(lock): PathLock,
) -> Result<Json<Lock>, ApiError> {
    let lock = api.ask(Room::Questions, move |node| async move { node.lock(lock).await }).await?;
    Ok(Json(lock_for(&caller, lock)))
}

/// Offers a lock over a channel.
#[utoipa::path(post, path = "/v1/locks", tag = "locks", request_body = OfferLockRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again")),
    responses(
        (status = 200, body = Lock, description = "The lock stands in both sides' commitments"),
        (status = "default", body = ErrorBody,
            description = "Failure; after STILL_RUNNING, BUSY, NOT_READY, INTERNAL and REQUEST_TIMEOUT the lock may still be offered: ask again with the same key"),
    ))]
pub(crate) async fn offer_lock<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Lock>, ApiError> {
    let key = request_key(Operation::OfferLock, &caller, &headers)?;
    let (raw, body): (OfferLockRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = OfferLock { payer: caller.payer(), ..OfferLock::try_from(raw)? };
    caller.note(Some(request.amount.to_msat()), request.channel.to_string());
    let asked = Asked::new(key, &[&body]);
    api.ask_once(Room::Work, asked, |node| async move { node.offer_lock(key, request).await })
        .await
        .map(Json)
}

/// Claims a lock that is held for this node's user, by its preimage.
#[utoipa::path(post, path = "/v1/locks/{channel_id}/{direction}/{number}/claim", tag = "locks",
    request_body = ClaimLockRequest,
    params(
        ("channel_id" = String, Path, description = "Its channel, in hex"),
        ("direction" = String, Path, description = "received: only those are held here"),
        ("number" = u64, Path, description = "Which of the peer's in this channel"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = Lock, description = "The money is this node's, irrevocably"),
        (status = "default", body = ErrorBody,
            description = "Failure; after STILL_RUNNING the claim goes on, on chain if the peer stays away"),
    ))]
pub(crate) async fn claim_lock<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathLock(lock): PathLock,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Lock>, ApiError> {
    caller.note(None, lock.to_string());
    let key = request_key(Operation::ClaimLock, &caller, &headers)?;
    let read = body::json(&caller, &headers, body, BODY_BYTES_MAX).await;
    let (raw, body): (ClaimLockRequest, Bytes) = read.map_err(without_the_body)?;
    let preimage = preimage(&raw)?;
    let (channel, rest) = parts_of(&lock);
    let asked = Asked::new(key, &[&channel, &rest, &body]);
    api.ask_once(Room::Work, asked, move |node| async move {
        node.claim_lock(key, lock, preimage).await
    })
    .await
    .map(Json)
}

/// What does not parse may be a preimage in the wrong place: it must not come back in words that are logged.
fn without_the_body(error: ApiError) -> ApiError {
    if error.code() != ErrorCode::MalformedBody {
        return error;
    }
    let right = r#"send {"preimage":"HEX"} with 64 hex digits, and no other fields"#;
    ApiError::new(ErrorCode::MalformedBody, "the body does not parse", right)
}

/// Gives a lock back that is held for this node's user.
#[utoipa::path(post, path = "/v1/locks/{channel_id}/{direction}/{number}/cancel", tag = "locks",
    params(
        ("channel_id" = String, Path, description = "Its channel, in hex"),
        ("direction" = String, Path, description = "received: only those are held here"),
        ("number" = u64, Path, description = "Which of the peer's in this channel"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = Lock, description = "The lock is gone, irrevocably"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn cancel_lock<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathLock(lock): PathLock,
    headers: HeaderMap,
) -> Result<Json<Lock>, ApiError> {
    caller.note(None, lock.to_string());
    let key = request_key(Operation::CancelLock, &caller, &headers)?;
    let (channel, rest) = parts_of(&lock);
    let asked = Asked::new(key, &[&channel, &rest]);
    api.ask_once(Room::Work, asked, move |node| async move { node.cancel_lock(key, lock).await })
        .await
        .map(Json)
}
