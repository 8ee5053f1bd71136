//! Bad input: every refusal is a JSON error with a code, a message and a hint.

use strait_api::{Listen, ServerError};

use crate::http::{Running, TOKEN};

const CHANNEL: &str = "1111111111111111111111111111111111111111111111111111111111111111";

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let server = Running::start().await;
    let wrong = format!("Authorization: Bearer {}", TOKEN.replace('0', "1"));
    let basic = format!("Authorization: Basic {TOKEN}");
    let rows: [(&str, &[&str]); 5] = [
        ("GET /v1/status", &[]),
        ("GET /v1/status", &[&wrong]),
        ("GET /v1/status", &[&basic]),
        ("GET /nowhere", &[]),
        ("POST /v1/payments", &["Content-Type: application/json", "Idempotency-Key: k"]),
    ];
    for (line, headers) in rows {
        let answer = server.ask_bare(line, headers, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHORIZED"), "{line}");
        assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    }
    let lower = format!("Authorization: bearer {TOKEN}");
    assert_eq!(server.ask_bare("GET /v1/status", &[&lower], "").await.status, 200);
    assert_eq!(server.node.questions(), Vec::<String>::new());
    server.stop().await;
}

#[tokio::test]
async fn every_bad_request_gets_a_json_error() {
    let server = Running::start().await;
    let json = "Content-Type: application/json";
    let pay = "POST /v1/payments";
    let key = "Idempotency-Key: k";
    let single = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":1}}"#);
    let extra = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":1,"fee":2}}"#);
    let negative = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":-1}}"#);
    let float = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":1.5}}"#);
    let zero = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":0}}"#);
    let broke = format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":1000001}}"#);
    let large = "x".repeat(3 * 1024 * 1024);
    let rows: [(&str, &[&str], &str, u16, &str); 17] = [
        ("GET /v2/status", &[], "", 404, "ENDPOINT_NOT_FOUND"),
        ("DELETE /v1/status", &[], "", 405, "METHOD_NOT_ALLOWED"),
        ("GET /v1/channels/12", &[], "", 400, "INVALID_FIELD"),
        ("GET /v1/channels/%ff", &[], "", 400, "INVALID_FIELD"),
        (pay, &[json], &single, 428, "IDEMPOTENCY_KEY_MISSING"),
        (pay, &[json, "Idempotency-Key: a b"], &single, 400, "INVALID_FIELD"),
        (pay, &[key], &single, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (pay, &[key, json], "{", 400, "MALFORMED_BODY"),
        (pay, &[key, json], "", 400, "MALFORMED_BODY"),
        (pay, &[key, json], &extra, 400, "MALFORMED_BODY"),
        (pay, &[key, json], &negative, 400, "MALFORMED_BODY"),
        (pay, &[key, json], &float, 400, "MALFORMED_BODY"),
        (pay, &[key, json], &zero, 400, "INVALID_FIELD"),
        (pay, &[key, json], &broke, 409, "INSUFFICIENT_BALANCE"),
        (pay, &[key, json], &large, 413, "BODY_TOO_LARGE"),
        ("GET /v1/events?from=x", &[], "", 400, "INVALID_FIELD"),
        ("GET /v1/events?since=1", &[], "", 400, "INVALID_FIELD"),
    ];
    for (line, headers, body, status, code) in rows {
        let answer = server.ask(line, headers, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line} {body:.80}");
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    }
    assert_eq!(server.ask("DELETE /v1/peers", &[], "").await.head.matches("allow: get").count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_module_that_is_not_wasm_or_too_large_is_refused() {
    let server = Running::start().await;
    let wasm = "Content-Type: application/wasm";
    let line = "POST /v1/contracts/modules";
    assert_eq!(server.ask(line, &[wasm], "\0asm....").await.status, 200);
    assert_eq!(server.ask(line, &[wasm], "#!/bin/sh").await.code(), "MODULE_REFUSED");
    let large = "\0asm".repeat(1024 * 1024 + 1);
    assert_eq!(server.ask(line, &[wasm], &large).await.code(), "BODY_TOO_LARGE");
    server.stop().await;
}

#[test]
fn an_address_that_other_machines_reach_needs_permission() {
    let everywhere = "0.0.0.0:1".parse().unwrap();
    let refused = Listen::loopback(everywhere).unwrap_err();
    assert!(matches!(refused, ServerError::NotLoopback { .. }), "{refused}");
    assert!(refused.to_string().contains("api.allow_remote"), "{refused}");
    assert_eq!(Listen::remote(everywhere).address(), everywhere);
}

#[tokio::test]
async fn every_answer_is_told_by_its_route_and_never_by_what_the_caller_chose() {
    let server = Running::start().await;
    let channel = "ab".repeat(32);
    for line in [
        "GET /v1/status",
        &format!("GET /v1/channels/{channel}"),
        "GET /v1/no-such-place",
        "BREW /v1/status",
    ] {
        server.ask(line, &[], "").await;
    }
    server.ask_bare("GET /v1/status", &[], "").await;
    let told = server.told.lock().unwrap().clone();
    let expect = [
        "GET /v1/status 200",
        "GET /v1/channels/{channel_id} 404",
        "GET none 404",
        "other /v1/status 405",
        "GET /v1/status 401",
    ];
    assert_eq!(told, expect);
    server.stop().await;
}
