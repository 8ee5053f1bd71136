//! One HTTP exchange on loopback: the chain's RPC and the nodes' health, which the typed client does not know.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one exchange may take: mining the first hundred blocks is the longest.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The longest answer: a full block in hex.
const ANSWER_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Why an exchange failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nobody listens.
    #[error("{address} cannot be reached")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not HTTP, or the connection broke.
    #[error("the exchange with {address} broke off")]
    Broken {
        /// With whom.
        address: SocketAddr,
        /// Where.
        #[source]
        source: hyper::Error,
    },
    /// The answer is not one.
    #[error("the answer of {address} is too long or broke off")]
    Answer {
        /// Whose.
        address: SocketAddr,
    },
    /// No answer came.
    #[error("{address} did not answer within {} s", within.as_secs())]
    Silent {
        /// Who.
        address: SocketAddr,
        /// How long it was given.
        within: Duration,
    },
}

/// Sends a request on a connection of its own and reads the whole answer.
///
/// # Errors
/// [`HttpError`], whatever the status says.
pub(super) async fn exchange(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), HttpError> {
    let within = ANSWER_WITHIN;
    let answer = timeout(within, exchange_now(address, request)).await;
    answer.map_err(|_elapsed| HttpError::Silent { address, within })?
}

async fn exchange_now(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), HttpError> {
    let broken = |source| HttpError::Broken { address, source };
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| HttpError::Connect { address, source })?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the sender, and what breaks it is told to the sender.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|_cause| HttpError::Answer { address })?.to_bytes()))
}
