//! The transport under the endpoints: one request, one answer, every failure told apart.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use strait_api_types::ErrorBody;
use tokio::time::timeout;

use crate::{ClientError, IdempotencyKey, Trust};

/// How long a connection may take to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may take to begin: twice the time after which a node says that it is still working.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Idle connections are given up before a node closes them, which it does after ten seconds.
const IDLE_WITHIN: Duration = Duration::from_secs(5);
/// Idle connections kept.
const IDLE_MAX: usize = 64;
/// Longest answer taken: a full list of contracts with their states.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A node's REST interface.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

/// What goes with a request.
pub(crate) enum Content {
    /// Nothing.
    Nothing,
    /// A JSON object.
    Json(Vec<u8>),
    /// A WebAssembly module.
    Wasm(Vec<u8>),
}

impl Content {
    /// Writes a request as JSON.
    pub(crate) fn json<T: Serialize>(request: &T) -> Self {
        Self::Json(serde_json::to_vec(request).expect("a request has only strings and numbers"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client for the node at `base_url` (`http://127.0.0.1:9737`); connects when first used.
    ///
    /// # Errors
    /// [`ClientError::Url`] and [`ClientError::Token`] if one of them is not usable.
    pub fn new(base_url: &str, token: &str) -> Result<Self, ClientError> {
        Self::with_trust(base_url, token, &Trust::default())
    }

    /// The same for a node that speaks TLS (`https://node.example:9737`).
    ///
    /// # Errors
    /// [`ClientError::Trust`] too, if what is to be trusted cannot be read, or nothing is and the URL begins with `https`.
    pub fn with_trust(base_url: &str, token: &str, trust: &Trust<'_>) -> Result<Self, ClientError> {
        let base = base_url.trim_end_matches('/').to_owned();
        let plain = base.parse::<Uri>().is_ok_and(|uri| {
            let here = uri.path() == "/" && uri.query().is_none();
            let known = [Some("http"), Some("https")].contains(&uri.scheme_str());
            known && uri.host().is_some_and(|h| !h.is_empty()) && here
        });
        if !plain || base.contains('@') {
            return Err(ClientError::Url { url: base_url.to_owned() });
        }
        if base.starts_with("https:") && trust.ca_pem.is_none() {
            return Err(ClientError::Trust { what: "the node's authority" });
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_bad| ClientError::Token)?;
        authorization.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(trust.connector(connector)?);
        Ok(Self { pool, base, authorization })
    }

    /// The node's base URL.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Asks and reads the whole answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        key: Option<&IdempotencyKey>,
        content: Content,
    ) -> Result<T, ClientError> {
        let mut request = self.request(method, path, content);
        if let Some(key) = key {
            let key = HeaderValue::try_from(key.as_str()).expect("a key is visible ASCII");
            request.headers_mut().insert("idempotency-key", key);
        }
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.send(request).await?;
        let status = response.status();
        let body = read(response.into_body()).await?;
        if status.is_success() {
            serde_json::from_slice(&body)
                .map_err(|source| ClientError::Unreadable { status: status.as_u16(), source })
        } else {
            Err(refusal(status, &body))
        }
    }

    /// Opens the event stream at a place in the log.
    pub(crate) async fn open_events(&self, from: u64) -> Result<Incoming, ClientError> {
        let path = format!("/v1/events?from={from}");
        let mut request = self.request(Method::GET, &path, Content::Nothing);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        Err(refusal(status, &read(response.into_body()).await?))
    }

    fn request(&self, method: Method, path: &str, content: Content) -> Request<Full<Bytes>> {
        let (kind, body) = match content {
            Content::Nothing => (None, Vec::new()),
            Content::Json(body) => (Some("application/json"), body),
            Content::Wasm(body) => (Some("application/wasm"), body),
        };
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base)
            .parse()
            .expect("the base was parsed, and paths are made of hex and digits");
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        request
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        match timeout(ANSWER_WITHIN, self.pool.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) if source.is_connect() => {
                Err(ClientError::Unreachable { url: self.base.clone(), source })
            }
            Ok(Err(source)) => Err(ClientError::Broken { source: Box::new(source) }),
            Err(_elapsed) => Err(ClientError::Silent { within: ANSWER_WITHIN }),
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, ClientError> {
    match timeout(ANSWER_WITHIN, Limited::new(body, ANSWER_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(match error.downcast::<hyper::Error>() {
            Ok(source) => ClientError::Truncated { source: *source },
            Err(_limit) => ClientError::TooLong { limit_bytes: ANSWER_BYTES_MAX },
        }),
        Err(_elapsed) => Err(ClientError::Silent { within: ANSWER_WITHIN }),
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => ClientError::Refused { status: status.as_u16(), error: body.error },
        Err(source) => ClientError::Unreadable { status: status.as_u16(), source },
    }
}
