//! The event stream: resumable, and pages of it.

use std::time::Duration;

use strait_api_types::EventKind;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Running, TOKEN};
use crate::tokens::make;

/// Reads until the text contains `part`.
async fn read_until(stream: &mut TcpStream, text: &mut String, part: &str) {
    let mut buffer = [0; 1_024];
    while !text.contains(part) {
        let read = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await;
        let count = read.expect("the stream is silent").unwrap();
        assert_ne!(count, 0, "the stream ended before {part:?}: {text}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
}

async fn open(server: &Running, path: &str, headers: &[&str]) -> TcpStream {
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let headers: Vec<&str> = headers.iter().copied().chain([authorization.as_str()]).collect();
    server.send(&format!("GET {path}"), &headers, "").await
}

#[tokio::test]
async fn a_stream_gives_the_past_then_the_present_and_ends_with_the_server() {
    let server = Running::start().await;
    server.node.happen(EventKind::WalletChanged);
    let mut stream = open(&server, "/v1/events?from=1", &[]).await;
    let mut text = String::new();
    read_until(&mut stream, &mut text, "id: 1").await;
    server.node.happen(EventKind::ChannelOpen { channel_id: "c".into() });
    read_until(&mut stream, &mut text, r#""type":"channel_open""#).await;
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("id: 2"), "{text}");
    let began = tokio::time::Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(9), "the stream held the server up");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_sends_nothing_after_that() {
    let server = Running::start().await;
    server.node.happen(EventKind::WalletChanged);
    let (id, revoked) = make(&server, r#"{"scope":"read"}"#).await;
    let (_, expired) = make(&server, r#"{"scope":"read"}"#).await;
    let mut streams = Vec::new();
    for secret in [&revoked, &expired] {
        let token = format!("Authorization: Bearer {secret}");
        let mut stream = server.send("GET /v1/events?from=1", &[&token], "").await;
        let mut text = String::new();
        read_until(&mut stream, &mut text, "id: 1").await;
        streams.push((stream, text));
    }
    let mut root = open(&server, "/v1/events?from=1", &[]).await;
    server.ask(&format!("DELETE /v1/tokens/{id}"), &[], "").await;
    server.node.expire_tokens();
    server.node.happen(EventKind::WalletChanged);
    for ((mut stream, mut text), code) in streams.into_iter().zip(["UNAUTHORIZED", "TOKEN_EXPIRED"])
    {
        let ended = timeout(Duration::from_secs(60), stream.read_to_string(&mut text)).await;
        ended.expect("the stream goes on").unwrap();
        assert!(text.contains("event: error") && text.contains(code), "{text}");
        assert!(!text.contains("id: 2"), "{text}");
    }
    read_until(&mut root, &mut String::new(), "id: 2").await;
    drop(root);
    server.stop().await;
}

/// No event comes that would be looked at.
#[tokio::test]
async fn a_silent_stream_ends_with_its_token_too() {
    let server = Running::start().await;
    let (_, secret) = make(&server, r#"{"scope":"read"}"#).await;
    let token = format!("Authorization: Bearer {secret}");
    let mut stream = server.send("GET /v1/events", &[&token], "").await;
    let mut text = String::new();
    read_until(&mut stream, &mut text, "\r\n\r\n").await;
    server.node.expire_tokens();
    read_until(&mut stream, &mut text, "TOKEN_EXPIRED").await;
    server.stop().await;
}

#[tokio::test]
async fn last_event_id_resumes_after_the_event_and_goes_before_from() {
    let server = Running::start().await;
    for _ in 0..5 {
        server.node.happen(EventKind::WalletChanged);
    }
    let mut stream = open(&server, "/v1/events?from=1&limit=2", &["Last-Event-ID: 3"]).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let ids: Vec<&str> = text.lines().filter(|line| line.starts_with("id: ")).collect();
    assert_eq!(ids, ["id: 4", "id: 5"]);
    server.stop().await;
}

#[tokio::test]
async fn pages_chain_by_next_from_and_end_empty() {
    let server = Running::start().await;
    for _ in 0..5 {
        server.node.happen(EventKind::WalletChanged);
    }
    let mut from = 1;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let line = format!("GET /v1/events?from={from}&limit=3");
        let page = server.ask(&line, &["Accept: application/json"], "").await.json();
        let events = page["events"].as_array().unwrap();
        seen.extend(events.iter().map(|event| event["seq"].as_u64().unwrap()));
        from = page["next_from"].as_u64().unwrap();
    }
    assert_eq!((seen, from), (vec![1, 2, 3, 4, 5], 6));
    server.stop().await;
}

#[tokio::test]
async fn limits_and_forms_are_checked() {
    let server = Running::start().await;
    let page = "Accept: application/json";
    let rows = [
        ("GET /v1/events?limit=0", page, "INVALID_FIELD"),
        ("GET /v1/events?limit=1001", page, "INVALID_FIELD"),
        ("GET /v1/events", "Accept: image/png", "NOT_ACCEPTABLE"),
        ("GET /v1/events", "Last-Event-ID: -1", "INVALID_FIELD"),
    ];
    for (line, header, code) in rows {
        assert_eq!(server.ask(line, &[header], "").await.code(), code, "{line} {header}");
    }
    server.stop().await;
}
