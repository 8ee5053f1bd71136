//! The accept loop both servers share: bounded connections, bounded patience, an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::Tls;
use crate::limits::{DRAIN_WITHIN, HEAD_BYTES_MAX, HEAD_WITHIN, HEADERS_MAX};

/// Pause after the system refused a connection, so that a full file table does not spin the loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a request comes from, for who asks along its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// The routes, for requests of one connection.
struct Tagged {
    inner: TowerToHyperService<Router>,
    client: SocketAddr,
}

impl Service<Request<Incoming>> for Tagged {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Client(self.client));
        self.inner.call(request)
    }
}

/// Serves `app` until `shutdown`, over at most `connections_max` connections at a time; more wait in the backlog.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    tls: Option<Tls>,
    connections_max: u32,
    shutdown: impl Future<Output = ()>,
    stopping: watch::Sender<bool>,
) {
    let slots = usize::try_from(connections_max).expect("a u32 fits into usize here");
    let slots = Arc::new(Semaphore::new(slots));
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &app, tls.as_ref(), &slots, &stopping) => {}
    }
    drop(listener);
    stopping.send_replace(true);
    // All permits are back when all connections are done.
    if timeout(DRAIN_WITHIN, slots.acquire_many(connections_max)).await.is_err() {
        tracing::warn!("connections were still busy when the server stopped");
    }
}

async fn accept(
    listener: &TcpListener,
    app: &Router,
    tls: Option<&Tls>,
    slots: &Arc<Semaphore>,
    stopping: &watch::Sender<bool>,
) {
    loop {
        let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, client)) => {
                let service = Tagged { inner: TowerToHyperService::new(app.clone()), client };
                let acceptor = tls.map(Tls::acceptor);
                let stopping = stopping.subscribe();
                tokio::spawn(connection(stream, acceptor, service, slot, stopping));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    service: Tagged,
    slot: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) {
    let served = match acceptor {
        None => serve_plain(stream, service, &mut stopping).await,
        Some(acceptor) => serve_encrypted(stream, &acceptor, service, &mut stopping).await,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke");
    }
    drop(slot);
}

async fn serve_plain(
    stream: TcpStream,
    service: Tagged,
    stopping: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    // Answers are small and awaited: waiting to fill a segment would cost every caller 40 ms.
    stream.set_nodelay(true)?;
    serve_one(stream, service, stopping).await
}

/// A handshake has as long as a request's head: whoever drips holds a place no longer.
async fn serve_encrypted(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    service: Tagged,
    stopping: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tokio::select! {
        done = timeout(HEAD_WITHIN, acceptor.accept(stream)) => done??,
        _ = stopping.wait_for(|stop| *stop) => return Ok(()),
    };
    // On the heap: the state of a session is larger than all the rest.
    Box::pin(serve_one(stream, service, stopping)).await
}

async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    service: Tagged,
    stopping: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(DRAIN_WITHIN, connection).await?.map_err(io::Error::other)
}
