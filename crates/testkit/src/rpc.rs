//! A small JSON-RPC client for tests to steer a server with: mine, reorganise, look.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use ureq::Agent;

/// How long a call may take before the test fails; mining a thousand blocks on a busy machine stays below.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The largest answer a test reads.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A failure that the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcFailure {
    /// Its code.
    pub code: i64,
    /// Its message.
    pub message: String,
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Rpc {
    agent: Agent,
    url: String,
    credentials: String,
}

impl Rpc {
    /// A client for `http://host:port` with credentials `user:password`.
    #[must_use]
    pub fn new(url: &str, credentials: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self { agent: config.into(), url: url.into(), credentials: credentials.into() }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`RpcFailure`] as the server reported it.
    ///
    /// # Panics
    /// If there is no answer, or one that is not JSON-RPC.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        let answer = self.try_call(method, &params);
        answer.unwrap_or_else(|reason| panic!("{method} has no answer: {reason}"))
    }

    /// Calls a method; the outer failure says why there was no answer.
    pub(crate) fn try_call(
        &self,
        method: &str,
        params: &Value,
    ) -> Result<Result<Value, RpcFailure>, String> {
        let request = json!({ "jsonrpc": "1.0", "id": 0, "method": method, "params": params });
        let header = format!("Basic {}", STANDARD.encode(&self.credentials));
        let mut response = self
            .agent
            .post(&self.url)
            .header("Authorization", header)
            .header("Content-Type", "application/json")
            .send(request.to_string())
            .map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|error| format!("HTTP status {status}, {error}"))?;
        let error = answer.get("error").filter(|error| !error.is_null());
        match error {
            Some(error) => Ok(Err(RpcFailure {
                code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
                message: error.get("message").and_then(Value::as_str).unwrap_or_default().into(),
            })),
            None => Ok(Ok(answer.get_mut("result").map(Value::take).unwrap_or_default())),
        }
    }
}
