//! `/v1/settings`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use strait_api_types::{BODY_BYTES_MAX, ChangeSettingsRequest, ErrorBody, SettingList};

use crate::caller::Caller;
use crate::router::{Api, Room};
use crate::{ApiError, Backend, body};

/// What the node runs with: each setting, where its value came from, and whether it changes while the node runs.
#[utoipa::path(get, path = "/v1/settings", tag = "node", responses(
    (status = 200, body = SettingList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn settings<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<SettingList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.settings().await }).await.map(Json)
}

/// Changes settings while the node runs, all that are named or none; answers with these. It holds until the next start,
/// or until the node reads its configuration again and finds another value there.
#[utoipa::path(
    patch,
    path = "/v1/settings",
    tag = "node",
    request_body = ChangeSettingsRequest,
    responses(
        (status = 200, body = SettingList, description = "They hold from now on"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ),
)]
pub(crate) async fn change_settings<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SettingList>, ApiError> {
    let (request, _body) = body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request: ChangeSettingsRequest = request;
    let keys: Vec<&str> = request.0.keys().map(String::as_str).collect();
    caller.note(None, keys.join(","));
    api.ask(Room::Questions, |node| async move { node.change_settings(request).await })
        .await
        .map(Json)
}
