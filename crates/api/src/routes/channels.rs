//! `/v1/channels`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use strait_api_types::{
    BODY_BYTES_MAX, Channel, ChannelList, CloseChannelRequest, ErrorBody, OpenChannelRequest,
};

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::router::{Api, Room};
use crate::routes::PathId;
use crate::{ApiError, Backend, OpenChannel, body};

/// All channels, finished ones included.
#[utoipa::path(get, path = "/v1/channels", tag = "channels", responses(
    (status = 200, body = ChannelList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn channels<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<ChannelList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.channels().await }).await.map(Json)
}

/// One channel.
#[utoipa::path(get, path = "/v1/channels/{channel_id}", tag = "channels",
    params(("channel_id" = String, Path, description = "The channel, in hex")),
    responses(
        (status = 200, body = Channel),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn channel<B: Backend>(
    State(api): State<Api<B>>,
    PathId(channel): PathId<strait_primitives::ChannelId>,
) -> Result<Json<Channel>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.channel(channel).await }).await.map(Json)
}

/// Opens a channel.
#[utoipa::path(post, path = "/v1/channels", tag = "channels", request_body = OpenChannelRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again")),
    responses(
        (status = 200, body = Channel, description = "The opening is durable"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn open_channel<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Channel>, ApiError> {
    let key = request_key(Operation::OpenChannel, &caller, &headers)?;
    let (raw, body): (OpenChannelRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = OpenChannel::try_from(raw)?;
    caller.note(Some(request.capacity.to_millisats().to_msat()), request.node.to_string());
    let asked = Asked::new(key, &[&body]);
    api.ask_once(Room::Work, asked, |node| async move { node.open_channel(key, request).await })
        .await
        .map(Json)
}

/// Closes a channel, with the peer or alone.
#[utoipa::path(post, path = "/v1/channels/{channel_id}/close", tag = "channels",
    request_body = CloseChannelRequest,
    params(
        ("channel_id" = String, Path, description = "The channel, in hex"),
        ("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again"),
    ),
    responses(
        (status = 200, body = Channel, description = "The decision is durable"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn close_channel<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathId(channel): PathId<strait_primitives::ChannelId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Channel>, ApiError> {
    caller.note(None, channel.to_string());
    let key = request_key(Operation::CloseChannel, &caller, &headers)?;
    let (raw, body): (CloseChannelRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let mode = raw.mode;
    let asked = Asked::new(key, &[channel.as_bytes(), &body]);
    api.ask_once(Room::Questions, asked, |node| async move {
        node.close_channel(key, channel, mode).await
    })
    .await
    .map(Json)
}
