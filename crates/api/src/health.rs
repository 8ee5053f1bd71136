//! The second server: metrics for Prometheus, and whether the node lives, is ready and has started.
//!
//! No token: it tells no secrets and takes no orders. Bind it where only the monitoring can reach it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use strait_api_types::ErrorCode;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::server::{ServerError, bind};
use crate::{ApiError, connections};

/// Connections at a time: a few scrapers and probes.
const CONNECTIONS_MAX: u32 = 64;
/// The text format of Prometheus, version 0.0.4.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A part that is not at its best: it keeps a verdict from passing, or is named beside one that passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The component: `store`, `chain`, `net`.
    pub component: String,
    /// What is wrong with it.
    pub message: String,
}

/// The answer of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes; these are nevertheless worth a look.
    Pass(Vec<Cause>),
    /// No, because of these.
    Fail(Vec<Cause>),
}

/// What the server tells, asked anew for every request. Each must answer at once.
pub struct Vitals {
    /// All metrics in the text format of Prometheus.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether the process is worth keeping; if not, the supervisor restarts it.
    pub live: Box<dyn Fn() -> Verdict + Send + Sync>,
    /// Whether the node can serve now.
    pub ready: Box<dyn Fn() -> Verdict + Send + Sync>,
    /// Whether start-up is done.
    pub startup: Box<dyn Fn() -> Verdict + Send + Sync>,
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vitals")
    }
}

/// The server of `/metrics` and `/health/{live,ready,startup}`.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
    address: SocketAddr,
    vitals: Arc<Vitals>,
}

impl HealthServer {
    /// Takes the address; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`ServerError::Bind`] if the system refuses it.
    pub async fn bind(address: SocketAddr, vitals: Vitals) -> Result<Self, ServerError> {
        let (listener, address) = bind(address).await?;
        Ok(Self { listener, address, vitals: Arc::new(vitals) })
    }

    /// The address, with the port the system chose.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (stop, _stopping) = watch::channel(false);
        let app = Router::new()
            .route("/metrics", get(metrics))
            .route(
                "/health/live",
                get(|State(v): State<Arc<Vitals>>| async move { told((v.live)()) }),
            )
            .route(
                "/health/ready",
                get(|State(v): State<Arc<Vitals>>| async move { told((v.ready)()) }),
            )
            .route(
                "/health/startup",
                get(|State(v): State<Arc<Vitals>>| async move { told((v.startup)()) }),
            )
            .fallback(no_such_page)
            .with_state(self.vitals);
        connections::serve(self.listener, app, None, CONNECTIONS_MAX, shutdown, stop).await;
    }
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], (vitals.metrics)()).into_response()
}

async fn no_such_page() -> ApiError {
    ApiError::new(
        ErrorCode::EndpointNotFound,
        "this port has metrics and health only",
        "use /metrics, /health/live, /health/ready or /health/startup",
    )
}

/// A verdict as it goes over the line.
#[derive(Serialize)]
struct Told {
    status: &'static str,
    causes: Vec<Cause>,
}

fn told(verdict: Verdict) -> Response {
    let (code, status, causes) = match verdict {
        Verdict::Pass(causes) => (StatusCode::OK, "pass", causes),
        Verdict::Fail(causes) => (StatusCode::SERVICE_UNAVAILABLE, "fail", causes),
    };
    (code, Json(Told { status, causes })).into_response()
}
