//! Why a request got no good answer.

use std::time::Duration;

use strait_api_types::ErrorDetail;
use thiserror::Error;

/// Why a request got no good answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The base URL is not `http://host:port`.
    #[error("{url:?} is not the URL of a node: http://HOST:PORT or https://HOST:PORT is right")]
    Url {
        /// The URL as given.
        url: String,
    },
    /// Certificates or keys for TLS are missing or cannot be read.
    #[error("{what} is missing or cannot be read as PEM")]
    Trust {
        /// Which.
        what: &'static str,
    },
    /// The token cannot stand in a header.
    #[error("the token holds characters that no token has")]
    Token,
    /// No connection could be made: the node has not seen the request.
    #[error("the node at {url} cannot be reached")]
    Unreachable {
        /// The node's base URL.
        url: String,
        /// What the connection said.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke after the request began to leave: the node may have acted on it.
    #[error("the connection broke before the answer came")]
    Broken {
        /// What broke.
        #[source]
        source: Box<hyper_util::client::legacy::Error>,
    },
    /// The answer broke off: the node has acted on the request.
    #[error("the answer broke off")]
    Truncated {
        /// What broke.
        #[source]
        source: hyper::Error,
    },
    /// The answer is longer than any a node gives.
    #[error("the answer has more than {limit_bytes} bytes")]
    TooLong {
        /// The longest answer taken.
        limit_bytes: usize,
    },
    /// The node ended the event stream, as it does when it stops.
    #[error("the node ended the event stream")]
    Ended,
    /// The node was silent for too long: it may have acted on the request.
    #[error("no answer within {} s", within.as_secs())]
    Silent {
        /// How long the client waited.
        within: Duration,
    },
    /// The node refused the request, and says why.
    #[error("{}: {}", error.code, error.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the node said.
        error: ErrorDetail,
    },
    /// The answer is not what this interface says.
    #[error("the answer with status {status} is not one of a Strait node")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// Where it does not parse.
        #[source]
        source: serde_json::Error,
    },
    /// The event stream is not server-sent events, or holds one above the limit.
    #[error("the event stream does not parse")]
    Stream,
}

/// What a failed request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was never sent: the URL or the token is not usable.
    NotSent,
    /// It never reached the node. An earlier attempt with the same key may have.
    NotReached,
    /// The node refused it, and that is final: nothing of it was done, and nothing will be.
    Refused,
    /// Nobody knows, or the node had no time for it: ask again with the same key, never with a new one.
    Unknown,
}

impl ClientError {
    /// What the failed request did.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Url { .. } | Self::Token | Self::Trust { .. } => Outcome::NotSent,
            Self::Unreachable { .. } => Outcome::NotReached,
            Self::Refused { error, .. } => {
                if error.code.is_final() {
                    Outcome::Refused
                } else {
                    Outcome::Unknown
                }
            }
            Self::Broken { .. }
            | Self::Truncated { .. }
            | Self::TooLong { .. }
            | Self::Ended
            | Self::Silent { .. }
            | Self::Unreadable { .. }
            | Self::Stream => Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use strait_api_types::ErrorCode;

    use super::*;

    fn outcome(code: ErrorCode) -> Outcome {
        let error = ErrorDetail { code, message: String::new(), hint: String::new() };
        ClientError::Refused { status: code.http_status(), error }.outcome()
    }

    #[test]
    fn a_node_that_is_busy_or_stopping_or_failing_has_refused_nothing() {
        let open = [
            ErrorCode::Busy,
            ErrorCode::NotReady,
            ErrorCode::StillRunning,
            ErrorCode::Internal,
            ErrorCode::RequestTimeout,
            ErrorCode::LockForgotten,
            ErrorCode::TokenExpired,
            ErrorCode::AuditUnavailable,
            ErrorCode::RateLimited,
            ErrorCode::Unknown,
        ];
        for code in open {
            assert_eq!(outcome(code), Outcome::Unknown, "{code}");
        }
        for code in ErrorCode::ALL.iter().filter(|code| !open.contains(code)) {
            assert_eq!(outcome(*code), Outcome::Refused, "{code}");
        }
    }

    #[test]
    fn an_answer_of_something_between_client_and_node_says_nothing_of_the_request() {
        let source = serde_json::from_str::<ErrorDetail>("<html>").unwrap_err();
        let proxy = ClientError::Unreadable { status: 502, source };
        assert_eq!(proxy.outcome(), Outcome::Unknown);
    }
}
