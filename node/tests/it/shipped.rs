//! A node under load, whose log is backed up and shipped while it works, and whose disk is then gone.
//!
//! Goal: what comes back is the log as it was, at the place that it names. Method: two nodes pay in batches at a steady rate;
//! a backup is taken and proved meanwhile; the node is killed; log, backup and shipped log are folded and compared, and each
//! copy becomes a node again. The short form pays a few seconds; with `STRAIT_LONG=1`, a minute at 5,000 payments
//! a second, for which `STRAIT_BIN` names a release. Both print what was measured: `docs/recovery.md` has the figures.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use strait_api_types::{PaymentItem, PaymentRequest};
use strait_client::{Client, IdempotencyKey};
use tokio::time::{Instant, sleep, sleep_until};

use crate::nodes::{Backend, Node, until};
use crate::processes::strait;
use crate::world::{on_a_chain, with_channel};

/// How much is paid.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// Payments in a batch.
    batch: u32,
    /// A batch goes out so often.
    every: Duration,
    batches: u32,
}

impl Load {
    /// What the environment asks for.
    fn wanted() -> Self {
        if std::env::var_os("STRAIT_LONG").is_some() {
            // 5,000 a second, for a minute.
            Self { batch: 1_000, every: Duration::from_millis(200), batches: 300 }
        } else {
            Self { batch: 50, every: Duration::from_millis(50), batches: 40 }
        }
    }
}

#[test]
fn a_log_under_load_is_backed_up_and_shipped_and_comes_back_as_it_was() {
    on_a_chain(work);
}

#[expect(clippy::print_stdout, reason = "figures that a person asked for")]
async fn work(backend: Backend) {
    let (load, folder) = (Load::wanted(), tempfile::tempdir().unwrap());
    let shipped = folder.path().join("shipped");
    let (mut alice, _bob, channel) = pair(&backend, &shipped).await;

    let backup = folder.path().join("busy.db");
    let half = load.every * load.batches / 2;
    let config = alice.config();
    let (paid, lags, took) = tokio::join!(
        pay(alice.client(), &channel, load),
        watch(&alice, load),
        back_up(half, &config, &backup),
    );
    // Killed while the last payments are still on their way to the second folder.
    alice.kill();
    let rate = f64::from(load.batch * load.batches) / paid.as_secs_f64();
    println!(
        "{:.0} payments/s for {:.1} s; a backup took {:.2} s",
        rate,
        paid.as_secs_f64(),
        took.as_secs_f64()
    );
    println!(
        "lag of the shipped log: p50 {:.2} s, max {:.2} s",
        percentile(&lags, 50),
        percentile(&lags, 100)
    );

    let word = OsStr::new;
    let verify = [word("backup"), word("verify"), backup.as_os_str()];
    let verified = ask(&config, None, &verify);
    assert_eq!(verified["live_log"], "equal", "{verified}");
    let hash = [word("log"), word("hash")];
    let end = ask(&config, None, &hash);
    let sources = [vec![backup.as_os_str()], vec![word("--shipped"), shipped.as_os_str()]];
    for source in sources {
        let (restored, took) = bring_back(&alice, &backend, &source).await;
        let seq = restored["seq"].to_string();
        let there = ask(&config, None, &[hash[0], hash[1], word("--at"), word(&seq)]);
        assert_eq!(there["state_hash"], restored["state_hash"], "a state that the node had");
        let lost = end["seq"].as_u64().unwrap() - restored["seq"].as_u64().unwrap();
        println!(
            "{source:?}: ready after {:.2} s, {lost} of {} events lost",
            took.as_secs_f64(),
            end["seq"]
        );
    }
}

