//! What two nodes under a real collector show of one payment. Only in a build with the feature `otel`, and with `oteltap` on PATH:
//! `docs/observability.md` says how to run it.
//!
//! Goal: from the request to the last thing that it causes on either node everything hangs together. Method: both nodes trace
//! everything and send it to one receiver of OTLP over HTTP, which prints each span as a line of JSON; one node pays the other. The
//! request's trace must hold decision, write and message, and the round's trace, which its message is linked to, what both
//! nodes did with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use strait_api_types::PaymentRequest;
use tempfile::TempDir;

use crate::locks::{TestDevnetRef, on_devnet, row};
use crate::nodes::{Node, until};
use crate::processes::Guarded;

/// A span, as far as it matters here.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    fields: BTreeMap<String, String>,
    /// The traces that it is linked to.
    links: Vec<String>,
}

impl Span {
    fn parse(span: &Value) -> Self {
        let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
        let list = |key: &str| span[key].as_array().cloned().unwrap_or_default();
        let field = |field: Value| {
            let value = field["value"].as_object().unwrap().values().next().unwrap().clone();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (field["key"].as_str().unwrap().to_owned(), value)
        };
        Self {
            trace: text("traceId"),
            id: text("spanId"),
            parent: text("parentSpanId"),
            name: text("name"),
            fields: list("attributes").into_iter().map(field).collect(),
            links: list("links").iter().map(|it| it["traceId"].as_str().unwrap().into()).collect(),
        }
    }

    fn is(&self, name: &str, field: &str, value: &str) -> bool {
        self.name == name && self.fields.get(field).is_some_and(|found| found == value)
    }
}

/// A receiver of OTLP, and what it has printed.
struct Receiver {
    _process: Guarded,
    printed: PathBuf,
    endpoint: String,
}

impl Receiver {
    async fn start(folder: &Path) -> Self {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let printed = folder.join("spans");
        let mut command = Command::new("oteltap");
        command.args(["--port", &port.to_string()]).env("PYTHONUNBUFFERED", "1");
        let output = File::create(&printed).unwrap();
        let child = command.stdin(Stdio::null()).stdout(output).spawn();
        let process = Guarded(child.expect("oteltap is on PATH (pip install oteltap)"));
        until("the receiver listens", async || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(drop)
        })
        .await;
        Self { _process: process, printed, endpoint: format!("http://127.0.0.1:{port}") }
    }

    /// Every span so far: a line each, between lines of words.
    fn spans(&self) -> Vec<Span> {
        let text = fs::read_to_string(&self.printed).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["spanId"].is_string()).map(|line| Span::parse(&line)).collect()
    }
}

/// Everything under one span, itself included, with how deep it is.
fn tree<'a>(spans: &'a [Span], root: &'a Span, depth: usize, found: &mut Vec<(usize, &'a Span)>) {
    found.push((depth, root));
    for child in spans.iter().filter(|span| span.parent == root.id && span.trace == root.trace) {
        tree(spans, child, depth + 1, found);
    }
}

/// The names of what a span caused at once.
fn children<'a>(spans: &'a [Span], cause: &Span) -> BTreeSet<&'a str> {
    let children = spans.iter().filter(|span| span.parent == cause.id);
    children.map(|span| span.name.as_str()).collect()
}

/// What the two traces of a payment must show; `None` while not all of it has arrived.
fn payment(spans: &[Span], [alice, bob]: [&str; 2], channel: &str) -> Option<String> {
    let command = spans.iter().find(|span| span.is("command", "command", "pay"))?;
    let request = spans.iter().find(|span| span.id == command.parent)?;
    let number = command.fields.get("number")?;
    let caused = children(spans, command);
    if !["decide", "append", "send"].iter().all(|name| caused.contains(name)) {
        return None;
    }
    assert!(request.is("api", "http.route", "/v1/payments"), "{request:?}");
    assert_eq!(command.fields["channel"], channel);
    let send = spans.iter().find(|span| {
        span.parent == command.id
            && span.name == "send"
            && span.fields.get("number") == Some(number)
    })?;
    assert_eq!((send.fields["peer"].as_str(), send.fields["channel"].as_str()), (bob, channel));
    let [round] = send.links.as_slice() else { panic!("{send:?} is linked to its round") };
    let of_round = |from: &str| {
        let is_it = |span: &&Span| span.trace == *round && span.is("receive", "peer", from);
        spans.iter().find(|span| is_it(span) && span.fields.get("number") == Some(number))
    };
    let (theirs, ours) = (of_round(alice)?, of_round(bob)?);
    for receive in [theirs, ours] {
        assert_eq!(receive.fields["channel"], channel);
        if !["decide", "append"].iter().all(|name| children(spans, receive).contains(name)) {
            return None;
        }
    }
    // What the peer answered is what makes the payment irrevocable, and the request answered.
    if !children(spans, ours).contains("reply") {
        return None;
    }
    let mut shown = Vec::new();
    tree(spans, request, 0, &mut shown);
    let rounds = spans.iter().filter(|span| span.trace == *round && span.name == "receive");
    rounds.for_each(|span| tree(spans, span, 1, &mut shown));
    let line = |(depth, span): (usize, &Span)| {
        let fields = span.fields.iter().map(|(name, value)| format!(" {name}={value}"));
        format!("{:indent$}{}{}", "", span.name, fields.collect::<String>(), indent = depth * 2)
    };
    Some(shown.into_iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[expect(clippy::print_stdout, reason = "a person who asks for the traces sees them")]
async fn work(devnet: TestDevnetRef, folder: TempDir) {
    let receiver = Receiver::start(folder.path()).await;
    let (mut nodes, channels) = row::<2>(&devnet, folder.path()).await;
    let settings = [
        ("STRAIT_TELEMETRY__OTLP_ENDPOINT", receiver.endpoint.as_str()),
        ("STRAIT_TELEMETRY__TRACE_SAMPLE_PERMILLE", "1000"),
    ];
    for node in &mut nodes {
        node.stop().await;
        node.restart_with_settings(&settings).await;
    }
    let [alice, bob] = nodes.get_disjoint_mut([0, 1]).unwrap();
    alice.connect(bob).await;
    let [channel] = channels.as_slice() else { panic!("two nodes have one channel") };
    let (key, request) = (alice.key(), PaymentRequest::single(channel.clone(), 5_000));
    alice.client().pay(&key, &request).await.unwrap();
    let ids: [&str; 2] = [alice.id(), bob.id()];
    let shown =
        until("the payment's traces arrive", async || payment(&receiver.spans(), ids, channel))
            .await;
    assert!(sent_whole(alice) && sent_whole(bob), "no span was lost");
    let spans = receiver.spans();
    let traces: BTreeSet<&str> = spans.iter().map(|span| span.trace.as_str()).collect();
    println!("{} spans in {} traces; the payment:\n{shown}", spans.len(), traces.len());
}

/// True if the node has sent every span that ended.
fn sent_whole(node: &Node) -> bool {
    let scrape = node.scrape();
    ["dropped", "failed"]
        .iter()
        .all(|fate| scrape.contains(&format!("strait_trace_spans_total{{result=\"{fate}\"}} 0\n")))
}

#[test]
fn a_payment_hangs_together_on_both_nodes_in_a_real_collector() {
    on_devnet(work);
}
