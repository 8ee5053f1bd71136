//! `/v1/tokens`: for the operator's own token alone. A token that could make tokens would outlive its own end.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use strait_api_types::{
    BODY_BYTES_MAX, CreateTokenRequest, CreateTokenResponse, ErrorBody, Token, TokenList,
    TokenSecret,
};
use strait_primitives::TokenId;

use crate::caller::{Caller, fresh};
use crate::request::token::NewToken;
use crate::router::{Api, Room};
use crate::routes::PathId;
use crate::{ApiError, Backend, body};

/// All tokens that were not revoked, without their secrets.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", responses(
    (status = 200, body = TokenList),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn tokens<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<TokenList>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.tokens().await }).await.map(Json)
}

/// Makes a token. Its secret is in this answer and nowhere else: if the answer is lost, revoke the token and make another.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = CreateTokenRequest,
    responses(
        (status = 200, body = CreateTokenResponse, description = "It is durable, and good from now on"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn create_token<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CreateTokenResponse>, ApiError> {
    let (raw, _body): (CreateTokenRequest, _) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let fresh = fresh()?;
    let request = NewToken::new(fresh.id, fresh.secret_hash, raw)?;
    caller.note(request.budget().map(|budget| budget.to_msat()), fresh.id.to_string());
    let token = api.ask(Room::Questions, |node| async move { node.create_token(request).await });
    let token = token.await?;
    Ok(Json(CreateTokenResponse { secret: TokenSecret(fresh.text), token }))
}

/// Makes a token good for nothing. What was begun under it goes on.
#[utoipa::path(delete, path = "/v1/tokens/{token_id}", tag = "tokens",
    params(("token_id" = String, Path, description = "The token, in hex")),
    responses(
        (status = 200, body = Token, description = "It is good for nothing from now on; this is what it was"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn revoke_token<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    PathId(token): PathId<TokenId>,
) -> Result<Json<Token>, ApiError> {
    caller.note(None, token.to_string());
    api.ask(Room::Questions, move |node| async move { node.revoke_token(token).await })
        .await
        .map(Json)
}
