//! Every call that changes something leaves its line, before its answer.

use std::fs;
use std::path::Path;

use serde_json::Value;
use strait_api::scripted::{CHANNEL, MODULE};
use strait_api::{AdmissionSettings, AuditLog};
use strait_primitives::Timestamp;

use crate::http::{Running, TOKEN};
use crate::tokens::{make, with};

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
    let refused = folder.path().join("audit.log.refused");
    let server = Running::start_audited(log).await;
    let routes = changing();
    assert!(routes.len() >= 16, "{routes:?}");
    for (number, (method, route)) in routes.iter().enumerate() {
        let line = format!("{method} {}", route.replace(['{', '}'], ""));
        let key = format!("Idempotency-Key: key-{number}");
        server.ask(&line, &[&key, "Content-Type: application/json"], "{}").await;
        let both = [&path, &refused].map(|path| fs::read_to_string(path).unwrap());
        let lines: Vec<Value> = both
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), number + 1, "{line} left no line");
        let key = format!("key-{number}");
        let last = lines.iter().find(|line| line["idempotency_key"] == key).unwrap();
        assert_eq!(last["route"], route.as_str());
        assert_eq!(last["method"], method.as_str());
        assert_eq!(last["token_id"], "root");
        assert!(last["client"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(both.iter().all(|text| !text.contains(TOKEN)));
    }
    let before = length(&path) + length(&refused);
    server.ask("GET /v1/status", &[], "").await;
    assert_eq!(length(&path) + length(&refused), before, "who looks changes nothing");
    server.stop().await;
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// Beyond its scope, beyond what it may ask, and with garbage: whatever it does.
#[tokio::test]
async fn a_token_that_is_refused_all_day_adds_nothing_to_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let settings = AdmissionSettings { refused_per_second: 0, ..AdmissionSettings::default() };
    let server = Running::start_bounded(settings, AuditLog::open(&path, now).unwrap()).await;
    let (_, read) = make(&server, r#"{"scope":"read"}"#).await;
    let (_, pay) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let before = length(&path);
    let long = "k".repeat(20_000);
    for number in 0..75 {
        for (secret, key) in [(&read, "k"), (&read, &long), (&pay, "k"), (&pay, &long)] {
            let answer = with(&server, secret, "POST /v1/payments", key, "{").await;
            assert!(answer.status >= 400, "{number}");
        }
    }
    assert_eq!(length(&path), before);
    let refused = folder.path().join("audit.log.refused");
    let lines = || fs::read_to_string(&refused).unwrap().lines().count();
    assert_eq!(lines(), 200, "each token has a hundred lines");
    assert!(length(&refused) < 200 * 400, "and no key fills them");
    server.stop().await;
    assert_eq!(lines(), 202, "the rest is told in a line for each");
}

#[tokio::test]
async fn a_line_tells_who_how_much_and_to_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let server = Running::start_audited(AuditLog::open(&path, now).unwrap()).await;
    let channel = CHANNEL.to_string();
    let body = format!(r#"{{"channel_id":"{channel}","amount_msat":3}}"#);
    assert_eq!(server.post("/v1/payments", "k", &body).await.status, 200);
    let line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["amount_msat"], 3);
    assert_eq!(line["target"], channel.as_str());
    assert_eq!((line["code"].as_str(), line["status"].as_u64()), (Some("OK"), Some(200)));
    assert_eq!(line["at_ms"], 5_000);
    assert!(line.get("channel_opener_msat").is_none());
    server.stop().await;
}

#[tokio::test]
async fn a_contracts_line_names_what_each_side_of_the_channel_puts_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let server = Running::start_audited(AuditLog::open(&path, now).unwrap()).await;
    let (channel, module) = (CHANNEL.to_string(), MODULE.to_string());
    let body = format!(
        r#"{{"channel_id":"{channel}","module_hash":"{module}","collateral_opener_msat":5,"collateral_acceptor_msat":3}}"#
    );
    assert_eq!(server.post("/v1/contracts", "k", &body).await.status, 200);
    let line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let amounts = ["amount_msat", "channel_opener_msat", "channel_acceptor_msat"];
    assert_eq!(amounts.map(|field| line[field].as_u64().unwrap()), [8, 5, 3]);
    server.stop().await;
}

#[tokio::test]
async fn a_decision_that_could_not_be_told_in_a_line_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let server = Running::start_audited(AuditLog::open(&path, now).unwrap()).await;
    let json = "Content-Type: application/json";
    let change =
        async || server.ask("PATCH /v1/settings", &[json], r#"{"log.level":"info"}"#).await;
    for number in 0..3_600 {
        assert_eq!(change().await.status, 200, "{number}");
    }
    let refused = change().await;
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (429, Some("RATE_LIMITED"))
    );
    assert!(refused.head.contains("retry-after: 10\r\n"), "{}", refused.head);
    let body = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":3}}"#);
    for repeated in [Value::Null, Value::Bool(true)] {
        assert_eq!(server.post("/v1/payments", "k", &body).await.status, 200);
        let text = fs::read_to_string(&path).unwrap();
        let line: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(line["repeated"], repeated);
    }
    server.stop().await;
}
