//! Every call that changes something leaves its line, before its answer.

use std::fs;

use serde_json::Value;
use strait_api::AuditLog;
use strait_primitives::Timestamp;

use crate::http::{Running, TOKEN};

const fn now() -> Timestamp {
    Timestamp::from_unix_ms(5_000)
}

/// The routes that change something, as the published document has them: a new one is in it, or another test fails.
fn changing() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&strait_api::openapi_json()).unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            all.push((method.to_uppercase(), path.clone()));
        }
    }
    all
}

#[tokio::test]
async fn every_route_that_changes_something_leaves_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    let server = Running::start_audited(log).await;
    let routes = changing();
    assert!(routes.len() >= 16, "{routes:?}");
    for (number, (method, route)) in routes.iter().enumerate() {
        let line = format!("{method} {}", route.replace(['{', '}'], ""));
        let key = format!("Idempotency-Key: key-{number}");
        server.ask(&line, &[&key, "Content-Type: application/json"], "{}").await;
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), number + 1, "{line} left no line");
        let last = lines.last().unwrap();
        assert_eq!(last["route"], route.as_str());
        assert_eq!(last["method"], method.as_str());
        assert_eq!(last["token_id"], "root");
        assert_eq!(last["idempotency_key"], format!("key-{number}"));
        assert!(last["client"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(!text.contains(TOKEN));
    }
    let before = fs::metadata(&path).unwrap().len();
    server.ask("GET /v1/status", &[], "").await;
    assert_eq!(fs::metadata(&path).unwrap().len(), before, "who looks changes nothing");
    server.stop().await;
}

#[tokio::test]
async fn a_line_tells_who_how_much_and_to_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let server = Running::start_audited(AuditLog::open(&path, now).unwrap()).await;
    let channel = strait_api::scripted::CHANNEL.to_string();
    let body = format!(r#"{{"channel_id":"{channel}","amount_msat":3}}"#);
    assert_eq!(server.post("/v1/payments", "k", &body).await.status, 200);
    let line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["amount_msat"], 3);
    assert_eq!(line["target"], channel.as_str());
    assert_eq!((line["code"].as_str(), line["status"].as_u64()), (Some("OK"), Some(200)));
    assert_eq!(line["at_ms"], 5_000);
    server.stop().await;
}
