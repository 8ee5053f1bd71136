//! Money moves once for each key, whatever becomes of the caller.

use std::sync::Arc;
use std::time::Duration;

use strait_api::scripted::Answers;
use tokio::time::{Instant, sleep};

use crate::http::Running;

const CHANNEL: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn payment(amount_msat: u64) -> String {
    format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":{amount_msat}}}"#)
}

/// Waits for a condition, at most ten seconds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn the_same_key_pays_once_and_gives_the_same_answer() {
    let server = Running::start().await;
    let first = server.post("/v1/payments", "order-1", &payment(700)).await;
    let again = server.post("/v1/payments", "order-1", &payment(700)).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    assert_eq!(server.node.spendable().to_msat(), 999_300);
    let other = server.post("/v1/payments", "order-1", &payment(800)).await;
    assert_eq!((other.status, other.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(server.node.spendable().to_msat(), 999_300);
    server.stop().await;
}

#[tokio::test]
async fn a_batch_is_one_answer() {
    let server = Running::start().await;
    let items = vec![r#"{"amount_msat":2,"reference":"r"}"#; 4_096].join(",");
    let batch = format!(r#"{{"channel_id":"{CHANNEL}","payments":[{items}]}}"#);
    let answer = server.post("/v1/payments", "batch", &batch).await.json();
    assert_eq!(answer["count"], 4_096);
    assert_eq!(answer["total_msat"], 8_192);
    server.stop().await;
}

#[tokio::test]
async fn a_payment_that_takes_long_goes_on_and_the_key_finds_it_again() {
    let server = Running::start_with(Duration::from_millis(50)).await;
    server.node.set_answers(Answers::HeldBack);
    let early = server.post("/v1/payments", "slow", &payment(5)).await;
    assert_eq!((early.status, early.code().as_str()), (504, "STILL_RUNNING"));
    assert!(early.json()["error"]["hint"].as_str().unwrap().contains("same idempotency key"));
    server.node.set_answers(Answers::Given);
    let node = Arc::clone(&server.node);
    until("the payment is made", || node.spendable().to_msat() == 999_995).await;
    let late = server.post("/v1/payments", "slow", &payment(5)).await;
    assert_eq!(late.status, 200);
    assert_eq!(server.node.spendable().to_msat(), 999_995);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_take_its_payment_back() {
    let server = Running::start().await;
    server.node.set_answers(Answers::HeldBack);
    let key = ["Idempotency-Key: gone", "Content-Type: application/json"];
    let authorization = format!("Authorization: Bearer {}", crate::http::TOKEN);
    let headers: Vec<&str> = key.into_iter().chain([authorization.as_str()]).collect();
    let caller = server.send("POST /v1/payments", &headers, &payment(9)).await;
    let node = Arc::clone(&server.node);
    until("the node is asked", || !node.questions().is_empty()).await;
    drop(caller);
    server.node.set_answers(Answers::Given);
    until("the payment is made", || node.spendable().to_msat() == 999_991).await;
    server.stop().await;
}

#[tokio::test]
async fn stopping_waits_for_the_request_that_is_under_way() {
    let server = Running::start().await;
    server.node.set_answers(Answers::HeldBack);
    let node = Arc::clone(&server.node);
    let address = server.address;
    let headers = format!("Authorization: Bearer {}", crate::http::TOKEN);
    let asking = server
        .send(
            "POST /v1/payments",
            &[&headers, "Idempotency-Key: last", "Content-Type: application/json"],
            &payment(3),
        )
        .await;
    until("the node is asked", || !node.questions().is_empty()).await;
    let began = Instant::now();
    let stopping = tokio::spawn(server.stop());
    until("the address is free", || std::net::TcpStream::connect(address).is_err()).await;
    node.set_answers(Answers::Given);
    stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(9), "the stop ran into its limit");
    let mut answer = String::new();
    let mut asking = asking;
    tokio::io::AsyncReadExt::read_to_string(&mut asking, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
