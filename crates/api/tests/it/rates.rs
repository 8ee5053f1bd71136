//! A client that asks too much is told when to come back; one that sends garbage harms nobody else.

use strait_api::AdmissionSettings;
use strait_resilience::{Decision, RateSettings};

use crate::http::{Answer, Running};
use crate::tokens::{make, with};

/// More than any bucket of these tests holds, on however slow a machine.
const MANY: usize = 10_000;

/// What no test exhausts.
const GENEROUS: RateSettings = RateSettings { per_second: 50_000, burst: 100_000 };

async fn start(requests: RateSettings, refused_per_second: u32) -> Running {
    let settings = AdmissionSettings { requests, refused_per_second };
    Running::start_admitting(settings).await
}

fn is_limited(answer: &Answer) -> bool {
    let limited = answer.status == 429;
    if limited {
        assert_eq!(answer.code(), "RATE_LIMITED");
        assert!(answer.head.contains("retry-after: 1\r\n"), "{}", answer.head);
    }
    limited
}

const READ: &str = r#"{"scope":"read"}"#;

async fn look(server: &Running, secret: &str) -> Answer {
    with(server, secret, "GET /v1/status", "k", "").await
}

/// Asks until the token has asked too much.
async fn exhaust(server: &Running, secret: &str) {
    let mut answers = 0;
    while !is_limited(&look(server, secret).await) {
        answers += 1;
        assert!(answers < MANY, "nobody held it up");
    }
}

#[tokio::test]
async fn a_client_past_its_rate_is_told_when_to_ask_again_and_settings_change_meanwhile() {
    let server = start(RateSettings { per_second: 1, burst: 5 }, 0).await;
    let (_, secret) = make(&server, READ).await;
    for _ in 0..5 {
        assert_eq!(look(&server, &secret).await.status, 200, "the burst is free");
    }
    exhaust(&server, &secret).await;
    assert!(server.admission.requests.tally().counts().of(Decision::Refused) > 0);
    server.admission.tune(AdmissionSettings::default());
    // Its bucket is empty, and fills at the new rate.
    let mut asked = 0;
    while is_limited(&look(&server, &secret).await) {
        asked += 1;
        assert!(asked < MANY, "the new rate fills it");
    }
    for _ in 0..20 {
        assert_eq!(look(&server, &secret).await.status, 200);
    }
    server.stop().await;
}

/// All of them come from one address, as from behind a proxy.
#[tokio::test]
async fn a_tiny_rate_locks_no_operator_out_and_no_token_takes_what_is_anothers() {
    let server = start(RateSettings { per_second: 1, burst: 1 }, 0).await;
    let [(_, one), (_, two)] = [make(&server, READ).await, make(&server, READ).await];
    exhaust(&server, &one).await;
    assert_eq!(look(&server, &two).await.status, 200, "its bucket is its own");
    for _ in 0..50 {
        assert_eq!(server.ask("GET /v1/status", &[], "").await.status, 200, "the operator's");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_sends_garbage_hears_less_and_another_at_its_address_hears_why() {
    let server = start(GENEROUS, 1).await;
    let [(_, one), (_, two)] = [make(&server, READ).await, make(&server, READ).await];
    let mut answers = 0;
    while !is_limited(&with(&server, &one, "GET /v1/events?from=x", "k", "").await) {
        answers += 1;
        assert!(answers < MANY, "nobody held it up");
    }
    let answer = with(&server, &two, "GET /v1/events?from=x", "k", "").await;
    assert_eq!(answer.code(), "INVALID_FIELD");
    let stranger = server.ask_bare("GET /v1/status", &[], "").await;
    assert_eq!(stranger.code(), "UNAUTHORIZED", "tokens take nothing from an address");
    server.stop().await;
}

#[tokio::test]
async fn whoever_sends_garbage_hears_less_and_harms_no_honest_caller_at_the_same_address() {
    let server = start(GENEROUS, 1).await;
    let json = "Content-Type: application/json";
    let bad: [(&str, &[&str]); 3] = [
        ("GET /v1/status", &["Authorization: Bearer of-bad-news-to-everybody"]),
        ("GET /v1/status", &[]),
        ("POST /v1/payments", &[json]),
    ];
    let mut answers = 0;
    let (line, headers) = bad[0];
    while !is_limited(&server.ask_bare(line, headers, "{").await) {
        answers += 1;
        assert!(answers < MANY, "nobody held it up");
    }
    for (line, headers) in bad.into_iter().cycle().take(30) {
        let status = server.ask_bare(line, headers, "{").await.status;
        assert!([401, 429].contains(&status), "{status}");
        assert_eq!(server.ask("GET /v1/status", &[], "").await.status, 200);
    }
    assert_eq!(server.admission.requests.tally().counts().of(Decision::Refused), 0);
    server.stop().await;
}

#[tokio::test]
async fn what_a_node_cannot_do_now_is_nobodys_fault() {
    let server = start(GENEROUS, 1).await;
    let unknown = format!("GET /v1/channels/{}", "ab".repeat(32));
    for _ in 0..20 {
        assert_eq!(server.ask(&unknown, &[], "").await.status, 404, "asked again and again");
    }
    server.stop().await;
}
