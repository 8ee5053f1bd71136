//! Reading a request's body: bounded, in time, of the right type, and every failure a clear one.
//!
//! A body may arrive long after its head: once it has been read, its token is looked at again, before anything is done.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use strait_api_types::ErrorCode;

use crate::ApiError;
use crate::caller::Caller;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Reads and parses a JSON body of at most `limit` bytes, and gives the bytes as well.
pub(crate) async fn json<T: DeserializeOwned>(
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(T, Bytes), ApiError> {
    check_type(headers, "application/json")?;
    let bytes = read(caller, body, limit).await?;
    let parsed = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::new(
            ErrorCode::MalformedBody,
            format!("the body does not parse: {error}"),
            "send the JSON object that docs/api/openapi.json describes, with no other fields",
        )
    })?;
    Ok((parsed, bytes))
}

/// Reads a WebAssembly module of at most `limit` bytes.
pub(crate) async fn wasm(
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
    check_type(headers, "application/wasm")?;
    read(caller, body, limit).await
}

fn check_type(headers: &HeaderMap, expected: &'static str) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
    let essence = given.split(|byte| *byte == b';').next().unwrap_or_default();
    if essence.trim_ascii().eq_ignore_ascii_case(expected.as_bytes()) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::UnsupportedMediaType,
        format!("the body's content type is {:?}", String::from_utf8_lossy(given)),
        format!("send Content-Type: {expected}"),
    ))
}

async fn read(caller: &Caller, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => caller.check_again().map(|()| collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::new(
            ErrorCode::BodyTooLarge,
            format!("the body has more than {limit} bytes"),
            "split the request, or send less",
        )),
        Ok(Err(error)) => Err(ApiError::new(
            ErrorCode::MalformedBody,
            "the body broke off",
            "send the whole body",
        )
        .with_cause(error.as_ref())),
        Err(_elapsed) => Err(ApiError::new(
            ErrorCode::RequestTimeout,
            format!("the body took longer than {} s", BODY_WITHIN.as_secs()),
            "send the body without pauses",
        )),
    }
}
