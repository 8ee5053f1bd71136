//! Running nodes for tests: `strait node` in a folder of its own, killed by its handle when dropped.
//!
//! Nothing here sleeps for a guessed time: whoever waits names a condition, and a condition that does not come
//! within [`PATIENCE`] fails the test with its name.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use strait_api_types::{
    Channel, ChannelPhase, ConnectPeerRequest, OpenChannelRequest, PeerConnection,
};
use strait_client::{Client, IdempotencyKey};
use strait_store_sqlite::{Options, SqliteStore};
use strait_testkit::Rpc;
use tempfile::TempDir;

use crate::processes::{Guarded, binary, strait};

/// How long anything may take before the test fails: two cores are shared by many tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);
/// How often a start is tried: a port found free may be taken before the node takes it.
const STARTS_MAX: u32 = 3;

/// The chain that a node follows.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    /// Where the RPC is.
    pub(crate) url: String,
    /// The file with its credentials.
    pub(crate) cookie: PathBuf,
    /// A client of it, for the test.
    pub(crate) rpc: Rpc,
}

/// A node: its folder, and its process while it runs.
#[derive(Debug)]
pub(crate) struct Node {
    folder: TempDir,
    backend: Backend,
    ports: Ports,
    process: Option<Child>,
    client: Client,
    id: String,
    keys: u32,
}

/// Where one node listens; the same after a restart, so that peers find it again.
#[derive(Debug, Clone, Copy)]
struct Ports {
    p2p: u16,
    api: u16,
    metrics: u16,
}

impl Ports {
    /// Three ports that are free now.
    fn free() -> Self {
        // All are held until all are chosen: otherwise they could be one.
        let held = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [p2p, api, metrics] = held.map(|listener| listener.local_addr().unwrap().port());
        Self { p2p, api, metrics }
    }
}

