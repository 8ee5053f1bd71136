//! `/v1/payments`: the hot path. One parse, one pass over the batch, one question.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use strait_api_types::{ErrorBody, PAYMENTS_BODY_BYTES_MAX, PaymentRequest, PaymentResponse};

use crate::caller::Caller;
use crate::idempotency::{Asked, Operation, request_key};
use crate::router::{Api, Room};
use crate::{ApiError, Backend, Pay, body};

/// Pays once or in a batch over one channel, all or none.
#[utoipa::path(post, path = "/v1/payments", tag = "payments", request_body = PaymentRequest,
    params(("Idempotency-Key" = String, Header, description = "New for each intention, the same when asking again")),
    responses(
        (status = 200, body = PaymentResponse, description = "The payments are irrevocable"),
        (status = "default", body = ErrorBody,
            description = "Failure; after STILL_RUNNING, BUSY, NOT_READY, INTERNAL and REQUEST_TIMEOUT the payments may still happen: ask again with the same key"),
    ))]
pub(crate) async fn pay<B: Backend>(
    State(api): State<Api<B>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PaymentResponse>, ApiError> {
    let key = request_key(Operation::Pay, &caller, &headers)?;
    let (raw, body): (PaymentRequest, Bytes) =
        body::json(&caller, &headers, body, PAYMENTS_BODY_BYTES_MAX).await?;
    let request = Pay { payer: caller.payer(), ..Pay::try_from(raw)? };
    caller.note(Some(request.total.to_msat()), request.channel.to_string());
    let asked = Asked::new(key, &[&body]);
    api.ask_once(Room::Work, asked, |node| async move { node.pay(key, request).await })
        .await
        .map(Json)
}
