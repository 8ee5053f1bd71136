//! A whole runtime on a disk in memory: real threads, a real engine, a network on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bitcoin::Network;
use strait_chain::Follower;
use strait_contract::ScriptedRuntime;
use strait_engine::{BlockPoint, Engine, EngineConfig};
use strait_log::{EventStore, MemoryDisk};
use strait_net::{Identity, Net};
use strait_primitives::{EventSeq, Timestamp};
use strait_runtime::{Disk, Halt, Options, Runtime, known_blocks};
use strait_signer::{Seed, SeedWords};
use strait_store::{Replayed, replay};
use strait_telemetry::{Health, Metrics, Sampler};
use strait_wallet::Account;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::chain::{Conduct, StillChain};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test may choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) chain: Conduct,
    pub(crate) snapshot_every: u64,
    /// What the system says is free; the floor is 1,000.
    pub(crate) free_bytes: &'static AtomicU64,
}

/// What is free where it does not matter.
static PLENTY: AtomicU64 = AtomicU64::new(u64::MAX);

impl Default for Choices {
    fn default() -> Self {
        Self { chain: Conduct::Answers, snapshot_every: 1_000_000, free_bytes: &PLENTY }
    }
}

/// A running node, and what its threads do not own.
pub(crate) struct Node {
    pub(crate) runtime: Runtime,
    pub(crate) net: strait_net::Handle,
    pub(crate) health: Arc<Health>,
    stop_net: oneshot::Sender<()>,
    network: JoinHandle<()>,
}

fn seed() -> Seed {
    Seed::new(&SeedWords::generate(&Zeroizing::new([7; 32])), Network::Regtest)
}

/// The fold of what the disk holds.
pub(crate) fn replayed(disk: &MemoryDisk) -> Replayed {
    replay(&disk.open()).unwrap()
}

/// Starts a node on what the disk holds.
pub(crate) async fn start(disk: &MemoryDisk, choices: Choices) -> Node {
    start_on(Box::new(disk.open()), choices).await
}

/// Starts a node on a store of the test's own.
pub(crate) async fn start_on(store: Box<dyn EventStore>, choices: Choices) -> Node {
    let Replayed { state, head, folded } = replay(&store).unwrap();
    let seed = seed();
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(Network::Regtest, fingerprint, xpub).unwrap();
    let key = seed.node_key();
    let source = StillChain::new(choices.chain);
    let tip = source.tip();
    let (engine, first) = if head == EventSeq::ZERO {
        let birthday = BlockPoint { height: tip.height, hash: tip.hash };
        let (engine, first) =
            Engine::create(EngineConfig::regtest(key.node_id()), seed, &account, birthday);
        (engine, Some(first))
    } else {
        (
            Engine::restore(EngineConfig::regtest(key.node_id()), seed, &account, state, head)
                .unwrap(),
            None,
        )
    };
    let follower = Follower::new(Network::Regtest, known_blocks(&engine)).unwrap();
    let identity = Identity::from_secret(*key.expose_secret_bytes()).unwrap();
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let (service, net, events) =
        Net::bind(strait_net::Options::new(identity, listen)).await.unwrap();
    let (stop_net, stopped) = oneshot::channel();
    let network = tokio::spawn(service.run(async {
        // The end of the test is an end as well.
        let _ = stopped.await;
    }));
    let health = Arc::new(Health::new());
    let runtime = Runtime::start(Options {
        engine,
        first,
        store,
        source: Box::new(source),
        follower,
        contracts: Arc::new(ScriptedRuntime::new()),
        net: net.clone(),
        events,
        poll_interval: Duration::from_millis(20),
        chain_policies: Arc::default(),
        unready_after: Duration::from_secs(30),
        snapshot_every: choices.snapshot_every,
        last_snapshot: EventSeq::new(head.to_u64() - folded),
        disk: Disk {
            free_bytes: Box::new(move || Ok(choices.free_bytes.load(Ordering::Relaxed))),
            floor_bytes: 1_000,
        },
        metrics: Arc::new(Metrics::new("test", Timestamp::from_unix_ms(0))),
        health: Arc::clone(&health),
        sampler: Arc::new(Sampler::new(0)),
    })
    .unwrap();
    Node { runtime, net, health, stop_net, network }
}

impl Node {
    /// Why the node stopped by itself.
    pub(crate) async fn halted(&mut self) -> Halt {
        timeout(PATIENCE, self.runtime.halted()).await.expect("the node halts").unwrap_err()
    }

    /// Stops the network, and nothing else.
    pub(crate) async fn stop_network(&mut self) {
        let (unused, _) = oneshot::channel();
        core::mem::replace(&mut self.stop_net, unused).send(()).unwrap();
        timeout(PATIENCE, &mut self.network).await.expect("the network stops").unwrap();
    }

    /// Stops the node as its program does.
    pub(crate) async fn stop(self) {
        timeout(PATIENCE, self.runtime.stop()).await.expect("the node stops");
    }
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it comes in time")
}
