//! The configuration as the node uses it: every value in bounds, every unit in its type.

mod chain;
mod net;
mod ship;
mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use strait_primitives::{BlockDelta, FeeRate, MilliSats, ModuleHash, Sats};

pub use self::chain::ChainConfig;
pub use self::net::NetConfig;
pub use self::ship::ShipConfig;
use crate::error::{Problem, Problems};
use crate::raw::{
    OneOrMore, RawApi, RawChannel, RawConfig, RawContracts, RawLocks, RawStore, RawTelemetry,
    RawWallet,
};
use crate::shape;

/// The node's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `rpc_url`: where bitcoind or the devnet answers, `http://HOST:PORT`. No default. Whoever answers there decides what
    /// the node believes of the chain: a stranger could hide a revoked commitment. Since 0.1.
    pub rpc_url: String,
    /// `p2p_listen`: multiaddrs for peers, TCP or QUIC; may be empty, then only outgoing connections exist. Default: port 9736
    /// of every address. More addresses mean more strangers who can take up connections. Since 0.1.
    pub p2p_listen: Vec<String>,
    /// `data_dir`: absolute path of the log, the wallet's seed and the node's logs. No default. A new or foreign folder is
    /// another node: its channels are not here. Since 0.1.
    pub data_dir: PathBuf,
    /// `log_level`: error, warn, info, debug or trace, or directives such as `info,strait_net=debug`. Default `info`.
    /// Below `info` disks fill faster, above it the cause of a failure may be missing. Since 0.1.
    pub log_level: String,
    /// `metrics_port` at `metrics.address`: metrics and health without a token. Defaults 9738 (0 lets the system choose) and
    /// loopback. Reachable by strangers it tells them balances and load. Since 0.1.
    pub metrics: SocketAddr,
    /// `[api]`
    pub api: ApiConfig,
    /// `[chain]`
    pub chain: ChainConfig,
    /// `[channel]`
    pub channel: ChannelConfig,
    /// `[locks]`
    pub locks: LocksConfig,
    /// `[contracts]`
    pub contracts: ContractsConfig,
    /// `[wallet]`
    pub wallet: WalletConfig,
    /// `[net]`
    pub net: NetConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// `[ship]`
    pub ship: ShipConfig,
}

/// `[api]`: the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// `listen`: default `127.0.0.1:9737`; another than a loopback address takes TLS. Since 0.1.
    pub listen: SocketAddr,
    /// `token_file`: default `data_dir/api.token`, made when missing. Whoever reads it spends the money. Since 0.1.
    pub token_file: PathBuf,
    /// `audit_file`: default `data_dir/audit.log`: a line for every call that changes something. Where it cannot be written,
    /// nothing is changed: give it a place with room. Since 0.2.
    pub audit_file: PathBuf,
    /// `allow_remote_without_tls`: default false. True sends tokens as they are over whatever lies between the node and its
    /// callers: only for a proxy with TLS in the same pod or on the same private link. Since 0.2.
    pub allow_remote_without_tls: bool,
    /// `tls_certificate_file` and `tls_key_file`: default none: both or neither. Read again on SIGHUP. Since 0.2.
    pub tls: Option<TlsConfig>,
    /// `answer_within_ms`: 1,000 to 600,000, default 60,000. Shorter makes callers ask again more often, longer keeps
    /// more connections waiting; the work itself has no limit. Since 0.1.
    pub answer_within: Duration,
    /// `rate_per_second`: 0 to 1,000,000, default 50,000; 0 is no limit. Requests of one client address. Less may hold an
    /// honest program up, more lets one take the node from the others. Live. Since 0.1.
    pub rate_per_second: u32,
    /// `burst`: 1 to 10,000,000, default 100,000: requests that one client may send at once after a pause. Live. Since 0.1.
    pub burst: u32,
    /// `refused_per_second`: 0 to 1,000,000, default 50; 0 is no limit. Bad requests of one client, without a token or
    /// garbage, that are told what is wrong; the others get `RATE_LIMITED`. Live. Since 0.1.
    pub refused_per_second: u32,
}

/// TLS of the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `tls_certificate_file`: the certificate and those between it and its authority, in PEM. Since 0.2.
    pub certificate_file: PathBuf,
    /// `tls_key_file`: its key, in PEM, for its owner alone. Since 0.2.
    pub key_file: PathBuf,
    /// `tls_client_ca_file`: default none: the authority whose clients alone get in, in PEM; a token they need all the same.
    /// Since 0.2.
    pub client_ca_file: Option<PathBuf>,
}

