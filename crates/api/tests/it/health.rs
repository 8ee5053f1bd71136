//! The second server tells what its closures say.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strait_api::{Cause, HealthServer, Verdict, Vitals};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::Answer;

#[tokio::test]
async fn a_failing_probe_is_503_with_its_causes() {
    let broken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&broken);
    let vitals = Vitals {
        metrics: Box::new(|| "strait_up 1\n".to_owned()),
        live: Box::new(Verdict::default),
        ready: Box::new(move || {
            let cause = Cause { component: "chain".into(), message: "no answer".into() };
            let causes = if seen.load(Ordering::SeqCst) { vec![cause] } else { Vec::new() };
            Verdict { causes }
        }),
        startup: Box::new(Verdict::default),
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
    broken.store(true, Ordering::SeqCst);
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
