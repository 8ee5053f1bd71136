//! Settings that change while the node runs, by SIGHUP and by request: what can does, what cannot is named, and what is
//! wrong changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use strait_api_types::{ChangeSettingsRequest, SettingChange, SettingList, SettingValue};
use strait_client::ClientError;
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
    check(&node, "rpc_url", &level("debug"), &["settings changed", "\"debug\""]).await;
    node.client().channel(&"00".repeat(32)).await.unwrap_err();
    until("the node tells of refusals", async || node.words().contains(" DEBUG ").then_some(()))
        .await;
    let wrong = ["configuration not reloaded", "log_level = \"loud\"", "error, warn, info"];
    check(&node, &level("debug"), &level("loud"), &wrong).await;
    let delay = ["take a restart", "channel.delay_blocks"];
    check(&node, "delay_blocks = 6", "delay_blocks = 7", &wrong).await;
    check(&node, &level("loud"), &level("debug"), &delay).await;
    let both = ["settings changed", "\"warn\"", "take a restart", "channel.delay_blocks"];
    check(&node, &level("debug"), &level("warn"), &both).await;
    requests(&node).await;
    kept(&node, &level("warn"), &level("error")).await;
}

/// Asks for one setting to be changed.
async fn set(node: &Node, key: &str, value: SettingValue) -> Result<SettingList, ClientError> {
    let request = ChangeSettingsRequest(BTreeMap::from([(key.to_owned(), value)]));
    node.client().change_settings(&request).await
}

/// The log level that the node runs with, and where it came from.
async fn level_of(node: &Node) -> (String, String) {
    let settings = node.client().settings().await.unwrap().settings;
    let level = settings.into_iter().find(|setting| setting.key == "log_level").unwrap();
    assert_eq!(level.changes, SettingChange::Request);
    let Some(SettingValue::Text(value)) = level.value else { panic!("{level:?}") };
    (value, level.source)
}

/// A request changes what changes live, all of it or nothing, and says what is wrong with the rest.
async fn requests(node: &Node) {
    let text = |text: &str| SettingValue::Text(text.to_owned());
    let changed = set(node, "log_level", text("info")).await.unwrap();
    assert_eq!(changed.settings.len(), 1);
    let expect = ("info".to_owned(), "request".to_owned());
    assert_eq!(level_of(node).await, expect);
    assert!(node.scrape().contains("strait_setting_info{key=\"log_level\",value=\"info\"} 1"));
    let rows = [
        ("log_level", text("loud"), "debug, trace or directives"),
        ("log_levle", text("info"), "log_level was meant"),
        ("channel.delay_blocks", SettingValue::Number(9), "channel.delay_blocks takes a restart"),
        ("channel.delay_blocks", SettingValue::Number(2), "from 6 to 2016 is right"),
        ("metrics_port", SettingValue::Switch(true), "a whole number is right"),
        ("api.audit_file", text("/dev/null"), "changes by the configuration file and SIGHUP"),
        ("api.tls_key_file", text("/dev/null"), "api.tls_certificate_file beside it is right"),
    ];
    for (key, value, words) in rows {
        let both = [(key.to_owned(), value), ("log_level".to_owned(), text("trace"))];
        let request = ChangeSettingsRequest(both.into_iter().rev().collect());
        let refused = node.client().change_settings(&request).await.unwrap_err();
        let ClientError::Refused { status: 400, error } = refused else { panic!("{refused}") };
        assert!(error.message.contains(words), "{key}: {}", error.message);
        assert_eq!(level_of(node).await, expect, "nothing was changed");
    }
    // How peers are treated changes as well, within the bounds of each key and of its neighbours.
    let pause = |ms| set(node, "net.reconnect_ms_max", SettingValue::Number(ms));
    pause(2_000).await.unwrap();
    assert!(node.scrape().contains("strait_setting{key=\"net.reconnect_ms_max\"} 2000"));
    let refused = pause(10).await.unwrap_err();
    let ClientError::Refused { status: 400, error } = refused else { panic!("{refused}") };
    assert!(error.message.contains("3600000 is right"), "{}", error.message);
    let shown = node.client().settings().await.unwrap().settings;
    let delay = shown.iter().find(|setting| setting.key == "channel.delay_blocks").unwrap();
    // The file has another by now, which takes a restart.
    let six = Some(SettingValue::Number(6));
    assert_eq!((&delay.value, delay.changes), (&six, SettingChange::Restart));
    let audit = shown.iter().find(|setting| setting.key == "api.audit_file").unwrap();
    assert_eq!(audit.changes, SettingChange::Hangup);
}

/// What was asked for outlives a hangup, until the file says something new.
async fn kept(node: &Node, from: &str, to: &str) {
    check(node, "delay_blocks = 7", "delay_blocks = 8", &["configuration read again"]).await;
    assert_eq!(level_of(node).await.0, "info");
    let config = std::fs::read_to_string(node.config()).unwrap();
    std::fs::write(node.config(), config.replacen(from, to, 1)).unwrap();
    signal("HUP", node.process_id());
    until("the file's level holds", async || {
        let (level, source) = level_of(node).await;
        (level == "error" && source.starts_with("file ")).then_some(())
    })
    .await;
    let scrape = node.scrape();
    assert!(scrape.contains("strait_setting_info{key=\"log_level\",value=\"error\"} 1"));
    assert!(!scrape.contains("value=\"info\""), "one level at a time");
}

#[test]
fn a_hangup_or_a_request_changes_what_is_live_and_names_what_takes_a_restart() {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(&devnet, folder.path()));
}
