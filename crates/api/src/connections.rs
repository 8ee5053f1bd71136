//! The accept loop both servers share: bounded connections, bounded patience, an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::limits::{DRAIN_WITHIN, HEAD_WITHIN};
use crate::rate::{Client, FromClient};

/// Pause after the system refused a connection, so that a full file table does not spin the loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `app` until `shutdown`, over at most `connections_max` connections at a time; more wait in the backlog.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    connections_max: u32,
    shutdown: impl Future<Output = ()>,
    stopping: watch::Sender<bool>,
) {
    let slots = usize::try_from(connections_max).expect("a u32 fits into usize here");
    let slots = Arc::new(Semaphore::new(slots));
    tokio::select! {
        () = shutdown => {}
        () = accept(&listener, &app, &slots, &stopping) => {}
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
    slots: &Arc<Semaphore>,
    stopping: &watch::Sender<bool>,
) {
    loop {
        let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _peer)) => {
                tokio::spawn(connection(stream, app.clone(), slot, stopping.subscribe()));
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
    app: Router,
    slot: OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) {
    if let Err(error) = serve_one(stream, app, &mut stopping).await {
        tracing::debug!(%error, "a connection broke");
    }
    drop(slot);
}

async fn serve_one(
    stream: TcpStream,
    app: Router,
    stopping: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    // Answers are small and awaited: waiting to fill a segment would cost every caller 40 ms.
    stream.set_nodelay(true)?;
    let client = Client(stream.peer_addr()?.ip());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(FromClient { app, client }),
        );
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(DRAIN_WITHIN, connection).await?.map_err(io::Error::other)
}
