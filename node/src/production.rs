//! One call from a configuration file to a running node.
//!
//! [`init_production`] loads and checks the configuration, opens logs, metrics, health, store and chain, recovers every
//! channel from the log, starts network and API, and returns a [`Node`] that is ready to be asked. Each step that fails
//! says what would have been right; nothing is written before everything before it was sound.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::hashes::Hash;
use strait_api::Server;
use strait_chain::{ChainError, ChainSource, Follower};
use strait_chain_bitcoind::{Auth, BitcoindSource};
use strait_channel::OpeningPolicy;
use strait_contract::ContractRuntime;
use strait_engine::{
    BlockPoint, Engine, EngineConfig, Forwarding, Inbound, LockPolicy, Moment, ReserveRule,
};
use strait_log::EventStore;
use strait_net::{Identity, Net};
use strait_primitives::{
    BlockDelta, BlockHeight, Digest, EventSeq, FeeRate, MilliSats, NodeId, Timestamp,
};
use strait_runtime::{Halt, Runtime, known_blocks};
use strait_seal::Passphrase;
use strait_signer::NodeKey;
use strait_store::{ReplayError, Replayed, replay};
use strait_store_sqlite::{DirectoryLock, SqliteStore};
use strait_telemetry::{Component, Health, Logs, Metrics};
use strait_vm::Vm;
use strait_wallet::Account;
use tokio::task::JoinHandle;

use crate::backend::{NodeBackend, TokenTable};
use crate::config::{
    self, Config, ContractPolicy, Loaded, LocksConfig, NetConfig, Network, Setting,
};
use crate::live::LiveSettings;
use crate::module_files::ModuleFiles;
use crate::production::copies::Copies;
use crate::production::missing_modules::MissingModules;
use crate::production::policies::Policies;
use crate::production::servers::Servers;
use crate::seed_file::{self, LogState, SeedOrigin};
use crate::whole_file;

mod copies;
mod edge;
mod error;
mod free_space;
mod missing_modules;
mod open_files;
pub(crate) mod policies;
mod servers;
mod vitals;

pub(crate) use edge::tls_files;
use edge::{Edge, api_options, open_logs, serve_health};
pub use error::InitError;

/// How far below the tip a new node begins: a day of blocks, the deepest reorganisation it can follow from the start.
const BIRTHDAY_DEPTH: BlockDelta = BlockDelta::new(144);

/// A running node. Dropping it does not stop it cleanly; [`Node::stop`] does.
#[derive(Debug)]
pub struct Node {
    id: NodeId,
    api: std::net::SocketAddr,
    metrics: std::net::SocketAddr,
    p2p: Vec<String>,
    runtime: Runtime,
    health: Arc<Health>,
    servers: Servers,
    /// Looks for modules whose files are missing.
    modules: JoinHandle<()>,
    /// Ships the log, and tells of copies.
    copies: Copies,
    settings: Arc<LiveSettings>,
    /// Written out when dropped.
    _logs: Logs,
}

/// The server of `/v1`.
const API: &str = "api";
/// The peers.
const NETWORK: &str = "network";
/// The server of metrics and health.
const HEALTH: &str = "health";

/// Everything from the configuration file at `config_path` to a running node. Must be called within a tokio runtime.
///
/// # Errors
/// [`InitError`] names the step that failed, and what would have been right.
pub async fn init_production(config_path: &Path) -> Result<Node, InitError> {
    init_with(Some(config_path), &[]).await
}

/// As [`init_production`], with flags that go before the file and the environment.
///
/// # Errors
/// As [`init_production`].
pub async fn init_with(file: Option<&Path>, flags: &[Setting]) -> Result<Node, InitError> {
    let loaded = config::load(file, std::env::vars(), flags)?;
    start(loaded).await
}

