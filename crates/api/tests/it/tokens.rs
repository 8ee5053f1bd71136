//! Tokens over the wire: what each covers, what it is told, and what of it is written down.

use std::time::Duration;

use serde_json::Value;
use strait_api::scripted::CHANNEL;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Answer, Running, TOKEN};

/// Makes a token and gives its id and secret.
pub(crate) async fn make(server: &Running, body: &str) -> (String, String) {
    let json = "Content-Type: application/json";
    let made = server.ask("POST /v1/tokens", &[json], body).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let made: Value = serde_json::from_str(&made.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["token"]["token_id"]), text(&made["secret"]))
}

/// Asks with this token.
pub(crate) async fn with(
    server: &Running,
    secret: &str,
    line: &str,
    key: &str,
    body: &str,
) -> Answer {
    let token = format!("Authorization: Bearer {secret}");
    let key = format!("Idempotency-Key: {key}");
    let headers = [token.as_str(), key.as_str(), "Content-Type: application/json"];
    server.ask_bare(line, &headers, body).await
}

fn payment(msat: u64) -> String {
    format!(r#"{{"channel_id":"{CHANNEL}","amount_msat":{msat}}}"#)
}

#[tokio::test]
async fn each_scope_gets_what_it_covers_and_no_more() {
    let server = Running::start().await;
    let (_, read) = make(&server, r#"{"scope":"read"}"#).await;
    let (_, pay) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let (_, operate) = make(&server, r#"{"scope":"operate"}"#).await;
    let settle = "POST /v1/wallet/addresses";
    for (line, body, allowed) in [
        ("GET /v1/status", String::new(), [true, true, true]),
        ("POST /v1/payments", payment(1), [false, true, true]),
        (settle, String::new(), [false, false, true]),
        ("GET /v1/tokens", String::new(), [false, false, false]),
        ("POST /v1/tokens", r#"{"scope":"read"}"#.to_owned(), [false, false, false]),
    ] {
        for (secret, allowed) in [&read, &pay, &operate].into_iter().zip(allowed) {
            let answer = with(&server, secret, line, secret, &body).await;
            assert_eq!(answer.status == 200, allowed, "{line}: {}", answer.body);
            assert!(allowed || answer.code() == "NOT_ALLOWED", "{line}: {}", answer.body);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_is_wrong_revoked_or_expired_gets_nothing() {
    let server = Running::start().await;
    let (id, secret) = make(&server, r#"{"scope":"read","label":"dashboard"}"#).await;
    let other = secret.replace(secret.chars().last().unwrap(), "g");
    let code = async |secret: &str| with(&server, secret, "GET /v1/status", "k", "").await.code();
    assert_eq!(code(&other).await, "UNAUTHORIZED");
    assert_eq!(code(&secret[..secret.len() - 2]).await, "UNAUTHORIZED");
    let list = server.ask("GET /v1/tokens", &[], "").await.body;
    assert!(list.contains("dashboard") && !list.contains(&secret[24..]), "{list}");
    server.node.expire_tokens();
    assert_eq!(code(&secret).await, "TOKEN_EXPIRED");
    let revoked = server.ask(&format!("DELETE /v1/tokens/{id}"), &[], "").await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert_eq!(code(&secret).await, "UNAUTHORIZED");
    let again = server.ask(&format!("DELETE /v1/tokens/{id}"), &[], "").await;
    assert_eq!(again.code(), "TOKEN_NOT_FOUND");
    server.stop().await;
}

/// Sends a payment's head, and waits until the server asks for the body.
async fn begin_payment(server: &Running, secret: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/payments HTTP/1.1\r\nHost: node\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Authorization: Bearer {secret}\r\nIdempotency-Key: late\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    let read = timeout(Duration::from_secs(60), stream.read_exact(&mut go_on)).await;
    read.expect("the server asks for the body").unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn a_body_that_comes_after_its_token_ended_does_nothing() {
    let server = Running::start().await;
    let (before, body) = (server.node.spendable(), payment(1));
    let (id, revoked) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let (_, expired) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let mut late = Vec::new();
    for secret in [&revoked, &expired] {
        late.push(begin_payment(&server, secret, body.len()).await);
    }
    server.ask(&format!("DELETE /v1/tokens/{id}"), &[], "").await;
    server.node.expire_tokens();
    for (mut stream, code) in late.into_iter().zip(["UNAUTHORIZED", "TOKEN_EXPIRED"]) {
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(Answer::parse(&answer).code(), code);
    }
    assert_eq!(server.node.spendable(), before, "nothing was paid");
    server.stop().await;
}

#[tokio::test]
async fn what_makes_no_token_is_refused() {
    let server = Running::start().await;
    let json = "Content-Type: application/json";
    let long = format!(r#"{{"scope":"read","label":"{}"}}"#, "x".repeat(65));
    for body in [
        r#"{"scope":"root"}"#,
        r#"{"scope":"pay"}"#,
        r#"{"scope":"read","budget_sat":1}"#,
        r#"{"scope":"operate","payment_sat_max":1}"#,
        r#"{"scope":"read","expires_in_s":0}"#,
        r#"{"scope":"read","expires_in_s":99999999999}"#,
        r#"{"scope":"pay","budget_sat":2100000000000001}"#,
        long.as_str(),
    ] {
        let answer = server.ask("POST /v1/tokens", &[json], body).await;
        assert_eq!(answer.code(), "INVALID_FIELD", "{body}");
    }
    server.stop().await;
}

/// A guess at another's key must neither show nor block that one's payment.
#[tokio::test]
async fn one_key_of_two_tokens_is_two_requests() {
    let server = Running::start().await;
    let (_, one) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let (_, two) = make(&server, r#"{"scope":"pay","budget_sat":5}"#).await;
    let before = server.node.spendable().to_msat();
    for (secret, msat) in [(one.as_str(), 1), (&two, 2), (TOKEN, 4), (&one, 1)] {
        let answer = with(&server, secret, "POST /v1/payments", "order-17", &payment(msat)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(before - server.node.spendable().to_msat(), 7);
    server.stop().await;
}
