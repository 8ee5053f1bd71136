//! `/v1/recovery`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use strait_api_types::{BODY_BYTES_MAX, ErrorBody, RecoverRequest, Recovery, RecoveryList};

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::router::{Api, Room};
use crate::routes::PathId;
use crate::{ApiError, Backend, Recover, body};

/// All channels whose state is not trusted.
#[utoipa::path(get, path = "/v1/recovery", tag = "recovery", responses(
    (status = 200, body = RecoveryList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn recoveries<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<RecoveryList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.recoveries().await }).await.map(Json)
}

/// Says how one of them is to end.
#[utoipa::path(post, path = "/v1/recovery/{channel_id}", tag = "recovery",
    request_body = RecoverRequest,
    params(
        ("channel_id" = String, Path, description = "The channel, in hex"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = Recovery, description = "The choice is durable"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn recover<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathId(channel): PathId<strait_primitives::ChannelId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Recovery>, ApiError> {
    caller.note(None, channel.to_string());
    let key = request_key(Operation::Recover, &caller, &headers)?;
    let (raw, body): (RecoverRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = Recover::try_from(raw)?;
    let asked = Asked::new(key, &[channel.as_bytes(), &body]);
    api.ask_once(
        Room::Questions,
        asked,
        |node| async move { node.recover(key, channel, request).await },
    )
    .await
    .map(Json)
}