/// Starts a node on a checked configuration, and names in its log the variables that are no setting.
///
/// # Errors
/// As [`init_production`].
pub async fn start(loaded: Loaded) -> Result<Node, InitError> {
    let config = loaded.config.clone();
    create_folder(&config.data_dir)?;
    // Before anything is written there, so that a second process leaves no trace.
    let lock = DirectoryLock::take(&config.data_dir).map_err(InitError::Store)?;
    let started = now();
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), started));
    let logs = open_logs(&loaded, &metrics)?;
    open_files::raise_limit(&config);
    let edge = Edge::open(&config)?;
    let (policies, sampler) = (edge.policies.clone(), Arc::clone(&edge.sampler));
    let settings = Arc::new(LiveSettings::new(loaded, edge.handles(&logs), Arc::clone(&metrics)));
    let health = Arc::new(Health::new());
    let vitals = vitals::of(&metrics, &health, policies.clone(), edge.tls.clone());
    let api_options = api_options(&config, edge, &metrics, &health)?;
    // The health server answers first, so that a supervisor sees a node that is still starting.
    let mut servers = Servers::default();
    let metrics_address = serve_health(&mut servers, config.metrics, vitals).await?;

    let parts = recover_apart(&config, lock, &metrics, &health, &policies).await?;
    let Recovered { engine, first, last_snapshot, store, source, follower, vm, key, .. } = parts;
    let (net, service, events) = bind_net(&config, &key, &policies).await?;
    servers.run(NETWORK, |stop| service.run(stop));
    health.started(Component::Network);
    let p2p: Vec<String> = net.listen_addresses().iter().map(ToString::to_string).collect();

    let (id, reader) = (key.node_id(), store.reader());
    let tokens = Arc::new(TokenTable::at_start(&engine, &reader).map_err(ReplayError::from)?);
    let copies = Copies::start(&config, id, reader.clone(), (&metrics, &health));
    let contracts: Arc<dyn ContractRuntime> = vm;
    let backend = |handle| NodeBackend {
        handle,
        tokens,
        contracts: Arc::clone(&contracts),
        files: parts.files,
        reader,
        past: Arc::default(),
        net: net.clone(),
        health: Arc::clone(&health),
        settings: Arc::clone(&settings),
        metrics: Arc::clone(&metrics),
        node: id,
        network: config.chain.network,
        started,
    };
    let runtime = Runtime::start(strait_runtime::Options {
        engine,
        first,
        store: Box::new(store),
        source,
        follower,
        contracts: Arc::clone(&contracts),
        net: net.clone(),
        events,
        poll_interval: config.chain.poll_interval,
        chain_policies: policies.chain,
        unready_after: config.chain.unready_after,
        snapshot_every: config.store.snapshot_every_events,
        last_snapshot,
        disk: free_space::disk(&config),
        metrics: Arc::clone(&metrics),
        health: Arc::clone(&health),
        sampler,
    })?;
    let backend = Arc::new(backend(runtime.handle()));
    let server = Server::bind(api_options, backend).await.map_err(InitError::ApiServer)?;
    let (api, metrics) = (server.local_addr(), metrics_address);
    servers.run(API, |stop| server.run(stop));
    health.started(Component::Api);
    let modules = tokio::spawn(parts.missing_modules.watch());
    tracing::info!(node = %id, %api, %metrics, ?p2p, "ready");
    let _logs = logs;
    Ok(Node { id, api, metrics, p2p, runtime, health, servers, modules, copies, settings, _logs })
}

impl Node {
    /// The node's id: its public key.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// Where the API answers.
    #[must_use]
    pub const fn api(&self) -> std::net::SocketAddr {
        self.api
    }

    /// Where metrics and health answer.
    #[must_use]
    pub const fn metrics(&self) -> std::net::SocketAddr {
        self.metrics
    }

    /// What it runs with, and what changes that.
    #[must_use]
    pub fn settings(&self) -> Arc<LiveSettings> {
        Arc::clone(&self.settings)
    }

    /// Where peers connect to, as multiaddresses.
    #[must_use]
    pub fn p2p(&self) -> &[String] {
        &self.p2p
    }

    /// Waits until the node cannot go on: the log could not be written, another process took it over, or a part of it
    /// ended unasked.
    ///
    /// # Errors
    /// [`Halt`] says why; the process must end.
    pub async fn halted(&mut self) -> Result<(), Halt> {
        let halted = tokio::select! {
            halted = self.runtime.halted() => halted,
            thread = self.servers.ended() => Err(Halt::Thread { thread }),
        };
        if let Err(error) = &halted {
            tracing::error!(%error, cause = ?std::error::Error::source(error), "the node halts");
            self.health.halted(component_of(error), &error.to_string());
        }
        halted
    }

