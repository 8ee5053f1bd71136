//! A failure as the caller sees it, and its cause as the operator sees it, kept apart.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use strait_api_types::{ErrorBody, ErrorCode, ErrorDetail};
use thiserror::Error;

/// Why a request failed: what the caller may know, and what only the node's log tells.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    hint: String,
    cause: Option<String>,
    /// When to ask again, where that makes sense.
    retry_after_s: u64,
}

impl ApiError {
    /// Says what was wrong and what would be right.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), cause: None, retry_after_s: 1 }
    }

    /// Says which field is wrong, how, and what would be right.
    #[must_use]
    pub fn invalid_field(field: &str, problem: &str, right: &str) -> Self {
        Self::new(ErrorCode::InvalidField, format!("{field}: {problem}"), right)
    }

    /// Hides a failure of the node itself: the caller learns that it happened, the log learns why.
    #[must_use]
    pub fn internal(cause: &dyn Error) -> Self {
        Self::new(
            ErrorCode::Internal,
            "the node failed to answer",
            "ask again with the same idempotency key; the cause is in the node's log",
        )
        .with_cause(cause)
    }

    /// Adds a cause, with all its sources, for the node's log alone.
    #[must_use]
    pub fn with_cause(mut self, cause: &dyn Error) -> Self {
        let mut text = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.cause = Some(text);
        self
    }

    /// Says when to ask again, in whole seconds; one unless told.
    #[must_use]
    pub(crate) const fn ask_again_after(mut self, wait: Duration) -> Self {
        self.retry_after_s =
            wait.as_secs().saturating_add(if wait.subsec_nanos() > 0 { 1 } else { 0 });
        self
    }

    /// Names the failure.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What was wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// What the caller may see.
    #[must_use]
    pub fn to_body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code,
                message: self.message.clone(),
                hint: self.hint.clone(),
            },
        }
    }

    /// Writes the failure to the node's log: failures of the node loudly, refusals quietly.
    pub(crate) fn log(&self) {
        let (code, message) = (self.code.as_str(), self.message.as_str());
        let cause = self.cause.as_deref().unwrap_or_default();
        if self.code == ErrorCode::Internal {
            tracing::error!(code, message, cause, "request failed");
        } else if self.code.http_status() >= 500 {
            tracing::info!(code, message, cause, "request failed");
        } else {
            tracing::debug!(code, message, cause, "request refused");
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let status = StatusCode::from_u16(self.code.http_status())
            .expect("the table holds statuses from 400 to 599");
        let mut response = (status, axum::Json(self.to_body())).into_response();
        let headers = response.headers_mut();
        if [ErrorCode::Unauthorized, ErrorCode::TokenExpired].contains(&self.code) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let later =
            [ErrorCode::Busy, ErrorCode::RateLimited, ErrorCode::NotReady, ErrorCode::StillRunning];
        if later.contains(&self.code) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after_s));
        }
        // For counters.
        response.extensions_mut().insert(self.code);
        response
    }
}
