//! The server of `/v1`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use strait_telemetry::Sampler;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::limits::{ANSWER_WITHIN, AUDIT_TELL_EVERY, CONNECTIONS_MAX};
use crate::router::{Shared, router};
use crate::token::Token;
use crate::{Admission, AuditLog, Backend, OnAnswer, Tls, connections};

/// An address the interface may listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(SocketAddr);

/// Why the server does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address can be reached from other machines, and nobody allowed that.
    #[error(
        "{address} can be reached from other machines: it takes TLS, or api.allow_remote_without_tls = true behind a proxy that has it"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Listen {
    /// Takes an address that only this machine can reach.
    ///
    /// # Errors
    /// [`ServerError::NotLoopback`] for any other.
    pub const fn loopback(address: SocketAddr) -> Result<Self, ServerError> {
        if address.ip().is_loopback() {
            Ok(Self(address))
        } else {
            Err(ServerError::NotLoopback { address })
        }
    }

    /// Takes any address: with TLS, or with something in front that has it.
    #[must_use]
    pub const fn remote(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose.
    pub listen: Listen,
    /// What callers must show.
    pub token: Token,
    /// How long a caller waits for an answer before it is told to ask again.
    pub answer_within: Duration,
    /// Who hears of every answered request.
    pub on_answer: OnAnswer,
    /// Who is let in.
    pub admission: Arc<Admission>,
    /// What says which requests are traced.
    pub sampler: Arc<Sampler>,
    /// Where calls that change something are told; nowhere in tests of other things.
    pub audit: Option<AuditLog>,
    /// With what connections are encrypted; plain without.
    pub tls: Option<Tls>,
}

impl Options {
    /// The usual options.
    #[must_use]
    pub fn new(listen: Listen, token: Token) -> Self {
        Self {
            listen,
            token,
            answer_within: ANSWER_WITHIN,
            on_answer: OnAnswer::nobody(),
            admission: Arc::default(),
            sampler: Arc::new(Sampler::new(0)),
            audit: None,
            tls: None,
        }
    }
}

/// A server that has its address and waits to be run.
#[derive(Debug)]
pub struct Server<B> {
    options: Options,
    backend: Arc<B>,
    listener: TcpListener,
    address: SocketAddr,
}

impl<B: Backend> Server<B> {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ServerError::Bind`] if the system refuses it.
    pub async fn bind(options: Options, backend: Arc<B>) -> Result<Self, ServerError> {
        let (listener, address) = bind(options.listen.address()).await?;
        Ok(Self { options, backend, listener, address })
    }

    /// The address, with the port the system chose.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets the requests that are under way end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let Options { listen: _, token, answer_within, on_answer, admission, sampler, audit, tls } =
            self.options;
        let log = audit.clone();
        let shared = Shared::new(self.backend, token, answer_within, audit, admission, stopping);
        let app = router(Arc::new(shared), on_answer, sampler);
        tokio::select! {
            () = connections::serve(self.listener, app, tls, CONNECTIONS_MAX, shutdown, stop) => {}
            () = tell_counted(log.as_ref()) => {}
        }
        if let Some(log) = log {
            log.tell_counted();
        }
    }
}

/// Tells now and then what the audit log has counted, for ever.
async fn tell_counted(log: Option<&AuditLog>) {
    loop {
        sleep(AUDIT_TELL_EVERY).await;
        if let Some(log) = log {
            log.tell_counted();
        }
    }
}

/// Binds an address and says which it became.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
