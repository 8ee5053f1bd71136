//! Where traces go: nowhere, or to an OpenTelemetry collector in a program that was built with the feature `otel`.
//!
//! The node never waits for a collector: spans that ended go into a bounded queue, a thread of its own sends them in
//! batches, and what finds no room or no collector is counted and gone.

#[cfg(feature = "otel")]
mod collector;

use core::fmt;
use std::sync::Arc;

use thiserror::Error;
use tracing::Span;
use tracing_subscriber::{Layer, Registry};

use crate::{Metrics, TraceParent};

/// What takes the spans, if anything does.
pub(crate) type Taker = Option<Box<dyn Layer<Registry> + Send + Sync>>;

/// Where traces go.
#[derive(Default)]
pub struct Traces {
    #[cfg(feature = "otel")]
    collector: Option<collector::Collector>,
}

/// Why traces go nowhere.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TracesError {
    /// This program sends none.
    #[error(
        "telemetry.otlp_endpoint is {endpoint}, and this program sends no traces: build it with `--features otel`, or leave the setting out"
    )]
    NotBuilt {
        /// Where they should have gone.
        endpoint: String,
    },
    /// The exporter does not start.
    #[error("traces cannot be sent to {endpoint}")]
    Exporter {
        /// Where they should have gone.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// They go to a collector, if one is named. Spans are counted by what became of them.
    ///
    /// # Errors
    /// [`TracesError::NotBuilt`] if this program cannot send them.
    #[cfg(not(feature = "otel"))]
    pub fn to(endpoint: Option<&str>, _metrics: &Arc<Metrics>) -> Result<Self, TracesError> {
        match endpoint {
            None => Ok(Self::default()),
            Some(endpoint) => Err(TracesError::NotBuilt { endpoint: endpoint.to_owned() }),
        }
    }

    /// They go to a collector, if one is named. Spans are counted by what became of them.
    ///
    /// # Errors
    /// [`TracesError::Exporter`] if the exporter does not start; a collector that is away is no error.
    #[cfg(feature = "otel")]
    pub fn to(endpoint: Option<&str>, metrics: &Arc<Metrics>) -> Result<Self, TracesError> {
        let start = |endpoint| collector::Collector::start(endpoint, Arc::clone(metrics));
        Ok(Self { collector: endpoint.map(start).transpose()? })
    }

    /// What takes the spans.
    #[cfg(not(feature = "otel"))]
    #[expect(clippy::unused_self, reason = "with the feature there is something to take them")]
    pub(crate) fn taker(&self) -> Taker {
        None
    }

    /// What takes the spans.
    #[cfg(feature = "otel")]
    pub(crate) fn taker(&self) -> Taker {
        self.collector.as_ref().map(collector::Collector::layer)
    }
}

/// Puts a span into its caller's trace; gives its own place, if spans are exported and this one is.
#[cfg(not(feature = "otel"))]
#[must_use]
pub fn continue_trace(_span: &Span, _caller: Option<TraceParent>) -> Option<TraceParent> {
    // Without an exporter spans have no ids: there is nothing to put together.
    None
}

/// Puts a span into its caller's trace; gives its own place, if spans are exported and this one is.
#[cfg(feature = "otel")]
#[must_use]
pub fn continue_trace(span: &Span, caller: Option<TraceParent>) -> Option<TraceParent> {
    collector::continue_trace(span, caller)
}

/// Says that a span is about a place in another trace, if spans are exported and this one is.
#[cfg(not(feature = "otel"))]
pub fn link_trace(_span: &Span, _other: TraceParent) {
    // Without an exporter there is nothing to put together.
}

/// Says that a span is about a place in another trace, if spans are exported and this one is. Within that trace it says nothing.
#[cfg(feature = "otel")]
pub fn link_trace(span: &Span, other: TraceParent) {
    collector::link_trace(span, other);
}
