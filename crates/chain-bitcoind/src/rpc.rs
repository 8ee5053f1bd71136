//! One JSON-RPC call over HTTP: what can go wrong on the way, and what each failure means.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strait_chain::{ChainError, Policies};
use strait_resilience::{Breaker, Class, CoarseClock};
use ureq::Agent;
use ureq::http::StatusCode;

use crate::answers::{Envelope, RpcFailure};
use crate::endpoint::Endpoint;
use crate::limits::{ANSWER_BYTES_MAX, DETAIL_CHARS_MAX, IDLE_CONNECTION_S};

/// What brings transactions on the chain. The breaker refuses none of these: money may hang on them.
const SUBMISSIONS: [&str; 2] = ["sendrawtransaction", "submitpackage"];

/// bitcoind's codes that this adapter tells apart (`src/rpc/protocol.h` there).
pub(crate) mod code {
    pub(crate) const NOT_FOUND: i64 = -5;
    pub(crate) const INVALID_PARAMETER: i64 = -8;
    pub(crate) const VERIFY: i64 = -25;
    pub(crate) const VERIFY_REJECTED: i64 = -26;
    pub(crate) const ALREADY_IN_UTXO_SET: i64 = -27;
    pub(crate) const IN_WARMUP: i64 = -28;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32_601;
}

/// A connection to one bitcoind, kept open between calls.
pub(crate) struct RpcClient {
    agent: Agent,
    endpoint: Endpoint,
    /// The `Authorization` header that last worked.
    authorisation: Option<String>,
    /// The number of the next call.
    next_id: u64,
    /// How long a call may take, and when none is made.
    policies: Arc<Policies>,
    /// How the source failed last; told while it is left alone.
    last_failure: String,
}

impl RpcClient {
    /// A client that has not connected yet.
    pub(crate) fn new(endpoint: Endpoint, policies: Arc<Policies>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_age(Duration::from_secs(IDLE_CONNECTION_S))
            .build();
        Self {
            agent: config.into(),
            endpoint,
            authorisation: None,
            next_id: 0,
            policies,
            last_failure: String::new(),
        }
    }

    /// Calls and reads the answer as what the caller expects.
    pub(crate) fn call<T: DeserializeOwned>(
        &mut self,
        method: &'static str,
        params: Value,
    ) -> Result<T, ChainError> {
        let answer = self.call_raw(method, params)?.map_err(|failure| refused(method, failure))?;
        from_value(method, answer)
    }

    /// Calls and leaves it to the caller what a failure that bitcoind reports means.
    ///
    /// The breaker hears how it went, and refuses while it is open; but submissions are tried all the same.
    pub(crate) fn call_raw(
        &mut self,
        method: &'static str,
        params: Value,
    ) -> Result<Result<Value, RpcFailure>, ChainError> {
        let policies = Arc::clone(&self.policies);
        let pass = match Breaker::admit(&policies.breaker, &CoarseClock) {
            Ok(pass) => Some(pass),
            Err(_refusal) if SUBMISSIONS.contains(&method) => None,
            Err(refusal) => {
                return Err(ChainError::BreakerOpen {
                    endpoint: self.endpoint.url.clone(),
                    retry_after: refusal.retry_after().unwrap_or_default(),
                    detail: self.last_failure.clone(),
                });
            }
        };
        let answer = self.call_unguarded(method, params);
        if let Err(error) = &answer {
            self.last_failure = shortened(error.to_string());
        }
        if let Some(pass) = pass {
            pass.record(class_of(&answer), &CoarseClock);
        }
        answer
    }

