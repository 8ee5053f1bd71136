//! `/v1/wallet`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use strait_api_types::{
    AddressResponse, BODY_BYTES_MAX, ErrorBody, SendRequest, SendResponse, WalletResponse,
};

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::router::{Api, Room};
use crate::{ApiError, Backend, SendCoins, SendHowMuch, body};

/// The wallet's balance.
#[utoipa::path(get, path = "/v1/wallet", tag = "wallet", responses(
    (status = 200, body = WalletResponse),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn wallet<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<WalletResponse>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.wallet().await }).await.map(Json)
}

/// A fresh address.
#[utoipa::path(post, path = "/v1/wallet/addresses", tag = "wallet", responses(
    (status = 200, body = AddressResponse),
    (status = "default", body = ErrorBody, description = "Failure"),
))]
pub(crate) async fn new_address<B: Backend>(
    State(api): State<Api<B>>,
) -> Result<Json<AddressResponse>, ApiError> {
    api.ask(Room::Questions, |node| async move { node.new_address().await }).await.map(Json)
}

/// Pays on the chain.
#[utoipa::path(post, path = "/v1/wallet/sends", tag = "wallet", request_body = SendRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again")),
    responses(
        (status = 200, body = SendResponse, description = "The transaction is durable and on its way"),
        (status = "default", body = ErrorBody, description = "Failure"),
    ))]
pub(crate) async fn send_coins<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SendResponse>, ApiError> {
    let key = request_key(Operation::SendCoins, &caller, &headers)?;
    let (raw, body): (SendRequest, Bytes) =
        body::json(&caller, &headers, body, BODY_BYTES_MAX).await?;
    let request = SendCoins::try_from(raw)?;
    let amount_msat = match request.amount {
        SendHowMuch::Exact(amount) => Some(amount.to_millisats().to_msat()),
        SendHowMuch::All => None,
    };
    caller.note(amount_msat, request.address.clone());
    let asked = Asked::new(key, &[&body]);
    api.ask_once(Room::Work, asked, |node| async move { node.send_coins(key, request).await })
        .await
        .map(Json)
}
