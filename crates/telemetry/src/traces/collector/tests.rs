//! Spans reach a collector whole, and a node never waits for one that is away.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

use strait_primitives::Timestamp;
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Level, span};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// How long anything may take: machines are slow and shared.
const PATIENCE: Duration = Duration::from_secs(60);

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new("test", Timestamp::from_unix_ms(0)))
}

/// Answers requests as a collector does, and passes on their heads and bodies.
fn listen() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (told, heard) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let told = told.clone();
            thread::spawn(move || answer_all(&stream.unwrap(), &told));
        }
    });
    (endpoint, heard)
}

fn answer_all(mut stream: &TcpStream, told: &Sender<(String, Vec<u8>)>) {
    let mut bytes = Vec::new();
    let mut page = [0; 4_096];
    while let Ok(count @ 1..) = stream.read(&mut page) {
        bytes.extend_from_slice(&page[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = bytes[end + 4..].to_vec();
        if body.len() == length.parse::<usize>().unwrap() {
            let type_of = "content-type: application/x-protobuf";
            let answer = format!("HTTP/1.1 200 OK\r\n{type_of}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            // The test may have ended.
            let _gone = told.send((head, body));
            bytes.clear();
        }
    }
}

/// True if these bytes stand in a body, where protobuf has texts and ids as they are.
fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

#[test]
fn spans_of_the_target_reach_the_collector_within_their_callers_trace() {
    let (endpoint, heard) = listen();
    let metrics = metrics();
    let collector = Collector::start(&endpoint, Arc::clone(&metrics)).unwrap();
    let here = with_default(&Dispatch::new(Registry::default().with(collector.layer())), || {
        let request = span!(target: TARGET, parent: None, Level::DEBUG, "api", route = "/v1/x");
        let here = continue_trace(&request, CALLER.parse().ok()).unwrap();
        let _inner = span!(target: TARGET, parent: &request, Level::DEBUG, "command", number = 7);
        let _other = span!(Level::ERROR, "not of the target");
        here
    });
    drop(collector);
    let (head, body) = heard.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("application/x-protobuf"), "{head}");
    assert_eq!(here.trace(), CALLER.parse::<TraceParent>().unwrap().trace());
    for part in ["api", "command", "number", "/v1/x", "service.name", "strait"] {
        assert!(has(&body, part.as_bytes()), "the request lacks {part}");
    }
    let (trace, caller) = (here.trace().to_be_bytes(), 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert!(has(&body, &trace) && has(&body, &caller) && has(&body, &here.span().to_be_bytes()));
    assert!(!has(&body, b"not of the target"));
    assert!(metrics.render().contains("strait_trace_spans_total{result=\"exported\"} 2"));
}

#[test]
fn a_span_is_linked_to_another_trace_and_not_to_its_own() {
    let (endpoint, heard) = listen();
    let collector = Collector::start(&endpoint, metrics()).unwrap();
    let other: TraceParent = CALLER.parse().unwrap();
    with_default(&Dispatch::new(Registry::default().with(collector.layer())), || {
        let outside = span!(target: TARGET, parent: None, Level::DEBUG, "outside");
        link_trace(&outside, other);
    });
    drop(collector);
    let (trace, place) = (other.trace().to_be_bytes(), other.span().to_be_bytes());
    let (_, body) = heard.recv_timeout(PATIENCE).unwrap();
    assert!(has(&body, &trace) && has(&body, &place));

    let (endpoint, heard) = listen();
    let collector = Collector::start(&endpoint, metrics()).unwrap();
    with_default(&Dispatch::new(Registry::default().with(collector.layer())), || {
        let within = span!(target: TARGET, parent: None, Level::DEBUG, "within");
        let _here = continue_trace(&within, Some(other));
        link_trace(&within, other);
    });
    drop(collector);
    let (_, body) = heard.recv_timeout(PATIENCE).unwrap();
    let count = body.windows(16).filter(|window| *window == trace).count();
    assert_eq!(count, 1, "its own trace, and no link to it");
}

#[test]
fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    // The port is free again at once, and nobody answers there.
    let away = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let metrics = metrics();
    let collector = Collector::start(&format!("http://{away}"), Arc::clone(&metrics)).unwrap();
    with_default(&Dispatch::new(Registry::default().with(collector.layer())), || {
        drop(span!(target: TARGET, parent: None, Level::DEBUG, "api"));
    });
    drop(collector);
    assert!(metrics.render().contains("strait_trace_spans_total{result=\"failed\"} 1"));
}

#[test]
fn a_full_queue_drops_spans_and_counts_them() {
    let metrics = metrics();
    let (sender, _waiting) = sync_channel(1);
    let queue = Queue { sender, metrics: Arc::clone(&metrics) };
    let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
    for _ in 0..3 {
        use opentelemetry::trace::Tracer;
        drop(provider.tracer("test").start("one"));
    }
    assert!(metrics.render().contains("strait_trace_spans_total{result=\"dropped\"} 2"));
}
