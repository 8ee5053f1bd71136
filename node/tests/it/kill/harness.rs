//! A chain and two nodes as processes, of which either can be killed and started again.

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use strait_api_types::{Channel, ChannelPhase, ConnectPeerRequest, PeerConnection};
use strait_client::{Client, ClientError, IdempotencyKey, Outcome};
use strait_testkit::{Rpc, TestDevnet};
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

/// How long anything may take before the test calls it stuck. Debug builds on a busy machine are slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks, and between two attempts of a request.
const PAUSE: Duration = Duration::from_millis(5);
/// Below what a system hands out by itself, so that nobody takes a dead node's ports before it is back.
const PORTS: std::ops::Range<u16> = 21_000..32_000;
/// Blocks that make a coin or a channel usable under the nodes' settings.
const BURY_BLOCKS: u32 = 3;

/// One of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Alice,
    Bob,
}

impl Side {
    /// Both.
    pub(super) const BOTH: [Self; 2] = [Self::Alice, Self::Bob];

    /// The other one.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }
}

/// A node: its settings outlive its processes.
pub(super) struct Machine {
    side: Side,
    config: PathBuf,
    p2p: u16,
    metrics: u16,
    client: Client,
    node_id: String,
    process: Option<Child>,
}

impl Machine {
    /// Its interface; answers only while a process runs.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its id.
    pub(super) fn node_id(&self) -> &str {
        &self.node_id
    }

    /// Where its log is.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.config.with_file_name("data")
    }

    /// Ends its process as a power cut would, without a word to it.
    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().expect("only a running node is killed");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops its process's clock: it hears and says nothing, and its peer does not know.
    pub(super) fn freeze(&self) {
        let process = self.process.as_ref().expect("only a running node is frozen");
        let sent = Command::new("kill").args(["-STOP", &process.id().to_string()]).status();
        assert!(sent.unwrap().success(), "{} cannot be stopped", self.side.name());
    }

    /// Starts a process, with further settings in its environment.
    pub(super) fn start(&mut self, settings: &[(&str, &str)]) {
        assert!(self.process.is_none(), "{} runs already", self.side.name());
        let mut log = fs::OpenOptions::new();
        let log = log.create(true).append(true).open(self.config.with_extension("out")).unwrap();
        let command = &mut Command::new(env!("CARGO_BIN_EXE_strait"));
        command.arg("node").arg("--config").arg(&self.config).envs(settings.iter().copied());
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(started.unwrap());
    }

    /// Waits until it says that it is ready; how long that took.
    pub(super) async fn ready(&mut self) -> Duration {
        let begun = Instant::now();
        while !is_ready(self.metrics) {
            let process = self.process.as_mut().expect("only a started node becomes ready");
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.side.name(), self.log());
            assert!(begun.elapsed() < PATIENCE, "not ready:\n{}", self.log());
            sleep(PAUSE).await;
        }
        begun.elapsed()
    }

    /// The end of what it wrote to its log.
    pub(super) fn log(&self) -> String {
        let text = fs::read_to_string(self.config.with_extension("out")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// Runs a test with a chain in this process, and two nodes that are funded and know each other.
pub(super) fn in_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    // The chain has a runtime of its own, which may be neither made nor ended within another.
    let devnet = TestDevnet::start();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { test(World::start(&devnet).await).await });
}

/// A chain, and two nodes on it.
pub(super) struct World {
    chain: Rpc,
    pub(super) alice: Machine,
    pub(super) bob: Machine,
    /// Removed last.
    _folder: TempDir,
}

impl World {
    /// Starts all of it.
    async fn start(devnet: &TestDevnet) -> Self {
        let folder = TempDir::new().unwrap();
        let cookie = folder.path().join("cookie");
        fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
        devnet.rpc("generatetodescriptor", json!([1, "raw(51)"])).unwrap();
        let mut ports = free_ports();
        let mut machine = async |side: Side| {
            let home = folder.path().join(side.name());
            fs::create_dir(&home).unwrap();
            let [p2p, api, metrics] = [(); 3].map(|()| ports.next().unwrap());
            let text = format!(
                "rpc_url = \"{url}\"\np2p_listen = \"/ip4/127.0.0.1/tcp/{p2p}\"\ndata_dir = \"{home}\"\n\
                 log_level = \"info\"\nmetrics_port = {metrics}\n[api]\nlisten = \"127.0.0.1:{api}\"\n\
                 [chain]\nnetwork = \"regtest\"\ncookie_file = \"{cookie}\"\npoll_interval_ms = 100\n\
                 [channel]\nchannels_per_peer_max = 200\n\
                 [contracts]\nallow = \"added\"\n[net]\nreconnect_ms_max = 1000\n",
                url = devnet.rpc_url(),
                home = home.join("data").display(),
                cookie = cookie.display(),
            );
            let config = home.join("node.toml");
            fs::write(&config, text).unwrap();
            let client = Client::new(&format!("http://127.0.0.1:{api}"), "unknown").unwrap();
            let node_id = String::new();
            let mut machine =
                Machine { side, config, p2p, metrics, client, node_id, process: None };
            machine.start(&[]);
            machine.ready().await;
            let token = fs::read_to_string(home.join("data/api.token")).unwrap();
            machine.client = Client::new(machine.client.base_url(), token.trim()).unwrap();
            machine.node_id = machine.client.status().await.unwrap().node_id;
            machine
        };
        let alice = machine(Side::Alice).await;
        let bob = machine(Side::Bob).await;
        let mut world = Self { chain: devnet.client(), alice, bob, _folder: folder };
        world.fund().await;
        world.introduce().await;
        world
    }