/// `[channel]`: what channels the node opens and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// `delay_blocks`: 6 to 2,016, default 144: how long this node asks the other side's money to wait after it closes alone.
    /// Less leaves less time to punish, more makes peers refuse. Since 0.1.
    pub delay: BlockDelta,
    /// `confirmations`: 1 to 144, default 3: blocks on the funding transaction before a channel is used. Fewer lets a
    /// reorganisation take an opening back under payments already made. Since 0.1.
    pub confirmations: BlockDelta,
    /// `accept_inbound`: default true: whether others may open channels to this node. Each costs memory and fee
    /// reserve. Since 0.1.
    pub accept_inbound: bool,
    /// `accept_without_reserve`: default false: whether others may open channels while the wallet could not pay for
    /// closing them. True suits a node that only receives and starts empty; until it has coins, a peer that will not
    /// close keeps what it was paid waiting. Since 0.1.
    pub accept_without_reserve: bool,
    /// `capacity_sat_min`: from 1,000, default 20,000. Smaller ones may cost more to settle than they hold. Since 0.1.
    pub capacity_min: Sats,
    /// `capacity_sat_max`: from `capacity_sat_min`, default 1,000,000,000: the most one channel may put at risk. Since 0.1.
    pub capacity_max: Sats,
    /// `channels_max`: 1 to 100,000, default 1,000. Each binds fee reserve. Since 0.1.
    pub channels_max: u32,
    /// `channels_per_peer_max`: 1 to `channels_max`, default 16. More lets one peer take all places. Since 0.1.
    pub channels_per_peer_max: u32,
    /// `unfunded_max`: 1 to `channels_max`, default 32: openings not yet on the chain, which cost a stranger nothing. Since 0.1.
    pub unfunded_max: u32,
    /// `fee_reserve_per_channel_sat`: 1,000 to 10,000,000, default 10,000: confirmed coins kept for closing each channel.
    /// Too little, and a close may not confirm when blocks are full. Since 0.1.
    pub fee_reserve_per_channel: Sats,
}

/// `[locks]`: what the node takes on itself with amounts that wait for a preimage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocksConfig {
    /// `per_channel_max`: 0 to 90, default 30: locks each way in a channel opened from now on, if the peer wants no fewer. Each is
    /// an output to settle alone if the peer vanishes. Since 0.1.
    pub per_channel_max: u16,
    /// `amount_sat_min`: 1 to 100,000,000, default 1,000: the least lock of a channel opened from now on, and the least that is
    /// held or passed on. Below what a claim costs on chain, only trust holds it. Since 0.1.
    pub amount_min: Sats,
    /// `per_peer_max`: 1 to 10,000, default 90: locks in use with one peer, each way. More lets one peer take the room of
    /// others' forwards. Since 0.1.
    pub per_peer_max: u32,
    /// `value_per_peer_sat_max`: from `amount_sat_min`, default 100,000,000: their value, each way: what one peer can hold up until
    /// the expiries. Since 0.1.
    pub value_per_peer_max: Sats,
    /// `dust_per_peer_sat_max`: to 1,000,000, default 5,000: value of those too small for an output, each way: lost when a
    /// channel closes amid them. Since 0.1.
    pub dust_per_peer_max: Sats,
    /// `margin_blocks`: 3 to 144, default 18: blocks that anything on chain may take longer than it should. Less loses races when
    /// blocks are full, more makes expiries longer. Since 0.1.
    pub margin: BlockDelta,
    /// `lead_blocks_max`: 24 to 2,016, default 2,016: the furthest expiry that is offered, held or passed on. Since 0.1.
    pub lead_max: BlockDelta,
    /// `forward`: default true: whether locks are passed on from one channel to another. Since 0.1.
    pub forward: bool,
    /// `fee_base_msat`: to 1,000,000,000, default 1,000: what passing one on costs. Since 0.1.
    pub fee_base: MilliSats,
    /// `fee_millionths`: to 1,000,000, default 1,000: what it costs beside, in millionths of the amount. Since 0.1.
    pub fee_millionths: u32,
}

/// Which modules may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractPolicy {
    /// `allow = "added"`: every module that somebody with the token added.
    Added,
    /// `allow = ["HASH", …]`: these; an empty list allows none.
    Listed(Vec<ModuleHash>),
}

