//! Locks over HTTP: what is parsed, what is refused, and what is never repeated.

use strait_api::scripted::{CHANNEL, LOCK, PREIMAGE};

use crate::http::Running;

const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn place() -> String {
    format!("/v1/locks/{CHANNEL}/received/{}", LOCK.id.0)
}

fn offer(extra: &str) -> String {
    format!(
        r#"{{"channel_id":"{CHANNEL}","amount_msat":7000,"payment_hash":"{HASH}","expiry":500{extra}}}"#
    )
}

#[tokio::test]
async fn a_lock_is_offered_with_the_way_it_shall_go() {
    let server = Running::start().await;
    let node = format!("02{}", "ab".repeat(32));
    let route = format!(r#","route":[{{"node_id":"{node}","amount_msat":5000,"expiry":400}}]"#);
    let lock = server.post("/v1/locks", "o", &offer(&route)).await.json();
    assert_eq!(lock["lock_id"], format!("{CHANNEL}-sent-0"));
    assert_eq!((&lock["state"], &lock["amount_msat"]), (&"standing".into(), &7_000.into()));
    assert_eq!(lock["route"][0]["node_id"], node);
    let direct = server.post("/v1/locks", "d", &offer("")).await.json();
    assert_eq!(direct["route"].as_array().unwrap().len(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_lock_is_found_by_its_name_and_by_what_it_is() {
    let server = Running::start().await;
    let lock = server.ask(&format!("GET {}", place()), &[], "").await.json();
    assert_eq!((&lock["state"], &lock["role"]), (&"held".into(), &"payee".into()));
    assert_eq!(lock["lock_id"], LOCK.to_string());
    assert!(lock.get("preimage").is_none(), "it was not shown yet: {lock}");
    let count = async |query: &str| {
        let page = server.ask(&format!("GET /v1/locks{query}"), &[], "").await.json();
        page["locks"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 1);
    assert_eq!(count("?state=held&direction=received&limit=5").await, 1);
    assert_eq!(count(&format!("?channel_id={CHANNEL}&state=standing")).await, 0);
    assert_eq!(count(&format!("?after={LOCK}")).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_lock_is_claimed_by_its_preimage_alone_and_given_back_without() {
    let server = Running::start().await;
    let preimage = "44".repeat(PREIMAGE.as_bytes().len());
    let body = format!(r#"{{"preimage":"{preimage}"}}"#);
    let claimed = server.post(&format!("{}/claim", place()), "c", &body).await.json();
    assert_eq!((&claimed["state"], &claimed["preimage"]), (&"claimed".into(), &preimage.into()));
    let wrong = format!(r#"{{"preimage":"{HASH}"}}"#);
    let refused = server.post(&format!("{}/claim", place()), "w", &wrong).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "WRONG_PREIMAGE"));
    let cancelled = server.post(&format!("{}/cancel", place()), "b", "").await.json();
    assert_eq!(cancelled["state"], "cancelled");
    server.stop().await;
}

#[tokio::test]
async fn every_bad_request_about_locks_gets_a_json_error() {
    let server = Running::start().await;
    let hop = r#"{"node_id":"00","amount_msat":1,"expiry":1}"#;
    let many =
        vec![format!(r#"{{"node_id":"02{}","amount_msat":1,"expiry":1}}"#, "ab".repeat(32)); 21];
    let too_many = format!(r#","route":[{}]"#, many.join(","));
    let (claim, offered) = (format!("POST {}/claim", place()), "POST /v1/locks".to_owned());
    let rows = [
        (offered.clone(), offer("").replace(":7000", ":0"), 400, "INVALID_FIELD"),
        (offered.clone(), offer("").replace(HASH, "aa"), 400, "INVALID_FIELD"),
        (offered.clone(), offer("").replace(":500", ":-1"), 400, "MALFORMED_BODY"),
        (offered.clone(), offer(&format!(r#","route":[{hop}]"#)), 400, "INVALID_FIELD"),
        (offered.clone(), offer(&too_many), 400, "INVALID_FIELD"),
        (offered, offer(r#","preimage":"00""#), 400, "MALFORMED_BODY"),
        (claim.clone(), r#"{"preimage":"44"}"#.into(), 400, "INVALID_FIELD"),
        (
            claim.replace("received/4", "received/5"),
            format!(r#"{{"preimage":"{HASH}"}}"#),
            404,
            "LOCK_NOT_FOUND",
        ),
        (claim.replace("received", "lent"), String::new(), 400, "INVALID_FIELD"),
        (claim.replace("/4/", "/four/"), String::new(), 400, "INVALID_FIELD"),
        ("GET /v1/locks?state=lost".into(), String::new(), 400, "INVALID_FIELD"),
        ("GET /v1/locks?limit=1001".into(), String::new(), 400, "INVALID_FIELD"),
        ("GET /v1/locks?after=x".into(), String::new(), 400, "INVALID_FIELD"),
        ("GET /v1/locks?hash=x".into(), String::new(), 400, "INVALID_FIELD"),
    ];
    for (line, body, status, code) in rows {
        let headers = ["Idempotency-Key: k", "Content-Type: application/json"];
        let answer = server.ask(&line, &headers, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{line} {body:.80}");
    }
    let json = "Content-Type: application/json";
    let keyless = server.ask(&claim, &[json], &format!(r#"{{"preimage":"{HASH}"}}"#)).await;
    assert_eq!(keyless.code(), "IDEMPOTENCY_KEY_MISSING");
    server.stop().await;
}

#[tokio::test]
async fn what_was_sent_as_a_preimage_is_never_repeated() {
    let server = Running::start().await;
    let secret = "5ec4e7".repeat(10) + "5ec4";
    for body in [
        format!("\"{secret}\""),
        format!(r#"{{"preimage":["{secret}"]}}"#),
        format!(r#"{{"{secret}":1}}"#),
        format!(r#"{{"preimage":"{secret}0"}}"#),
        format!(r#"{{"preimage":"{secret}"}}"#),
    ] {
        let answer = server.post(&format!("{}/claim", place()), "s", &body).await;
        assert!(answer.status >= 400, "{body}");
        assert!(!answer.body.contains("5ec4"), "{}", answer.body);
    }
    assert!(!format!("{:?}", server.node).contains("5ec4"));
    server.stop().await;
}