    /// Several mature coins for both.
    async fn fund(&self) {
        const COINS: u32 = 20;
        const MATURE_BLOCKS: u32 = 100;
        for side in Side::BOTH {
            let address = self.client(side).new_address().await.unwrap().address;
            self.chain.call("generatetoaddress", json!([COINS, address])).unwrap();
        }
        self.mine(MATURE_BLOCKS);
        for side in Side::BOTH {
            let client = self.client(side);
            wait_for("mature coins", async || {
                let wallet = client.wallet().await.ok()?;
                (wallet.spendable_sat > 0 && wallet.immature_sat == 0).then_some(())
            })
            .await;
        }
    }

    /// Each learns where the other is, so that either finds the other again after its own restart.
    async fn introduce(&mut self) {
        for side in Side::BOTH {
            let peer = self.machine(side.other());
            let node_id = peer.node_id.clone();
            let address = format!("/ip4/127.0.0.1/tcp/{}", peer.p2p);
            let request = ConnectPeerRequest { node_id, address };
            self.client(side).connect_peer(&request).await.unwrap();
        }
        self.connected().await;
    }

    /// Waits until each sees the other.
    pub(super) async fn connected(&self) {
        for side in Side::BOTH {
            let client = self.client(side);
            wait_for("the other's greeting", async || {
                let peers = client.peers().await.ok()?.peers;
                peers.iter().any(|peer| peer.connection == PeerConnection::Connected).then_some(())
            })
            .await;
        }
    }

    /// A node.
    pub(super) const fn machine(&self, side: Side) -> &Machine {
        match side {
            Side::Alice => &self.alice,
            Side::Bob => &self.bob,
        }
    }

    /// A node, to kill and to start.
    pub(super) const fn machine_mut(&mut self, side: Side) -> &mut Machine {
        match side {
            Side::Alice => &mut self.alice,
            Side::Bob => &mut self.bob,
        }
    }

    /// A node's interface.
    pub(super) fn client(&self, side: Side) -> Client {
        self.machine(side).client()
    }

    /// Blocks for nobody.
    pub(super) fn mine(&self, blocks: u32) {
        self.chain.call("generatetodescriptor", json!([blocks, "raw(51)"])).unwrap();
    }

    /// Buries what waits for its confirmations.
    pub(super) fn bury(&self) {
        self.mine(BURY_BLOCKS);
    }

    /// Transactions that wait for a block.
    pub(super) fn waiting_transactions(&self) -> usize {
        let list = self.chain.call("getrawmempool", json!([])).unwrap();
        list.as_array().unwrap().len()
    }

    /// Waits until both show a channel that is usable, at one number and with mirrored balances.
    pub(super) async fn agreed(&self, channel_id: &str) -> Channel {
        let mut seen = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            seen.clear();
            for side in Side::BOTH {
                seen.push(self.client(side).channel(channel_id).await);
            }
            if let [Ok(alice), Ok(bob)] = seen.as_slice()
                && is_mirrored(alice, bob)
            {
                return alice.clone();
            }
            sleep(PAUSE).await;
        }
        panic!("no agreement: {seen:#?}\n{}\n{}", self.alice.log(), self.bob.log());
    }
}

fn is_mirrored(alice: &Channel, bob: &Channel) -> bool {
    alice.phase == ChannelPhase::Open
        && bob.phase == ChannelPhase::Open
        && alice.commitment_number == bob.commitment_number
        && alice.contracts == bob.contracts
        && alice.holder_balance_msat == bob.counterparty_balance_msat
        && alice.counterparty_balance_msat == bob.holder_balance_msat
}

/// Asks for something that moves money until it is answered or refused for good, with one key.
pub(super) async fn until_answered<T, F: Future<Output = Result<T, ClientError>>>(
    key: &str,
    mut ask: impl FnMut(IdempotencyKey) -> F,
) -> Result<T, ClientError> {
    let key = IdempotencyKey::new(key).unwrap();
    let begun = Instant::now();
    loop {
        match ask(key.clone()).await {
            Err(error) if is_worth_another(&error) => {
                assert!(begun.elapsed() < PATIENCE, "{key} has no answer: {error:?}");
                sleep(PAUSE).await;
            }
            answered => return answered,
        }
    }
}

/// Whether the same request can still be answered otherwise: the node's and the peer's absence pass.
fn is_worth_another(error: &ClientError) -> bool {
    match error.outcome() {
        Outcome::Unknown | Outcome::NotReached => true,
        Outcome::Refused => {
            matches!(error, ClientError::Refused { status, .. } if matches!(status, 429 | 503))
        }
        Outcome::NotSent => false,
    }
}

/// Looks until there is something to see.
pub(super) async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not show within {PATIENCE:?}");
        sleep(PAUSE).await;
    }
}

/// Ports nobody listens on now, from a place of this process's own.
fn free_ports() -> impl Iterator<Item = u16> {
    let width = u32::from(PORTS.end - PORTS.start);
    let first = PORTS.start + u16::try_from(getrandom::u32().unwrap() % width).unwrap();
    (first..PORTS.end)
        .chain(PORTS.start..first)
        .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

fn is_ready(port: u16) -> bool {
    const WITHIN: Duration = Duration::from_secs(1);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, WITHIN) else { return false };
    let request =
        format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let told = stream
        .set_read_timeout(Some(WITHIN))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.read_to_string(&mut answer));
    told.is_ok() && answer.starts_with("HTTP/1.1 200")
}
