//! What goes wrong with the chain's source: at the start the node says what and ends; later it says that it is not
//! ready, and why, and goes on by itself once the source is back, with nothing lost.
//!
//! Between the node and a devnet stands a [`Relay`] that can close, hang, or talk nonsense, as a bitcoind does that is
//! restarted, stuck, or not a bitcoind at all.

mod relay;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::json;
use strait_api_types::{ChainState, SendAmount, SendRequest};
use strait_client::{Client, IdempotencyKey};
use strait_testkit::TestDevnet;
use tempfile::TempDir;
use tokio::runtime::Builder;

use self::relay::{Mood, Relay, asked};
use crate::nodes::until;
use crate::processes::{Guarded, strait};

/// Somebody else's address, to mine and to pay to.
const ELSEWHERE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A folder with a configuration, in which a node can be started.
struct Place {
    folder: TempDir,
    api: u16,
    metrics: u16,
}

impl Place {
    /// A node that would follow a chain.
    fn new(rpc_url: &str, network: &str, credentials: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cookie = folder.path().join("cookie");
        fs::write(&cookie, credentials).unwrap();
        // Both are held until both are chosen: otherwise they could be one.
        let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [api, metrics] = held.map(|listener| listener.local_addr().unwrap().port());
        let data = folder.path().join("data");
        let config = format!(
            "rpc_url = {rpc_url:?}\np2p_listen = \"/ip4/127.0.0.1/tcp/0\"\ndata_dir = {data:?}\n\
             metrics_port = {metrics}\n[api]\nlisten = \"127.0.0.1:{api}\"\n[chain]\nnetwork = {network:?}\n\
             cookie_file = {cookie:?}\npoll_interval_ms = 100\nunready_after_ms = 1000\n"
        );
        fs::write(folder.path().join("node.toml"), config).unwrap();
        Self { folder, api, metrics }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&self) -> Child {
        let config = self.folder.path().join("node.toml");
        let mut command = strait();
        command.arg("node").arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The answer of a probe: true for a yes, and its words.
    fn probe(&self, name: &str) -> Option<(bool, String)> {
        let answer = asked(self.metrics, &format!("/health/{name}"))?;
        Some((answer.starts_with("HTTP/1.1 200"), answer))
    }

    async fn is_ready(&self, what: &str) {
        until(what, async || self.probe("ready").filter(|(is_ready, _)| *is_ready)).await;
    }

    fn client(&self) -> Client {
        let token = fs::read_to_string(self.data().join("api.token")).unwrap();
        Client::new(&format!("http://127.0.0.1:{}", self.api), token.trim()).unwrap()
    }
}

/// Runs a test beside a devnet, which has a runtime of its own.
fn with_devnet(test: impl AsyncFnOnce(&TestDevnet)) {
    let devnet = TestDevnet::start();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(test(&devnet));
}

fn credentials(devnet: &TestDevnet) -> String {
    format!("{}:{}", devnet.user(), devnet.password())
}

fn mine(devnet: &TestDevnet, blocks: u32, address: &str) {
    devnet.rpc("generatetoaddress", json!([blocks, address])).unwrap();
}

async fn stands_at_the_tip(client: &Client, devnet: &TestDevnet) {
    until("the node stands at the tip", async || {
        let tip = devnet.rpc("getbestblockhash", json!([])).unwrap();
        let chain = client.status().await.unwrap().chain;
        let is_there = tip.as_str() == Some(&chain.tip_hash);
        (is_there && chain.state == ChainState::Synced).then_some(())
    })
    .await;
}

#[test]
fn a_node_does_not_start_without_its_chain_and_says_why() {
    with_devnet(starts_that_fail);
}

async fn starts_that_fail(devnet: &TestDevnet) {
    let right = credentials(devnet);
    let nobody = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let relay = Relay::start(&devnet.rpc_url());
    relay.turn(Mood::Nonsense);
    for (url, network, credentials, why) in [
        (nobody, "regtest", right.as_str(), "does not answer"),
        (relay.url(), "regtest", &right, "with nonsense"),
        (devnet.rpc_url(), "signet", &right, "is on another network"),
        (devnet.rpc_url(), "regtest", "strait:guess", "refused the credentials"),
    ] {
        let place = Place::new(&url, network, credentials);
        let mut node = Guarded(place.start());
        let status = until("the node gives up", async || node.0.try_wait().unwrap()).await;
        let mut said = String::new();
        node.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("the chain at rpc_url is not usable"), "{said}");
        assert!(said.contains(why), "{why:?} is not in: {said}");
        assert!(!said.contains(credentials), "{said}");
        assert!(!has_seed(&place.data()), "a start that failed leaves no seed that looks old");
    }
}