/// Two nodes with a channel; the first ships its log, once there is a folder for it.
async fn pair(backend: &Backend, shipped: &Path) -> (Node, Node, String) {
    let (mut alice, bob, channel) = with_channel(backend).await;
    alice.stop().await;
    let folder = shipped.to_str().unwrap();
    let settings = [("STRAIT_SHIP__FOLDER", folder), ("STRAIT_STORE__FREE_BYTES_MIN", "0")];
    alice.restart_with_settings(&settings).await;
    ship_is(&alice, "is not there").await;
    assert!(!shipped.exists(), "a disk may be missing there");
    fs::create_dir(shipped).unwrap();
    alice.tells("strait_ship_same_disk", 1).await;
    ship_is(&alice, "the node's own disk").await;
    alice.connect(&bob).await;
    (alice, bob, channel.channel_id)
}

/// Waits until the node, which is ready all the same, says this of what it ships.
async fn ship_is(node: &Node, words: &str) {
    until(&format!("the node says {words}"), async || {
        let ready = node.readiness();
        (ready.starts_with("HTTP/1.1 200") && ready.contains(words)).then_some(())
    })
    .await;
}

/// Sends batches at a steady pace, whether or not those before are answered; how long it took until all were.
async fn pay(client: &Client, channel: &str, load: Load) -> Duration {
    let began = Instant::now();
    let item = PaymentItem { amount_msat: 1_000, reference: None };
    let items = vec![item; usize::try_from(load.batch).unwrap()];
    let request = PaymentRequest::batch(channel.to_owned(), items);
    let send = async |number: u32| {
        sleep_until(began + load.every * number).await;
        let key = IdempotencyKey::new(format!("load-{number}")).unwrap();
        client.pay(&key, &request).await.unwrap();
    };
    stream::iter(0..load.batches).map(send).buffer_unordered(64).collect::<Vec<()>>().await;
    began.elapsed()
}

/// The lag that the node tells of, in seconds, as often as it is renewed.
async fn watch(node: &Node, load: Load) -> Vec<f64> {
    let mut lags = Vec::new();
    let until = Instant::now() + load.every * load.batches;
    while Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
        let scrape = node.scrape();
        let line = scrape.lines().find_map(|line| line.strip_prefix("strait_ship_lag_seconds "));
        lags.push(line.unwrap().parse().unwrap());
    }
    lags.sort_by(f64::total_cmp);
    lags
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

/// Takes a backup in the middle of it; how long that took.
async fn back_up(after: Duration, config: &Path, file: &Path) -> Duration {
    sleep(after).await;
    let began = Instant::now();
    let mut command = tokio::process::Command::from(strait());
    command.args(["backup", "--config"]).arg(config).arg(file);
    let made = command.env("STRAIT_STORE__FREE_BYTES_MIN", "0").output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    began.elapsed()
}

/// What a command on the node's folder answers.
fn ask(config: &Path, data_dir: Option<&Path>, arguments: &[&OsStr]) -> Value {
    let mut command = strait();
    command.arg("--json").args(arguments).arg("--config").arg(config);
    command.env("STRAIT_STORE__FREE_BYTES_MIN", "0");
    if let Some(data_dir) = data_dir {
        command.env("STRAIT_DATA_DIR", data_dir);
    }
    let run = command.output().unwrap();
    assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// Makes a node of a copy and of the seed; the state that came back, and how long it took until the node was ready.
async fn bring_back(node: &Node, backend: &Backend, source: &[&OsStr]) -> (Value, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    fs::copy(node.data_dir().join("seed"), data_dir.join("seed")).unwrap();
    let began = Instant::now();
    let mut arguments = vec![OsStr::new("restore")];
    arguments.extend(source);
    ask(&node.config(), Some(&data_dir), &arguments);
    let restored = began.elapsed();
    let state = ask(&node.config(), Some(&data_dir), &[OsStr::new("log"), OsStr::new("hash")]);
    let began = Instant::now();
    let again = Node::start_in(folder, backend).await;
    let took = restored + began.elapsed();
    again.tells("strait_channels{state=\"quarantined\"}", 1).await;
    (state, took)
}
