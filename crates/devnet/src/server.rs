//! The HTTP side: JSON-RPC 1.1 and 2.0 over POST, batches, Basic authentication; status codes as bitcoind sends them.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitcoin::hashes::{Hash, sha256};
use serde_json::{Value, json};

use crate::limits::{BATCH_REQUESTS_MAX, REQUEST_BYTES_MAX};
use crate::rpc::{self, Context, RpcCode, RpcError};

/// What every request is answered from.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The devnet.
    pub(crate) context: Arc<Context>,
    /// The hash of `user:password`.
    pub(crate) credentials: sha256::Hash,
}

/// The routes: bitcoind answers on `/`.
pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(service)
}

/// Hashes credentials, so that comparing them takes the same time whatever they are.
pub(crate) fn hash_credentials(user: &str, password: &str) -> sha256::Hash {
    sha256::Hash::hash(format!("{user}:{password}").as_bytes())
}

/// True if the request carries the right credentials.
fn is_authorised(service: &Service, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let encoded = given.and_then(|value| value.strip_prefix("Basic "));
    let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
    decoded.is_some_and(|decoded| sha256::Hash::hash(&decoded) == service.credentials)
}

/// Answers one HTTP request.
async fn answer(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_authorised(&service, &headers) {
        let mut response = StatusCode::UNAUTHORIZED.into_response();
        let realm = HeaderValue::from_static("Basic realm=\"jsonrpc\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        return response;
    }
    let context = Arc::clone(&service.context);
    let answered = tokio::task::spawn_blocking(move || answer_body(&context, &body)).await;
    let (status, reply) = answered.unwrap_or_else(|_| {
        let error = RpcError::new(RpcCode::Misc, "internal error");
        (StatusCode::INTERNAL_SERVER_ERROR, failure(&Dialect::Old, Value::Null, &error))
    });
    let json = HeaderValue::from_static("application/json");
    if reply.is_null() {
        return StatusCode::NO_CONTENT.into_response();
    }
    (status, [(header::CONTENT_TYPE, json)], format!("{reply}\n")).into_response()
}

/// The two shapes of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// JSON-RPC 1.1: `result` and `error` always, failures have their HTTP status.
    Old,
    /// JSON-RPC 2.0: one of `result` and `error`, the HTTP status is 200.
    New,
}

/// Answers a body: one request or a batch.
pub(crate) fn answer_body(context: &Context, body: &[u8]) -> (StatusCode, Value) {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        let error = RpcError::new(RpcCode::Parse, "Parse error");
        let reply = failure(&Dialect::Old, Value::Null, &error);
        return (StatusCode::INTERNAL_SERVER_ERROR, reply);
    };
    match request {
        Value::Array(batch) if batch.len() > BATCH_REQUESTS_MAX => {
            let message = format!("a batch has at most {BATCH_REQUESTS_MAX} requests");
            let error = RpcError::new(RpcCode::InvalidRequest, message);
            (StatusCode::BAD_REQUEST, failure(&Dialect::Old, Value::Null, &error))
        }
        Value::Array(batch) => {
            let replies = batch.into_iter().map(|request| answer_one(context, request).1);
            let replies = replies.filter(|reply| !reply.is_null()).collect();
            (StatusCode::OK, Value::Array(replies))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            answer_one(context, request)
        }
    }
}

/// Answers one request; null if it asked for no answer.
fn answer_one(context: &Context, mut request: Value) -> (StatusCode, Value) {
    let is_new = request.get("jsonrpc").and_then(Value::as_str) == Some("2.0");
    let dialect = if is_new { Dialect::New } else { Dialect::Old };
    let wants_answer = dialect == Dialect::Old || request.get("id").is_some();
    let id = request.get("id").cloned().unwrap_or_default();
    let params = request.get_mut("params").map(Value::take).unwrap_or_default();
    let result = match request.get("method") {
        Some(Value::String(method)) => rpc::call(context, method, params),
        Some(_) => Err(RpcError::new(RpcCode::InvalidRequest, "Method must be a string")),
        None if request.is_object() => {
            Err(RpcError::new(RpcCode::InvalidRequest, "Missing method"))
        }
        None => Err(RpcError::new(RpcCode::InvalidRequest, "Invalid Request object")),
    };
    if !wants_answer {
        return (StatusCode::NO_CONTENT, Value::Null);
    }
    match (result, dialect) {
        (Ok(result), Dialect::Old) => {
            (StatusCode::OK, json!({ "result": result, "error": null, "id": id }))
        }
        (Ok(result), Dialect::New) => {
            (StatusCode::OK, json!({ "jsonrpc": "2.0", "result": result, "id": id }))
        }
        (Err(error), Dialect::Old) => {
            let status = match error.code {
                RpcCode::InvalidRequest => StatusCode::BAD_REQUEST,
                RpcCode::MethodNotFound => StatusCode::NOT_FOUND,
                RpcCode::Parse
                | RpcCode::Misc
                | RpcCode::Type
                | RpcCode::InvalidAddressOrKey
                | RpcCode::InvalidParameter
                | RpcCode::Deserialization
                | RpcCode::Verify
                | RpcCode::VerifyRejected
                | RpcCode::AlreadyInUtxoSet => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, failure(&dialect, id, &error))
        }
        (Err(error), Dialect::New) => (StatusCode::OK, failure(&dialect, id, &error)),
    }
}

/// An error answer.
fn failure(dialect: &Dialect, id: Value, error: &RpcError) -> Value {
    match dialect {
        Dialect::Old => json!({ "result": null, "error": error.to_json(), "id": id }),
        Dialect::New => json!({ "jsonrpc": "2.0", "error": error.to_json(), "id": id }),
    }
}