fn has_seed(data: &Path) -> bool {
    fs::read_dir(data).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str().unwrap().contains("seed")
    })
}

#[test]
fn a_chain_that_fails_in_life_is_told_and_nothing_is_lost_when_it_returns() {
    with_devnet(outages);
}

async fn outages(devnet: &TestDevnet) {
    mine(devnet, 1, ELSEWHERE);
    let relay = Relay::start(&devnet.rpc_url());
    let place = Place::new(&relay.url(), "regtest", &credentials(devnet));
    let _node = Guarded(place.start());
    place.is_ready("the node starts").await;
    let client = place.client();
    let address = client.new_address().await.unwrap().address;
    for (number, mood) in [Mood::Closing, Mood::Silent, Mood::Nonsense].into_iter().enumerate() {
        mine(devnet, 1, &address);
        mine(devnet, 100, ELSEWHERE);
        stands_at_the_tip(&client, devnet).await;

        relay.turn(mood);
        let (_, words) = until("the node is not ready", async || {
            place.probe("ready").filter(|(is_ready, _)| !*is_ready)
        })
        .await;
        assert!(words.contains("chain"), "{mood:?}: {words}");
        assert!(place.probe("live").unwrap().0, "a restart would not help");
        assert_eq!(client.status().await.unwrap().chain.state, ChainState::Unreachable);
        let key = IdempotencyKey::new(format!("outage-{number}")).unwrap();
        let request = SendRequest {
            address: ELSEWHERE.to_owned(),
            amount_sat: SendAmount::Exact(1_000_000),
            fee_rate_sat_per_kvb: None,
        };
        let sent = client.send_coins(&key, &request).await.unwrap();
        mine(devnet, 2, ELSEWHERE);

        relay.turn(Mood::Through);
        place.is_ready("the node recovers").await;
        stands_at_the_tip(&client, devnet).await;
        let waiting = until("what was sent meanwhile is on its way", async || {
            devnet.rpc("getmempoolentry", json!([sent.txid])).ok()
        })
        .await;
        // This chain has no fee estimate: the operator's fallback counts, by default 5 sat/vB.
        let vbytes = waiting["vsize"].as_u64().unwrap();
        assert!(sent.fee_sat >= 5 * vbytes, "{} sat for {vbytes} vB", sent.fee_sat);
    }
}

#[test]
fn a_new_node_survives_the_loss_of_the_tip_it_found() {
    with_devnet(async |devnet| loses_the_tip(devnet, 1).await);
    with_devnet(async |devnet| loses_the_tip(devnet, 150).await);
}

async fn loses_the_tip(devnet: &TestDevnet, blocks: u32) {
    mine(devnet, blocks, ELSEWHERE);
    let place = Place::new(&devnet.rpc_url(), "regtest", &credentials(devnet));
    let _node = Guarded(place.start());
    place.is_ready("the node starts").await;
    let client = place.client();
    stands_at_the_tip(&client, devnet).await;
    let tip = devnet.rpc("getbestblockhash", json!([])).unwrap();
    devnet.rpc("invalidateblock", json!([tip])).unwrap();
    mine(devnet, 2, "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry");
    stands_at_the_tip(&client, devnet).await;
    assert_eq!(client.status().await.unwrap().chain.tip_height, blocks + 1);
}
