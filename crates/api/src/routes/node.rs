//! `/v1/status` and `/v1/peers`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use strait_api_types::{
    BODY_BYTES_MAX, ConnectPeerRequest, ErrorBody, Peer, PeerList, StatusResponse,
};

use crate::caller::Caller;
use crate::router::{Api, Room};
use crate::{ApiError, Backend, ConnectPeer, body};

/// The OpenAPI document of this interface, for tools. It does not list itself.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], crate::openapi_json()).into_response()
}

/// The node at a glance.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses(
    (status = 200, body = StatusResponse),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn status<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<StatusResponse>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.status().await }).await.map(Json)
}

/// All peers.
#[utoipa::path(get, path = "/v1/peers", tag = "node", responses(
    (status = 200, body = PeerList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn peers<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<PeerList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.peers().await }).await.map(Json)
}

/// Connects to a peer and stays connected.
#[utoipa::path(post, path = "/v1/peers", tag = "node", request_body = ConnectPeerRequest, responses(
    (status = 200, body = Peer, description = "The connection stands"),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn connect_peer<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Peer>, ApiError> {
    let (raw, _body): (ConnectPeerRequest, _) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = ConnectPeer::try_from(raw)?;
    caller.note(None, request.node.to_string());
    api.ask(Room::Work, |node| async move { node.connect_peer(request).await }).await.map(Json)
}