    /// Stops whoever asks, then the peers, then the node, and returns when its last decision is on disk.
    ///
    /// In this order what is under way may still end: a payment needs its peer, and its caller an answer.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        self.modules.abort();
        self.servers.stop(API).await;
        self.servers.stop(NETWORK).await;
        self.runtime.stop().await;
        self.copies.stop().await;
        self.servers.stop(HEALTH).await;
        tracing::info!("stopped");
    }
}

/// Whose health a halt is.
fn component_of(halt: &Halt) -> Component {
    match halt {
        Halt::Thread { thread } => match *thread {
            "chain" => Component::Chain,
            NETWORK => Component::Network,
            API | HEALTH => Component::Api,
            _ => Component::Store,
        },
        Halt::Append(_) | Halt::Snapshot(_) | _ => Component::Store,
    }
}

/// What blocking recovery leaves.
struct Recovered {
    engine: Engine,
    first: Option<strait_log::Unsaved<strait_engine::Event, strait_engine::Effect>>,
    /// Where the newest snapshot stands.
    last_snapshot: EventSeq,
    store: SqliteStore,
    source: Box<dyn ChainSource>,
    follower: Follower,
    vm: Arc<Vm>,
    key: NodeKey,
    files: ModuleFiles,
    missing_modules: MissingModules,
}

/// Files, the chain and the fold block: they get a thread that may.
async fn recover_apart(
    config: &Config,
    lock: DirectoryLock,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
    policies: &Policies,
) -> Result<Recovered, InitError> {
    let (config, metrics, health) = (config.clone(), Arc::clone(metrics), Arc::clone(health));
    let policies = policies.clone();
    tokio::task::spawn_blocking(move || recover(&config, lock, &metrics, &health, &policies))
        .await
        .map_err(|_| InitError::Recovery)?
}

fn recover(
    config: &Config,
    lock: DirectoryLock,
    metrics: &Metrics,
    health: &Arc<Health>,
    policies: &Policies,
) -> Result<Recovered, InitError> {
    let network = bitcoin_network(config.chain.network);
    let options = strait_store_sqlite::Options {
        history_bytes_max: Some(config.store.history_bytes_max),
        ..strait_store_sqlite::Options::default()
    };
    let store = SqliteStore::open_locked(lock, options).map_err(InitError::Store)?;
    let begun = clock();
    let Replayed { state, head, folded } = replay(&store)?;
    metrics.derived(folded, begun.elapsed());
    metrics.set_log_head(head);
    metrics.set_event_log_size(store.size_bytes().unwrap_or_default());
    health.started(Component::Store);
    tracing::info!(%head, folded, "log read");
    let log = if head.to_u64() == 0 { LogState::Empty } else { LogState::Present };
    let mut source = chain_source(config, network, policies)?;
    // That it answers does not make it a chain that was followed: the runtime tells when it is.
    source.self_test().map_err(InitError::Chain)?;
    // Asked before there is a seed: one that a failed start leaves behind would count as old, and its whole past would
    // be searched.
    let recent = recent_block(source.as_mut(), network).map_err(InitError::Chain)?;
    let passphrase = config.wallet.seed_passphrase_file.as_deref();
    let passphrase = passphrase.map(Passphrase::from_file).transpose()?;
    let (seed, origin) =
        seed_file::load_or_create(&config.wallet.seed_file, passphrase.as_ref(), network, log)?;
    drop(passphrase);
    let vm = Arc::new(Vm::start(&strait_vm::Options::default()).map_err(InitError::Vm)?);
    health.started(Component::Contracts);
    let files = ModuleFiles::new(&config.data_dir);
    let contracts: Arc<dyn ContractRuntime> = Arc::<Vm>::clone(&vm);
    let named = state.book.modules.keys();
    let missing_modules = MissingModules::load(named, &files, contracts, Arc::clone(health));
    let (fingerprint, xpub) = seed.wallet_account();
    let account = Account::new(network, fingerprint, xpub).map_err(InitError::Account)?;
    let key = seed.node_key();
    let settings = engine_config(config, key.node_id(), network);
    let (engine, first) = match log {
        LogState::Present => {
            let mut engine = Engine::restore(settings, seed, &account, state, head)?;
            let taken = store.backup_taken();
            let first = taken.map(|taken| begin_restored(&mut engine, taken, vm.as_ref()));
            (engine, first.transpose()?)
        }
        LogState::Empty => {
            let (engine, first) = match origin {
                // The last block that cannot hold coins of this seed.
                SeedOrigin::New => Engine::create(settings, seed, &account, recent),
                SeedOrigin::Found => {
                    let genesis = genesis_block(network);
                    Engine::create_from_seed(settings, seed, &account, genesis, now())
                }
            };
            (engine, Some(first))
        }
    };
    health.started(Component::Wallet);
    let follower = Follower::new(network, known_blocks(&engine)).map_err(InitError::Follower)?;
    let last_snapshot = EventSeq::new(head.to_u64().saturating_sub(folded));
    Ok(Recovered {
        engine,
        first,
        last_snapshot,
        store,
        source,
        follower,
        vm,
        key,
        files,
        missing_modules,
    })
}

