//! Spans on their way to a collector: OTLP over HTTP, protobuf.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;

use bytes::Bytes;
use futures::executor::block_on;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter, SpanProcessor,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::TracesError;
use crate::metrics::SpanFate;
use crate::{Metrics, TARGET, TraceParent};

/// Spans that may wait: a second of a busy node that traces everything, a few mebibytes.
const SPANS_MAX: usize = 8_192;
/// Spans that go in one request.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_WITHIN: Duration = Duration::from_secs(1);
/// How long a collector may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a node that ends waits for its last spans to go.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A collector, and the thread that sends to it. Dropped, it sends what waits.
pub(super) struct Collector {
    provider: SdkTracerProvider,
}

impl Drop for Collector {
    fn drop(&mut self) {
        // What does not go in time is lost with the process, as it is when a process is killed.
        let _late = self.provider.shutdown_with_timeout(END_WITHIN);
    }
}

impl Collector {
    /// Starts the thread. The collector may be away.
    pub(super) fn start(endpoint: &str, metrics: Arc<Metrics>) -> Result<Self, TracesError> {
        let failed = |source| TracesError::Exporter { endpoint: endpoint.to_owned(), source };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .build();
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", "strait"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let mut exporter = OtlpExporter::builder()
            .with_http()
            .with_http_client(Http { agent: agent.into() })
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(ANSWER_WITHIN)
            .build()
            .map_err(|source| failed(Box::new(source)))?;
        exporter.set_resource(&resource);
        let (sender, waiting) = sync_channel(SPANS_MAX);
        let counted = Arc::clone(&metrics);
        thread::Builder::new()
            .name("traces".into())
            .spawn(move || send_all(&exporter, &waiting, &counted))
            .map_err(|source| failed(Box::new(source)))?;
        let provider = SdkTracerProvider::builder()
            // What is made into a span was drawn already.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .with_span_processor(Queue { sender, metrics })
            .build();
        Ok(Self { provider })
    }

    /// What takes the spans of [`TARGET`], and nothing else.
    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(TARGET))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
        Box::new(layer.with_filter(ours))
    }
}

/// What lies in the queue.
#[derive(Debug)]
enum Word {
    /// A span that ended.
    Ended(Box<SpanData>),
    /// Everything before this is to be sent now; the other end hears when it is.
    Flush(SyncSender<()>),
}

/// Where spans go when they end. Never waits.
#[derive(Debug)]
struct Queue {
    sender: SyncSender<Word>,
    metrics: Arc<Metrics>,
}

impl Queue {
    fn flush(&self, within: Duration) -> OTelSdkResult {
        let (told, sent) = sync_channel(1);
        let full = || OTelSdkError::InternalFailure("the queue is full".into());
        self.sender.try_send(Word::Flush(told)).map_err(|_| full())?;
        sent.recv_timeout(within).map_err(|_| OTelSdkError::Timeout(within))
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut SdkSpan, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        match self.sender.try_send(Word::Ended(Box::new(span))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.spans_ended(SpanFate::Dropped, 1);
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush(ANSWER_WITHIN)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush(timeout)
    }
}

/// Sends what waits, batch by batch, until nobody can add to it.
fn send_all(exporter: &OtlpExporter, waiting: &Receiver<Word>, metrics: &Metrics) {
    let mut batch = Vec::new();
    loop {
        let told = match waiting.recv_timeout(BATCH_WITHIN) {
            Ok(Word::Ended(span)) => {
                batch.push(*span);
                if batch.len() < BATCH_MAX {
                    continue;
                }
                None
            }
            Ok(Word::Flush(told)) => Some(told),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if !batch.is_empty() {
            send(exporter, core::mem::take(&mut batch), metrics);
        }
        if let Some(told) = told {
            // Who waited may have gone.
            let _gone = told.send(());
        }
    }
}

fn send(exporter: &OtlpExporter, batch: Vec<SpanData>, metrics: &Metrics) {
    let count = batch.len() as u64;
    match block_on(exporter.export(batch)) {
        Ok(()) => metrics.spans_ended(SpanFate::Exported, count),
        Err(error) => {
            tracing::debug!(%error, count, "spans not sent");
            metrics.spans_ended(SpanFate::Failed, count);
        }
    }
}

/// Plain HTTP on the thread that asks.
#[derive(Debug)]
struct Http {
    agent: ureq::Agent,
}

impl Http {
    fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut post = self.agent.post(parts.uri.to_string());
        for (name, value) in &parts.headers {
            post = post.header(name, value);
        }
        let mut answer = post.send(&*body)?;
        let told = answer.body_mut().read_to_vec()?;
        let mut response = Response::new(Bytes::from(told));
        *response.status_mut() = answer.status();
        Ok(response)
    }
}

impl HttpClient for Http {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        // It blocks, and may: the thread does nothing else.
        Box::pin(async move { self.exchange(request) })
    }
}

/// Puts a span into its caller's trace; gives its own place.
pub(super) fn continue_trace(span: &Span, caller: Option<TraceParent>) -> Option<TraceParent> {
    if let Some(caller) = caller {
        // A span that nobody takes has no place to be put.
        let _untaken = span.set_parent(Context::new().with_remote_span_context(remote(caller)));
    }
    let context = span.context();
    let place = context.span().span_context().clone();
    let (trace, here) = (place.trace_id().to_bytes(), place.span_id().to_bytes());
    TraceParent::new(
        u128::from_be_bytes(trace),
        u64::from_be_bytes(here),
        place.trace_flags().to_u8(),
    )
}

/// Says that a span is about a place in another trace.
pub(super) fn link_trace(span: &Span, other: TraceParent) {
    let other = remote(other);
    let own = span.context().span().span_context().trace_id();
    if own != TraceId::INVALID && own != other.trace_id() {
        span.add_link(other);
    }
}

/// A place that is not this process's.
fn remote(place: TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from(place.trace()),
        SpanId::from(place.span()),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    )
}

#[cfg(test)]
mod tests;
