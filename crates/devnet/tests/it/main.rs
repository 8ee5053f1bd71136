//! The devnet as a service: HTTP, authentication, dialects of JSON-RPC, cookie, clock, stop.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use strait_devnet::{Devnet, DevnetError, Options, RpcAuth};
use strait_testkit::{Rpc, TestDevnet};
use tokio::runtime::{Builder, Runtime};
use ureq::Agent;

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(30)))
        .build();
    config.into()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn options(auth: RpcAuth, block_interval: Option<Duration>) -> Options {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Options { listen, auth, block_interval }
}

/// Posts a body and returns the status and what came back.
fn post(devnet: &TestDevnet, body: &str) -> (u16, Value) {
    let credentials = format!("{}:{}", devnet.user(), devnet.password());
    post_as(&devnet.rpc_url(), Some(&credentials), body)
}

fn post_as(url: &str, credentials: Option<&str>, body: &str) -> (u16, Value) {
    use base64::Engine;
    let mut request = agent().post(url).header("Content-Type", "application/json");
    if let Some(credentials) = credentials {
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        request = request.header("Authorization", format!("Basic {encoded}"));
    }
    let mut response = request.send(body).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn requests_without_the_right_credentials_are_refused() {
    let devnet = TestDevnet::start();
    let body = r#"{"method":"getblockcount","params":[],"id":1}"#;
    let check = |credentials: Option<&str>, expect: u16| {
        let (status, _) = post_as(&devnet.rpc_url(), credentials, body);
        assert_eq!(status, expect, "{credentials:?}");
    };
    check(None, 401);
    check(Some("strait:wrong"), 401);
    check(Some(":"), 401);
    check(Some(&format!("{}:{}", devnet.user(), devnet.password())), 200);
}

#[test]
fn both_dialects_are_answered_as_bitcoind_does() {
    let devnet = TestDevnet::start();
    let check = |body: &str, status: u16, expect: Value| {
        assert_eq!(post(&devnet, body), (status, expect), "{body}");
    };
    let missing = json!({ "code": -32_601, "message": "Method not found" });
    check(
        r#"{"method":"getblockcount","id":"a"}"#,
        200,
        json!({ "result": 0, "error": null, "id": "a" }),
    );
    check(
        r#"{"jsonrpc":"2.0","method":"getblockcount","params":{},"id":7}"#,
        200,
        json!({ "jsonrpc": "2.0", "result": 0, "id": 7 }),
    );
    check(
        r#"{"method":"nothing","id":1}"#,
        404,
        json!({ "result": null, "error": missing, "id": 1 }),
    );
    check(
        r#"{"jsonrpc":"2.0","method":"nothing","id":1}"#,
        200,
        json!({ "jsonrpc": "2.0", "error": missing, "id": 1 }),
    );
    check(r#"{"jsonrpc":"2.0","method":"getblockcount"}"#, 204, Value::Null);
    check(
        r#"[{"method":"getblockcount","id":1},{"method":"nothing","id":2}]"#,
        200,
        json!([
            { "result": 0, "error": null, "id": 1 },
            { "result": null, "error": missing, "id": 2 },
        ]),
    );
    for nonsense in ["", "{", "\u{0}", "[[[[", "\"text\"", "{}", r#"{"method":5,"id":1}"#] {
        let (status, answer) = post(&devnet, nonsense);
        assert!(status == 500 || status == 400, "{nonsense}: {status}");
        assert!(answer["error"]["code"].as_i64().unwrap() < -32_000, "{nonsense}: {answer}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(post(&devnet, &deep).0, 500);
    let batch = json!(vec![json!({ "method": "getblockcount" }); 1_001]).to_string();
    assert_eq!(post(&devnet, &batch).0, 400);
}

/// Reads the cookie and asks for the height.
fn height_by_cookie(url: &str, cookie: &Path) -> Value {
    let rpc = Rpc::new(url, &std::fs::read_to_string(cookie).unwrap());
    rpc.call("getblockcount", json!([])).unwrap()
}

#[test]
fn a_cookie_is_written_for_its_owner_and_removed_when_stopped_by_rpc() {
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join(".cookie");
    std::fs::write(&cookie, "left behind by a crash").unwrap();
    let runtime = runtime();
    let auth = RpcAuth::CookieFile(cookie.clone());
    let devnet = runtime.block_on(Devnet::bind(options(auth, None))).unwrap();
    let url = devnet.rpc_url();
    let running = runtime.spawn(devnet.run(std::future::pending()));
    assert_eq!(height_by_cookie(&url, &cookie), 0);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&cookie).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
    let rpc = Rpc::new(&url, &std::fs::read_to_string(&cookie).unwrap());
    rpc.call("stop", json!([])).unwrap();
    runtime.block_on(running).unwrap().unwrap();
    assert!(!cookie.exists());
}

#[test]
fn blocks_come_by_the_clock_when_asked_for() {
    let runtime = runtime();
    let auth = RpcAuth::UserPassword { user: "u".into(), password: "p".into() };
    let interval = Some(Duration::from_millis(5));
    let devnet = runtime.block_on(Devnet::bind(options(auth, interval))).unwrap();
    let rpc = Rpc::new(&devnet.rpc_url(), "u:p");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = runtime.spawn(devnet.run(async move { drop(stopped.await) }));
    while rpc.call("getblockcount", json!([])).unwrap().as_u64().unwrap() < 3 {
        std::thread::yield_now();
    }
    drop(stop);
    runtime.block_on(running).unwrap().unwrap();
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let runtime = runtime();
    let auth = RpcAuth::UserPassword { user: "u".into(), password: "p".into() };
    let first = runtime.block_on(Devnet::bind(options(auth.clone(), None))).unwrap();
    let listen = first.address();
    let options = Options { listen, auth, block_interval: None };
    match runtime.block_on(Devnet::bind(options)) {
        Err(DevnetError::Listen { address, .. }) => assert_eq!(address, listen),
        other => panic!("{other:?}"),
    }
}