/// A log that was restored from a backup goes on with that as its first event.
fn begin_restored(
    engine: &mut Engine,
    taken: Timestamp,
    contracts: &dyn ContractRuntime,
) -> Result<strait_log::Unsaved<strait_engine::Event, strait_engine::Effect>, InitError> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(InitError::Entropy)?;
    let moment = Moment { now: now(), entropy, contracts };
    let first = engine.note_restored(taken, &moment);
    let quarantined = engine.recovery_views().len();
    tracing::warn!(
        quarantined,
        backup_taken_at_ms = taken.to_unix_ms(),
        "the log was restored from a backup: `strait recover` shows what to decide"
    );
    Ok(first)
}

/// A block well below the tip: where a new node begins, so that a reorganisation does not take away the only block it
/// knows.
fn recent_block(
    source: &mut dyn ChainSource,
    network: bitcoin::Network,
) -> Result<BlockPoint, ChainError> {
    let height = source.tip()?.height.saturating_sub(BIRTHDAY_DEPTH);
    let genesis = genesis_block(network);
    if height == genesis.height {
        return Ok(genesis);
    }
    let hash = source.block_hash_at(height)?.ok_or_else(|| ChainError::Nonsense {
        method: "getblockhash",
        detail: format!("no block at height {height}, which is below the tip"),
    })?;
    Ok(BlockPoint { height, hash })
}

fn genesis_block(network: bitcoin::Network) -> BlockPoint {
    let hash = bitcoin::constants::genesis_block(network).block_hash();
    BlockPoint { height: BlockHeight::new(0), hash }
}

/// Where the jitter of waits begins: nodes that lost the same backend do not return to it as one.
fn jitter_seed() -> Result<u64, InitError> {
    getrandom::u64().map_err(InitError::Entropy)
}

fn chain_source(
    config: &Config,
    network: bitcoin::Network,
    policies: &Policies,
) -> Result<Box<dyn ChainSource>, InitError> {
    let source = BitcoindSource::new(&strait_chain_bitcoind::Options {
        rpc_url: config.rpc_url.clone(),
        auth: config.chain.cookie_file.clone().map(Auth::CookieFile),
        network,
        policies: Arc::clone(&policies.chain),
    })
    .map_err(InitError::ChainOptions)?;
    Ok(Box::new(source))
}

async fn bind_net(
    config: &Config,
    key: &NodeKey,
    policies: &Policies,
) -> Result<(strait_net::Handle, strait_net::Service, strait_net::Events), InitError> {
    let secret = key.expose_secret_bytes();
    let identity = Identity::from_secret(*secret).map_err(InitError::Identity)?;
    let mut listen = Vec::new();
    for address in &config.p2p_listen {
        listen.push(address.parse().map_err(InitError::Address)?);
    }
    let mut options = strait_net::Options::new(identity, listen);
    options.policies = Arc::clone(&policies.peers);
    options.limits = net_limits(&config.net);
    let (service, handle, events) = Net::bind(options).await.map_err(InitError::Net)?;
    Ok((handle, service, events))
}