/// `[contracts]`: what contracts the node takes part in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractsConfig {
    /// `allow`: default none. A module decides over its collateral: allow what you have read. Since 0.1.
    pub allow: ContractPolicy,
    /// `collateral_sat_max`: default 10,000,000: what this node has in all contracts of a channel at most when it agrees
    /// to one that a peer offers; faulty modules can lose that. Since 0.1.
    pub collateral_max: Sats,
}

/// `[wallet]`: the coins on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletConfig {
    /// `seed_file`: default `data_dir/seed`, made when missing. It is all the money: keep a copy elsewhere. Since 0.1.
    pub seed_file: PathBuf,
    /// `seed_passphrase_file`: default none: the seed lies in its file as it is. With it the seed is encrypted: who reads the disk
    /// alone has nothing, who loses the passphrase has nothing either. Since 0.2.
    pub seed_passphrase_file: Option<PathBuf>,
    /// `fee_rate_fallback_sat_per_kvb`: 1,000 to the maximum below, default 5,000: used when the chain gives no estimate, but no
    /// less than its node's mempool takes. Too low and transactions wait, too high and they waste. Since 0.1.
    pub fee_rate_fallback: FeeRate,
    /// `fee_rate_sat_per_kvb_max`: 1,000 to 10,000,000, default 500,000: no transaction pays more, whatever an estimate says.
    /// Too low, and a deadline may be missed. Since 0.1.
    pub fee_rate_max: FeeRate,
}

/// `[store]`: the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `snapshot_every_events`: 1,000 to 10,000,000, default 100,000. Fewer writes more, more makes start-up longer. Since 0.1.
    pub snapshot_every_events: u64,
    /// `history_bytes_max`: 0 to 1 PiB, default 4 GiB. With more in the log's database, events that two snapshots cover are
    /// removed, oldest first: less forgets what happened sooner, more lets a peer that runs rounds without end take that
    /// much of the disk. Since 0.1.
    pub history_bytes_max: u64,
    /// `free_bytes_min`: 0 to 1 PiB, default 1 GiB. With less left where `data_dir` lies nothing new is begun, until a quarter
    /// more is free; 0 lets a peer fill the disk, which ends the node. Since 0.1.
    pub free_bytes_min: u64,
}

/// `[telemetry]`: traces of requests and rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// `otlp_endpoint`: where an OpenTelemetry collector takes traces, `http://HOST:PORT`; default none, then they show only
    /// as the context of lines at `debug`. Needs a program built with the feature `otel`. Whoever reads them learns
    /// who was paid when. Since 0.1.
    pub otlp_endpoint: Option<String>,
    /// `trace_sample_permille`: 0 to 1,000, default 10: how many of a thousand requests and rounds are traced. More costs
    /// time and the collector's disk, 0 leaves nothing to look at. Live. Since 0.1.
    pub trace_sample_permille: u32,
}

impl Config {
    /// The effective settings that are numbers or switches (0 and 1), by key: for gauges.
    #[must_use]
    pub fn gauges(&self) -> Vec<(&'static str, f64)> {
        super::shown::gauges(self)
    }

