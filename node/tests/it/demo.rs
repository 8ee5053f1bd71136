//! `strait demo` from end to end, and every way out of it.

use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::processes::{Guarded, running_in, signal, strait, wait_for};

/// A demo that runs in a folder of its own.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    strait()
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", folder)
        // Settings of the machine that tests run on must not reach the demo's nodes.
        .env("STRAIT_DATA_DIR", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Ids of the three children, by a part of their command lines, once all run.
fn children(folder: &Path) -> [u32; 3] {
    ["chain.cookie", "alice.toml", "bob.toml"].map(|part| {
        wait_for(part, || {
            let running = running_in(folder);
            running.iter().find(|(_, line)| line.contains(part)).map(|(id, _)| *id)
        })
    })
}

fn nothing_is_left_in(folder: &Path) {
    wait_for("the end of every child", || running_in(folder).is_empty().then_some(()));
}

fn is_txid(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn a_demo_pays_runs_a_contract_closes_and_accounts_for_every_satoshi() {
    const START_SAT: u64 = 2 * 3 * 50 * 100_000_000;
    let folder = TempDir::new().unwrap();
    let output =
        start(folder.path(), &["--payments", "2000", "--json"]).wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expect = [
        "payments",
        "payments_per_second",
        "latency_ms",
        "contract_calls",
        "funding_txid",
        "closing_txid",
        "balances",
        "conserved",
    ];
    expect.sort_unstable();
    assert_eq!(keys, expect);
    assert_eq!(json["payments"], 2_000);
    assert_eq!(json["conserved"], true);
    assert!(json["contract_calls"].as_u64().unwrap() > 1_000, "{json}");
    assert!(json["payments_per_second"].as_f64().unwrap() > 0.0, "{json}");
    let latency = |part: &str| json["latency_ms"][part].as_f64().unwrap();
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99"), "{json}");
    assert!(is_txid(&json["funding_txid"]) && is_txid(&json["closing_txid"]), "{json}");
    assert_ne!(json["funding_txid"], json["closing_txid"]);
    let [alice_sat, bob_sat] =
        ["alice_sat", "bob_sat"].map(|name| json["balances"][name].as_u64().unwrap());
    assert!(bob_sat > START_SAT / 2 && alice_sat < START_SAT / 2, "{json}");
    assert!(alice_sat + bob_sat < START_SAT, "the miners took fees: {json}");
    assert!(words.contains("[11/11]"), "{words}");
    assert!(!words.contains('\r'), "no bars where no terminal is: {words}");
    nothing_is_left_in(folder.path());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the demo tidies up");
}

#[test]
fn a_demo_that_is_stopped_or_killed_leaves_no_child() {
    for (name, ends_tidily) in [("INT", true), ("TERM", true), ("KILL", false)] {
        let folder = TempDir::new().unwrap();
        let demo = start(folder.path(), &["--payments", "100000000"]);
        let mut demo = Guarded(demo);
        children(folder.path());
        signal(name, demo.0.id());
        wait_for("the demo's end", || demo.0.try_wait().unwrap());
        nothing_is_left_in(folder.path());
        let tidy = folder.path().read_dir().unwrap().count() == 0;
        assert_eq!(tidy, ends_tidily, "after {name}");
    }
}

#[test]
fn a_demo_whose_node_dies_says_so_names_the_step_and_shows_the_logs() {
    let folder = TempDir::new().unwrap();
    let demo = start(folder.path(), &["--payments", "100000000"]);
    let [_chain, alice, _bob] = children(folder.path());
    signal("KILL", alice);
    let output = demo.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    for part in ["failed at step ", "the process of alice ended", "the end of ", "alice.log"] {
        assert!(words.contains(part), "{words:?} lacks {part:?}");
    }
    nothing_is_left_in(folder.path());
}