    fn call_unguarded(
        &mut self,
        method: &'static str,
        params: Value,
    ) -> Result<Result<Value, RpcFailure>, ChainError> {
        self.next_id = self.next_id.wrapping_add(1);
        let request =
            json!({ "jsonrpc": "1.0", "id": self.next_id, "method": method, "params": params });
        let request = request.to_string();
        let had_header = self.authorisation.is_some();
        let (mut status, mut body) = self.exchange(method, &request)?;
        if status == StatusCode::UNAUTHORIZED && had_header {
            // A restarted bitcoind has a new cookie.
            self.authorisation = None;
            (status, body) = self.exchange(method, &request)?;
        }
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            self.authorisation = None;
            return Err(ChainError::Unauthorised { endpoint: self.endpoint.url.clone() });
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(self.unavailable(String::from_utf8_lossy(&body)));
        }
        let envelope: Envelope = serde_json::from_slice(&body).map_err(|error| {
            let detail = shortened(format!("HTTP status {status}, {error}"));
            ChainError::Nonsense { method, detail }
        })?;
        match envelope.error {
            Some(failure) if failure.code == code::IN_WARMUP => Err(ChainError::WarmingUp {
                endpoint: self.endpoint.url.clone(),
                detail: shortened(failure.message),
            }),
            Some(failure) => Ok(Err(failure)),
            None => Ok(Ok(envelope.result)),
        }
    }

    /// Sends a request and reads the whole answer; once more if the connection had gone stale.
    fn exchange(
        &mut self,
        method: &'static str,
        request: &str,
    ) -> Result<(StatusCode, Vec<u8>), ChainError> {
        if self.authorisation.is_none() {
            self.authorisation = self.endpoint.authorisation();
        }
        let header = self
            .authorisation
            .clone()
            .ok_or_else(|| ChainError::Unauthorised { endpoint: self.endpoint.url.clone() })?;
        let limit = self.policies.timeout.admit();
        let first = self.exchange_once(&header, request, limit);
        let outcome = match first {
            Err(ureq::Error::Io(error)) if is_stale(error.kind()) => {
                self.exchange_once(&header, request, limit)
            }
            Ok(_) | Err(_) => first,
        };
        outcome.map_err(|error| {
            if let ureq::Error::BodyExceedsLimit(limit) = error {
                return ChainError::Nonsense { method, detail: format!("more than {limit} bytes") };
            }
            if let ureq::Error::Timeout(_) = error {
                self.policies.timeout.note_timed_out();
            }
            self.unavailable(error.to_string())
        })
    }

    /// Sends a request and reads the whole answer.
    fn exchange_once(
        &self,
        authorisation: &str,
        request: &str,
        limit: Option<Duration>,
    ) -> Result<(StatusCode, Vec<u8>), ureq::Error> {
        let mut response = self
            .agent
            .post(&self.endpoint.url)
            .config()
            .timeout_global(limit)
            .timeout_connect(limit)
            .build()
            .header("Authorization", authorisation)
            .header("Content-Type", "application/json")
            .send(request)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok((response.status(), body))
    }

    /// The source does not answer.
    fn unavailable(&self, detail: impl Into<String>) -> ChainError {
        let endpoint = self.endpoint.url.clone();
        ChainError::Unavailable { endpoint, detail: shortened(detail.into()) }
    }
}

/// What an answer says of the source: one that refuses or talks nonsense is there at least.
const fn class_of(answer: &Result<Result<Value, RpcFailure>, ChainError>) -> Class {
    match answer {
        Ok(_) => Class::Success,
        Err(error) if error.is_transient() => Class::Transient,
        Err(_) => Class::Permanent,
    }
}

/// True for what a connection says that the other side closed while it was idle.
fn is_stale(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof].contains(&kind)
}

/// Reads an answer as what the caller expects.
pub(crate) fn from_value<T: DeserializeOwned>(
    method: &'static str,
    answer: Value,
) -> Result<T, ChainError> {
    serde_json::from_value(answer)
        .map_err(|error| ChainError::Nonsense { method, detail: shortened(error.to_string()) })
}

/// A failure that the caller did not expect.
pub(crate) fn refused(method: &'static str, failure: RpcFailure) -> ChainError {
    let RpcFailure { code, message } = failure;
    ChainError::Refused { method, code, detail: shortened(message) }
}

/// Keeps someone else's text at a length that a log line can bear.
pub(crate) fn shortened(text: String) -> String {
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