    /// The effective settings that are words of a bounded length, by key: for labels.
    #[must_use]
    pub fn words(&self) -> [(&'static str, &str); 2] {
        super::shown::words(self)
    }

    /// Keys whose effective value is another one there.
    #[must_use]
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        super::shown::changed_keys(self, other)
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = Problems;

    fn try_from(raw: RawConfig) -> Result<Self, Problems> {
        let mut check = Checker::default();
        let data_dir =
            check.required("data_dir", raw.data_dir, "the absolute path of the node's folder");
        let data_dir = check.path("data_dir", data_dir);
        let rpc_url =
            check.required("rpc_url", raw.rpc_url, "http://HOST:PORT of bitcoind or the devnet");
        let address = check.parsed(
            "metrics.address",
            &raw.metrics.address,
            "an IP address is right: 127.0.0.1",
        );
        let port = check.number("metrics_port", raw.metrics_port, 0..=u16::MAX.into());
        let config = Self {
            rpc_url: check.text("rpc_url", rpc_url, shape::rpc_url),
            p2p_listen: check.listen(raw.p2p_listen),
            log_level: check.text("log_level", raw.log_level, shape::log_level),
            metrics: SocketAddr::new(address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port),
            api: check.api(raw.api, &data_dir),
            chain: check.chain(raw.chain),
            channel: check.channel(&raw.channel),
            locks: check.locks(&raw.locks),
            contracts: check.contracts(raw.contracts),
            wallet: check.wallet(raw.wallet, &data_dir),
            net: check.net(&raw.net),
            store: check.store(&raw.store),
            telemetry: check.telemetry(raw.telemetry),
            ship: check.ship(raw.ship, &data_dir),
            data_dir,
        };
        if check.problems.is_empty() { Ok(config) } else { Err(Problems(check.problems)) }
    }
}

/// Collects everything that is wrong; what it hands out in place of a wrong value is never used.
#[derive(Debug, Default)]
struct Checker {
    problems: Vec<Problem>,
}

impl Checker {
    fn tls(&mut self, raw: &RawApi) -> Option<TlsConfig> {
        let client_ca = raw.tls_client_ca_file.clone();
        match (raw.tls_certificate_file.clone(), raw.tls_key_file.clone()) {
            (Some(certificate), Some(key)) => Some(TlsConfig {
                certificate_file: self.path("api.tls_certificate_file", certificate),
                key_file: self.path("api.tls_key_file", key),
                client_ca_file: client_ca.map(|path| self.path("api.tls_client_ca_file", path)),
            }),
            (Some(certificate), None) => {
                let right = "api.tls_key_file beside it is right";
                self.wrong("api.tls_certificate_file", &certificate, right);
                None
            }
            (None, Some(key)) => {
                let right = "api.tls_certificate_file beside it is right";
                self.wrong("api.tls_key_file", &key, right);
                None
            }
            (None, None) => {
                if let Some(path) = client_ca {
                    let right = "api.tls_certificate_file and api.tls_key_file beside it are right";
                    self.wrong("api.tls_client_ca_file", &path, right);
                }
                None
            }
        }
    }

    fn api(&mut self, raw: RawApi, data_dir: &std::path::Path) -> ApiConfig {
        let listen = self
            .parsed("api.listen", &raw.listen, "ADDRESS:PORT is right: 127.0.0.1:9737")
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        let tls = self.tls(&raw);
        if !listen.ip().is_loopback() && tls.is_none() && !raw.allow_remote_without_tls {
            self.wrong(
                "api.listen",
                &raw.listen,
                "this can be reached from other machines, and tokens would cross the network as they are: a loopback address is right, or api.tls_certificate_file and api.tls_key_file, or api.allow_remote_without_tls = true behind a proxy that has TLS",
            );
        }
        ApiConfig {
            listen,
            token_file: self.path_or("api.token_file", raw.token_file, data_dir.join("api.token")),
            audit_file: self.path_or("api.audit_file", raw.audit_file, data_dir.join("audit.log")),
            allow_remote_without_tls: raw.allow_remote_without_tls,
            tls,
            answer_within: self.millis(
                "api.answer_within_ms",
                raw.answer_within_ms,
                1_000..=600_000,
            ),
            rate_per_second: self.number("api.rate_per_second", raw.rate_per_second, 0..=1_000_000),
            burst: self.number("api.burst", raw.burst, 1..=10_000_000),
            refused_per_second: self.number(
                "api.refused_per_second",
                raw.refused_per_second,
                0..=1_000_000,
            ),
        }
    }

    fn channel(&mut self, raw: &RawChannel) -> ChannelConfig {
        let all = raw.channels_max;
        ChannelConfig {
            delay: self.blocks("channel.delay_blocks", raw.delay_blocks, 6..=2_016),
            confirmations: self.blocks("channel.confirmations", raw.confirmations, 1..=144),
            accept_inbound: raw.accept_inbound,
            accept_without_reserve: raw.accept_without_reserve,
            capacity_min: self.sats(
                "channel.capacity_sat_min",
                raw.capacity_sat_min,
                1_000..=Sats::MAX.to_sat(),
            ),
            capacity_max: self.sats(
                "channel.capacity_sat_max",
                raw.capacity_sat_max,
                raw.capacity_sat_min..=Sats::MAX.to_sat(),
            ),
            channels_max: self.number("channel.channels_max", all, 1..=100_000),
            channels_per_peer_max: self.number(
                "channel.channels_per_peer_max",
                raw.channels_per_peer_max,
                1..=all,
            ),
            unfunded_max: self.number("channel.unfunded_max", raw.unfunded_max, 1..=all),
            fee_reserve_per_channel: self.sats(
                "channel.fee_reserve_per_channel_sat",
                raw.fee_reserve_per_channel_sat,
                1_000..=10_000_000,
            ),
        }
    }

