//! What a supervisor hears from a node: live, started and ready, each with its causes.
//!
//! Goal: a node is ready only when it has read its log, follows a chain that is the network's, and owns its log; and it
//! says what is missing. Method: one real node, whose log another writer takes over, and whose chain goes away. How parts
//! add up to verdicts has rows of its own in `strait-telemetry`.

use std::path::Path;

use serde_json::Value;
use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node, until};

/// A probe's answer: the status code, and the causes as `component: message`.
fn probe(node: &Node, page: &str) -> (u16, Vec<String>) {
    let answer = node.health(page);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let word = if status == 200 { "pass" } else { "fail" };
    assert_eq!(body["status"], word, "{answer}");
    let cause = |cause: &Value| {
        format!("{}: {}", cause["component"].as_str().unwrap(), cause["message"].as_str().unwrap())
    };
    (status, body["causes"].as_array().unwrap().iter().map(cause).collect())
}

/// Waits until a probe gives this status, with a cause that has these words.
async fn says(node: &Node, page: &str, status: u16, words: &str) {
    until(&format!("{page} says {status} {words:?}"), async || {
        let (found, causes) = probe(node, page);
        let told = words.is_empty() || causes.iter().any(|cause| cause.contains(words));
        (found == status && told).then_some(())
    })
    .await;
}

async fn work(devnet: TestDevnet, folder: &Path) {
    let cookie = folder.join("cookie");
    std::fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let variables = [("STRAIT_CHAIN__UNREADY_AFTER_MS", "1000")];
    let mut node = Node::start(&backend).await;
    node.stop().await;
    node.restart_with_settings(&variables).await;
    for page in ["live", "startup", "ready"] {
        assert_eq!(probe(&node, page), (200, Vec::new()), "{page}");
    }
    let scrape = node.scrape();
    assert!(scrape.contains("strait_ready 1") && scrape.contains("{component=\"chain\"} 0"));
    fenced(&mut node).await;
    node.restart_with_settings(&variables).await;
    // The chain goes away: the node lives and has started, and is not ready any more. It ends on a thread that has no
    // runtime of its own.
    std::thread::spawn(move || drop(devnet)).join().unwrap();
    says(&node, "ready", 503, "chain: unhealthy").await;
    assert!(node.scrape().contains("strait_ready 0"));
    assert!(node.scrape().contains("strait_component_health{component=\"chain\"} 2"));
    says(&node, "live", 200, "chain: unhealthy").await;
    assert_eq!(probe(&node, "startup").0, 200);
}

/// Another writer takes the log over: the node says so, and ends.
async fn fenced(node: &mut Node) {
    let _new = node.steal_log();
    // Whatever it has to write next tells it.
    node.client().new_address().await.unwrap_err();
    let status = node.ends().await;
    assert!(!status.success(), "{status}");
    let words = node.words();
    assert!(words.contains("the node halts") && words.contains("the log could not be written"));
}

#[test]
fn a_node_is_ready_when_it_follows_the_chain_and_owns_its_log_and_says_why_it_is_not() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(devnet, folder.path()));
}