impl Node {
    /// Starts a fresh node and waits until it is ready.
    pub(crate) async fn start(backend: &Backend) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), backend).await
    }

    /// Starts a node on a folder that another has left, or on an empty one.
    pub(crate) async fn start_in(folder: TempDir, backend: &Backend) -> Self {
        let ports = Ports::free();
        let client = Client::new("http://127.0.0.1:1", "none").unwrap();
        let backend = backend.clone();
        let id = String::new();
        let mut node = Self { folder, backend, ports, process: None, client, id, keys: 0 };
        node.restart().await;
        node
    }

    /// Starts the process again on what it left.
    pub(crate) async fn restart(&mut self) {
        assert!(self.process.is_none(), "one process at a time");
        for _ in 0..STARTS_MAX {
            self.spawn();
            if self.becomes_ready().await {
                let token = fs::read_to_string(self.data_dir().join("api.token")).unwrap();
                let url = format!("http://127.0.0.1:{}", self.ports.api);
                self.client = Client::new(&url, token.trim()).unwrap();
                self.id = self.client.status().await.unwrap().node_id;
                return;
            }
            self.kill();
            self.ports = Ports::free();
        }
        panic!("strait node does not start: {}", self.output());
    }

    fn spawn(&mut self) {
        let path = self.configure("node.toml", self.ports);
        self.run(strait().arg("node").arg("--config").arg(path));
    }

    /// Writes a configuration of this node; returns where it is.
    fn configure(&self, name: &str, Ports { p2p, api, metrics }: Ports) -> PathBuf {
        let config = format!(
            "rpc_url = {url:?}\np2p_listen = \"/ip4/127.0.0.1/tcp/{p2p}\"\ndata_dir = {data:?}\n\
             metrics_port = {metrics}\n[api]\nlisten = \"127.0.0.1:{api}\"\n\
             [chain]\nnetwork = \"regtest\"\ncookie_file = {cookie:?}\npoll_interval_ms = 100\n\
             [channel]\ndelay_blocks = 6\nchannels_per_peer_max = 200\naccept_without_reserve = true\n[contracts]\nallow = \"added\"\n\
             [net]\nreconnect_ms_max = 1000\n",
            url = self.backend.url,
            data = self.data_dir(),
            cookie = self.backend.cookie,
        );
        let path = self.folder.path().join(name);
        fs::write(&path, config).unwrap();
        path
    }

    /// Makes a command this node's process.
    fn run(&mut self, command: &mut Command) {
        let output = fs::File::create(self.folder.path().join("output")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        self.process = Some(child.unwrap());
    }

    /// Starts the process again with no file of it allowed to grow beyond a size, as on a disk that is full.
    pub(crate) async fn restart_with_room(&mut self, file_kib: u64) {
        assert!(self.process.is_none(), "one process at a time");
        let path = self.configure("node.toml", self.ports);
        // A write beyond the limit fails instead of killing: the shell's ignored signal stays ignored.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", file_kib * 2);
        let mut command = Command::new("dash");
        command.args(["-c", &script, "dash"]).arg(binary()).args(["node", "--config"]);
        self.run(command.arg(path));
        assert!(self.becomes_ready().await, "there is room to start: {}", self.output());
    }

    /// Starts the process again with settings that go before its file.
    pub(crate) async fn restart_with_settings(&mut self, variables: &[(&str, &str)]) {
        assert!(self.process.is_none(), "one process at a time");
        let path = self.configure("node.toml", self.ports);
        let mut command = strait();
        self.run(command.arg("node").arg("--config").arg(path).envs(variables.iter().copied()));
        assert!(self.becomes_ready().await, "it starts: {}", self.output());
    }

    /// What it answers to the question whether it can serve.
    pub(crate) fn readiness(&self) -> String {
        self.health("ready")
    }

    /// What it answers to a probe: `live`, `startup` or `ready`.
    pub(crate) fn health(&self, probe: &str) -> String {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.metrics));
        get(address, &format!("/health/{probe}")).unwrap()
    }

    /// Opens the log of the running process as another would whose operator removed the lock file.
    pub(crate) fn steal_log(&self) -> SqliteStore {
        fs::remove_file(self.data_dir().join("lock")).unwrap();
        SqliteStore::open(&self.data_dir(), Options::default()).unwrap()
    }

    /// Waits until the process has ended by itself; how it ended.
    pub(crate) async fn ends(&mut self) -> ExitStatus {
        let child = self.process.as_mut().unwrap();
        let status = until("the node ends", async || child.try_wait().unwrap()).await;
        self.process = None;
        status
    }

    /// Starts a process on this node's folder, on other ports, that must end by itself; its exit code and its words.
    pub(crate) async fn start_fails(&self) -> (Option<i32>, String) {
        let path = self.configure("other.toml", Ports::free());
        let mut command = strait();
        command.arg("node").arg("--config").arg(path).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = Guarded(command.stderr(Stdio::piped()).spawn().unwrap());
        let status = until("the start fails", async || child.0.try_wait().unwrap()).await;
        let mut said = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }

    /// Waits for `/health/ready`; false if the process ended before.
    async fn becomes_ready(&mut self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.metrics));
        let process = self.process.as_mut().unwrap();
        until("the node is ready", async || {
            if process.try_wait().unwrap().is_some() {
                return Some(false);
            }
            is_ready(address).then_some(true)
        })
        .await
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            // It may have ended by itself; there is nothing else to clean up then.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        // It stays in our hands while it stops, so that one that does not is killed with the test.
        let child = self.process.as_mut().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = until("the node stops", async || child.try_wait().unwrap()).await;
        self.process = None;
        assert!(status.success(), "the node stopped with {status}: {}", self.output());
    }

    /// A copy of the folder of a stopped node.
    pub(crate) fn copy_folder(&self) -> TempDir {
        assert!(self.process.is_none(), "only a stopped node's folder is one moment");
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.folder.path(), copy.path());
        copy
    }

    /// Where all that it keeps is.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The last lines that the process wrote.
    pub(crate) fn output(&self) -> String {
        let output = fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        let lines: Vec<&str> = output.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Everything that the process wrote since it started.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    /// The process while it runs.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The configuration it was started with.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("node.toml")
    }

    /// The interface.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where peers and strangers find it.
    pub(crate) const fn p2p_port(&self) -> u16 {
        self.ports.p2p
    }

    /// What it tells a monitoring system.
    pub(crate) fn scrape(&self) -> String {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports.metrics));
        let answer = get(address, "/metrics").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// Waits until a metric without fraction has a value.
    pub(crate) async fn tells(&self, series: &str, value: u64) {
        let line = format!("{series} {value}");
        until(&format!("the node tells {line}"), async || {
            self.scrape().lines().any(|told| told == line).then_some(())
        })
        .await;
    }

    /// The chain it follows.
    pub(crate) const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// A key for a new intention.
    pub(crate) fn key(&mut self) -> IdempotencyKey {
        self.keys += 1;
        let Self { keys, ports: Ports { p2p, .. }, .. } = self;
        IdempotencyKey::new(format!("test-{p2p}-{keys}")).unwrap()
    }

    /// Waits until the node has seen the chain's tip.
    pub(crate) async fn follows(&self) {
        until("the node follows the chain", async || {
            let tip = self.backend.rpc.call("getbestblockhash", json!([])).unwrap();
            let seen = self.client.status().await.unwrap().chain.tip_hash;
            (tip.as_str() == Some(&seen)).then_some(())
        })
        .await;
    }

    /// A fresh address of the wallet.
    pub(crate) async fn address(&self) -> String {
        self.client.new_address().await.unwrap().address
    }

    /// What the wallet holds, confirmed.
    pub(crate) async fn confirmed_sat(&self) -> u64 {
        self.client.wallet().await.unwrap().confirmed_sat
    }

    /// Connects to another node.
    pub(crate) async fn connect(&self, other: &Self) {
        let address = format!("/ip4/127.0.0.1/tcp/{}", other.ports.p2p);
        let request = ConnectPeerRequest { node_id: other.id.clone(), address };
        self.client.connect_peer(&request).await.unwrap();
        for (node, peer) in [(self, other), (other, self)] {
            until("the peers are connected", async || {
                let peers = node.client.peers().await.unwrap().peers;
                let peer = peers.into_iter().find(|known| known.node_id == peer.id)?;
                (peer.connection == PeerConnection::Connected).then_some(())
            })
            .await;
        }
    }

    /// Opens a channel with a connected node; its funding is in the mempool when this returns.
    pub(crate) async fn open(&mut self, other: &Self, capacity_sat: u64) -> Channel {
        let key = self.key();
        let node_id = other.id.clone();
        let request =
            OpenChannelRequest { node_id, address: None, capacity_sat, fee_rate_sat_per_kvb: None };
        let channel = self.client.open_channel(&key, &request).await.unwrap();
        let id = channel.channel_id;
        until("the channel has a funding transaction", async || {
            let channel = self.client.channel(&id).await.unwrap();
            let txid = channel.funding_txid.clone()?;
            let entry = self.backend.rpc.call("getmempoolentry", json!([txid]));
            entry.is_ok().then_some(channel)
        })
        .await
    }

    /// The channel as the node sees it.
    pub(crate) async fn channel(&self, id: &str) -> Channel {
        self.client.channel(id).await.unwrap()
    }

    /// Waits until the channel is in a phase.
    pub(crate) async fn reaches(&self, id: &str, phase: ChannelPhase) -> Channel {
        until(&format!("the channel is {phase:?}"), async || {
            let channel = self.client.channel(id).await.ok()?;
            (channel.phase == phase).then_some(channel)
        })
        .await
    }
}

impl Drop for Node {
    #[expect(clippy::print_stderr, reason = "a failed test shows what its nodes said")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("node {} wrote:\n{}", self.id, self.output());
        }
    }
}

/// Looks at a condition until it holds.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looks = PATIENCE.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("not within {PATIENCE:?}: {what}");
}

/// Asks a health server whether its node is ready.
fn is_ready(address: SocketAddr) -> bool {
    get(address, "/health/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Asks for a page and reads the answer to its end.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A number in an answer.
pub(crate) fn sat(value: &Value) -> u64 {
    // Core writes bitcoin with eight digits; the digits are the amount.
    let digits = format!("{:.8}", value.as_f64().unwrap()).replace('.', "");
    digits.parse().unwrap()
}
