//! SIGHUP: what can change live does, what cannot is named, and a wrong file changes nothing.

use std::path::Path;

use strait_testkit::TestDevnet;

use crate::nodes::{Backend, Node, until};
use crate::processes::signal;

/// Replaces a text in the node's configuration, sends SIGHUP and waits for words in what the node writes.
async fn check(node: &Node, from: &str, to: &str, expect: &[&str]) {
    let config = std::fs::read_to_string(node.config()).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(node.config(), config.replacen(from, to, 1)).unwrap();
    let before = node.words().len();
    signal("HUP", node.process_id());
    until(&format!("the node says {expect:?}"), async || {
        let words = node.words();
        expect.iter().all(|expect| words[before..].contains(expect)).then_some(())
    })
    .await;
    assert!(!node.client().status().await.unwrap().node_id.is_empty());
}

async fn work(devnet: &TestDevnet, folder: &Path) {
    let cookie = folder.join("cookie");
    std::fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    let backend = Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() };
    let node = Node::start(&backend).await;
    assert!(!node.words().contains(" DEBUG "));
    let level = |level: &str| format!("log_level = \"{level}\"\nrpc_url");
    // The test's configuration names no level: the default is `info`.
    check(&node, "rpc_url", &level("debug"), &["log level changed", "\"debug\""]).await;
    node.client().channel(&"00".repeat(32)).await.unwrap_err();
    until("the node tells of refusals", async || node.words().contains(" DEBUG ").then_some(()))
        .await;
    let wrong = ["configuration not reloaded", "log_level = \"loud\"", "error, warn, info"];
    check(&node, &level("debug"), &level("loud"), &wrong).await;
    let delay = ["take a restart", "channel.delay_blocks"];
    check(&node, "delay_blocks = 6", "delay_blocks = 7", &wrong).await;
    check(&node, &level("loud"), &level("debug"), &delay).await;
    let both = ["log level changed", "\"warn\"", "take a restart", "channel.delay_blocks"];
    check(&node, &level("debug"), &level("warn"), &both).await;
}

#[test]
fn a_hangup_changes_the_log_level_and_names_what_takes_a_restart() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