/// An operator says how much may wait for one peer; all peers together get as much as sixteen that are that slow.
fn net_limits(config: &NetConfig) -> strait_net::Limits {
    const PEERS_AT_THE_LIMIT: usize = 16;
    const TOTAL_BYTES_MAX: usize = 1 << 30;
    let each = usize::try_from(config.queue_bytes_max).unwrap_or(TOTAL_BYTES_MAX);
    let all = each.saturating_mul(PEERS_AT_THE_LIMIT).min(TOTAL_BYTES_MAX);
    strait_net::Limits {
        outgoing_per_peer_bytes: each,
        outgoing_total_bytes: all,
        incoming_per_peer_bytes: each,
        incoming_total_bytes: all,
        connections_max: config.peers_max,
        // A quarter stays for the connections that this node begins.
        connections_inbound_max: config
            .peers_max
            .div_ceil(4)
            .saturating_mul(3)
            .min(config.peers_max),
        ..strait_net::Limits::default()
    }
}

fn engine_config(config: &Config, node: NodeId, network: bitcoin::Network) -> EngineConfig {
    let genesis = bitcoin::constants::genesis_block(network).block_hash();
    let count = |setting: u32| usize::try_from(setting).unwrap_or(usize::MAX);
    EngineConfig {
        node,
        opening: OpeningPolicy {
            chain: Digest::from_bytes(genesis.to_byte_array()),
            parameters: parameters(config),
            delay_max: BlockDelta::new(2_016),
            depth_max: BlockDelta::new(144),
            capacity_min: config.channel.capacity_min,
            capacity_max: config.channel.capacity_max,
        },
        channels_max: count(config.channel.channels_max),
        channels_per_peer_max: count(config.channel.channels_per_peer_max),
        unfunded_max: count(config.channel.unfunded_max),
        contract_collateral_max: config.contracts.collateral_max.to_millisats(),
        contract_modules: match &config.contracts.allow {
            ContractPolicy::Added => None,
            ContractPolicy::Listed(modules) => Some(modules.iter().copied().collect()),
        },
        inbound: if config.channel.accept_inbound { Inbound::Accepted } else { Inbound::Refused },
        accept_reserve: if config.channel.accept_without_reserve {
            ReserveRule::Waived
        } else {
            ReserveRule::Demanded
        },
        fee_rate_max: config.wallet.fee_rate_max,
        fallback_fee_rate: config.wallet.fee_rate_fallback,
        reserve_fee_rate: reserve_rate(config),
        locks: lock_policy(&config.locks),
        final_depth: config.chain.confirmations,
        address_gap: strait_wallet::AddressGap::DEFAULT,
    }
}

fn lock_policy(locks: &LocksConfig) -> LockPolicy {
    LockPolicy {
        margin: locks.margin,
        lead_max: locks.lead_max,
        amount_min: locks.amount_min.to_millisats(),
        peer_locks_max: usize::try_from(locks.per_peer_max).unwrap_or(usize::MAX),
        peer_value_max: locks.value_per_peer_max.to_millisats(),
        peer_dust_max: locks.dust_per_peer_max.to_millisats(),
        forwarding: if locks.forward { Forwarding::Allowed } else { Forwarding::Refused },
        fee_base: locks.fee_base,
        fee_millionths: locks.fee_millionths,
    }
}

/// The rate at which the configured reserve closes one channel: its commitment and child have at most this many bytes.
fn reserve_rate(config: &Config) -> FeeRate {
    const CLOSE_VBYTES: u64 = 1_252;
    let reserve = config.channel.fee_reserve_per_channel.to_sat();
    FeeRate::from_sat_per_kvb(reserve.saturating_mul(1_000) / CLOSE_VBYTES)
}

fn parameters(config: &Config) -> strait_wire::Parameters {
    strait_wire::Parameters {
        delay: config.channel.delay,
        locks_max: config.locks.per_channel_max,
        // Nothing tells a node the preimage of a contract's lock: whoever is to receive it would lose it.
        contract_locks_max: 0,
        lock_min: config.locks.amount_min.to_millisats(),
        dust_exposure_max: MilliSats::from_const(5_000_000),
        depth: config.channel.confirmations,
    }
}

const fn bitcoin_network(network: Network) -> bitcoin::Network {
    match network {
        Network::Mainnet => bitcoin::Network::Bitcoin,
        Network::Testnet4 => bitcoin::Network::Testnet4,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    }
}

fn create_folder(data_dir: &Path) -> Result<(), InitError> {
    whole_file::create_folder(data_dir)
        .map_err(|source| InitError::Folder { path: PathBuf::from(data_dir), source })
}

pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the start of the process is a wall-clock fact")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) fn clock() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "the duration of recovery is measured here")]
    std::time::Instant::now()
}
