//! The second server tells what its closures say.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use strait_api::{Cause, HealthServer, Verdict, Vitals};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::Answer;

#[tokio::test]
async fn a_failing_probe_is_503_with_its_causes() {
    let standing = Arc::new(AtomicU8::new(0));
    let seen = Arc::clone(&standing);
    let vitals = Vitals {
        metrics: Box::new(|| "strait_up 1\n".to_owned()),
        live: Box::new(|| Verdict::Pass(Vec::new())),
        ready: Box::new(move || {
            let cause = Cause { component: "chain".into(), message: "no answer".into() };
            match seen.load(Ordering::SeqCst) {
                0 => Verdict::Pass(Vec::new()),
                1 => Verdict::Pass(vec![cause]),
                _ => Verdict::Fail(vec![cause]),
            }
        }),
        startup: Box::new(|| Verdict::Pass(Vec::new())),
    };
    let server = HealthServer::bind((Ipv4Addr::LOCALHOST, 0).into(), vitals).await.unwrap();
    let address = server.local_addr();
    let task = tokio::spawn(server.run(std::future::pending()));
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        Answer::parse(&text)
    };
    assert_eq!(get("/health/ready").await.body, r#"{"status":"pass","causes":[]}"#);
    standing.store(1, Ordering::SeqCst);
    let passing = get("/health/ready").await;
    assert_eq!((passing.status, passing.json()["status"].as_str()), (200, Some("pass")));
    assert_eq!(passing.json()["causes"][0]["component"], "chain", "named, though it passes");
    standing.store(2, Ordering::SeqCst);
    let failing = get("/health/ready").await;
    assert_eq!(failing.status, 503);
    assert_eq!(failing.json()["causes"][0]["component"], "chain");
    assert_eq!(get("/health/live").await.status, 200);
    assert_eq!(get("/health/startup").await.status, 200);
    let metrics = get("/metrics").await;
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    assert_eq!(metrics.body, "strait_up 1\n");
    assert_eq!(get("/elsewhere").await.code(), "ENDPOINT_NOT_FOUND");
    task.abort();
}