    fn locks(&mut self, raw: &RawLocks) -> LocksConfig {
        let least = raw.amount_sat_min;
        let fee_base_msat =
            self.number("locks.fee_base_msat", raw.fee_base_msat, 0..=1_000_000_000);
        LocksConfig {
            per_channel_max: self.number("locks.per_channel_max", raw.per_channel_max, 0..=90),
            amount_min: self.sats("locks.amount_sat_min", least, 1..=100_000_000),
            per_peer_max: self.number("locks.per_peer_max", raw.per_peer_max, 1..=10_000),
            value_per_peer_max: self.sats(
                "locks.value_per_peer_sat_max",
                raw.value_per_peer_sat_max,
                least..=Sats::MAX.to_sat(),
            ),
            dust_per_peer_max: self.sats(
                "locks.dust_per_peer_sat_max",
                raw.dust_per_peer_sat_max,
                0..=1_000_000,
            ),
            margin: self.blocks("locks.margin_blocks", raw.margin_blocks, 3..=144),
            lead_max: self.blocks("locks.lead_blocks_max", raw.lead_blocks_max, 24..=2_016),
            forward: raw.forward,
            fee_base: MilliSats::new(fee_base_msat).unwrap_or(MilliSats::MAX),
            fee_millionths: self.number("locks.fee_millionths", raw.fee_millionths, 0..=1_000_000),
        }
    }

    fn contracts(&mut self, raw: RawContracts) -> ContractsConfig {
        const RIGHT: &str = "\"added\" or a list of module hashes of 64 hex digits is right";
        let names = raw.allow.into_vec();
        let allow = if names == ["added"] {
            ContractPolicy::Added
        } else {
            let hashes = names.iter().filter_map(|name| {
                let hash = name.parse().ok();
                if hash.is_none() {
                    self.wrong("contracts.allow", name, RIGHT);
                }
                hash
            });
            ContractPolicy::Listed(hashes.collect())
        };
        let most = 0..=Sats::MAX.to_sat();
        let collateral_max =
            self.sats("contracts.collateral_sat_max", raw.collateral_sat_max, most);
        ContractsConfig { allow, collateral_max }
    }

    fn wallet(&mut self, raw: RawWallet, data_dir: &std::path::Path) -> WalletConfig {
        let most = raw.fee_rate_sat_per_kvb_max;
        WalletConfig {
            seed_file: self.path_or("wallet.seed_file", raw.seed_file, data_dir.join("seed")),
            seed_passphrase_file: raw
                .seed_passphrase_file
                .map(|path| self.path("wallet.seed_passphrase_file", path)),
            fee_rate_fallback: FeeRate::from_sat_per_kvb(self.number(
                "wallet.fee_rate_fallback_sat_per_kvb",
                raw.fee_rate_fallback_sat_per_kvb,
                1_000..=most,
            )),
            fee_rate_max: FeeRate::from_sat_per_kvb(self.number(
                "wallet.fee_rate_sat_per_kvb_max",
                most,
                1_000..=10_000_000,
            )),
        }
    }

    fn store(&mut self, raw: &RawStore) -> StoreConfig {
        const PIB: u64 = 1 << 50;
        let every = raw.snapshot_every_events;
        let bounds = 1_000..=10_000_000;
        let snapshot_every_events = self.number("store.snapshot_every_events", every, bounds);
        StoreConfig {
            snapshot_every_events,
            history_bytes_max: self.number(
                "store.history_bytes_max",
                raw.history_bytes_max,
                0..=PIB,
            ),
            free_bytes_min: self.number("store.free_bytes_min", raw.free_bytes_min, 0..=PIB),
        }
    }

    fn telemetry(&mut self, raw: RawTelemetry) -> TelemetryConfig {
        let otlp_endpoint = raw
            .otlp_endpoint
            .map(|url| self.text("telemetry.otlp_endpoint", url, shape::otlp_endpoint));
        let permille = raw.trace_sample_permille;
        TelemetryConfig {
            otlp_endpoint,
            trace_sample_permille: self.number(
                "telemetry.trace_sample_permille",
                permille,
                0..=1_000,
            ),
        }
    }

    fn listen(&mut self, raw: OneOrMore) -> Vec<String> {
        let addresses = raw.into_vec();
        for address in &addresses {
            if let Err(right) = shape::multiaddr(address) {
                self.wrong("p2p_listen", address, right);
            }
        }
        addresses
    }
}
