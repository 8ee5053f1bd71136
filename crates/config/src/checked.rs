//! The configuration as the node uses it: every value in bounds, every unit in its type.
//!
//! Each field names its setting; what that means, its default and its bounds stand in `raw`, beside the field of that name, and
//! in the book (`docs/settings.md`), which is made from there.

mod chain;
mod net;
mod ship;
mod values;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
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
    /// `rpc_url`.
    pub rpc_url: String,
    /// `p2p_listen`.
    pub p2p_listen: Vec<String>,
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `log_level`.
    pub log_level: String,
    /// `metrics_port` at `metrics.address`.
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
    /// `api.listen`.
    pub listen: SocketAddr,
    /// `api.token_file`.
    pub token_file: PathBuf,
    /// `api.audit_file`.
    pub audit_file: PathBuf,
    /// `api.allow_remote_without_tls`.
    pub allow_remote_without_tls: bool,
    /// `api.tls_…`: both certificate and key, or neither.
    pub tls: Option<TlsConfig>,
    /// `api.answer_within_ms`.
    pub answer_within: Duration,
    /// `api.rate_per_second`.
    pub rate_per_second: u32,
    /// `api.burst`.
    pub burst: u32,
    /// `api.refused_per_second`.
    pub refused_per_second: u32,
}

/// TLS of the REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `api.tls_certificate_file`.
    pub certificate_file: PathBuf,
    /// `api.tls_key_file`.
    pub key_file: PathBuf,
    /// `api.tls_client_ca_file`.
    pub client_ca_file: Option<PathBuf>,
}

/// `[channel]`: what channels the node opens and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelConfig {
    /// `channel.delay_blocks`.
    pub delay: BlockDelta,
    /// `channel.confirmations`.
    pub confirmations: BlockDelta,
    /// `channel.accept_inbound`.
    pub accept_inbound: bool,
    /// `channel.accept_without_reserve`.
    pub accept_without_reserve: bool,
    /// `channel.capacity_sat_min`.
    pub capacity_min: Sats,
    /// `channel.capacity_sat_max`.
    pub capacity_max: Sats,
    /// `channel.channels_max`.
    pub channels_max: u32,
    /// `channel.channels_per_peer_max`.
    pub channels_per_peer_max: u32,
    /// `channel.unfunded_max`.
    pub unfunded_max: u32,
    /// `channel.fee_reserve_per_channel_sat`.
    pub fee_reserve_per_channel: Sats,
}

/// `[locks]`: what the node takes on itself with amounts that wait for a preimage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocksConfig {
    /// `locks.per_channel_max`.
    pub per_channel_max: u16,
    /// `locks.amount_sat_min`.
    pub amount_min: Sats,
    /// `locks.per_peer_max`.
    pub per_peer_max: u32,
    /// `locks.value_per_peer_sat_max`.
    pub value_per_peer_max: Sats,
    /// `locks.dust_per_peer_sat_max`.
    pub dust_per_peer_max: Sats,
    /// `locks.margin_blocks`.
    pub margin: BlockDelta,
    /// `locks.lead_blocks_max`.
    pub lead_max: BlockDelta,
    /// `locks.forward`.
    pub forward: bool,
    /// `locks.fee_base_msat`.
    pub fee_base: MilliSats,
    /// `locks.fee_millionths`.
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
    /// `contracts.allow`.
    pub allow: ContractPolicy,
    /// `contracts.collateral_sat_max`.
    pub collateral_max: Sats,
}

/// `[wallet]`: the coins on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletConfig {
    /// `wallet.seed_file`.
    pub seed_file: PathBuf,
    /// `wallet.seed_passphrase_file`.
    pub seed_passphrase_file: Option<PathBuf>,
    /// `wallet.fee_rate_fallback_sat_per_kvb`.
    pub fee_rate_fallback: FeeRate,
    /// `wallet.fee_rate_sat_per_kvb_max`.
    pub fee_rate_max: FeeRate,
}

/// `[store]`: the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `store.snapshot_every_events`.
    pub snapshot_every_events: u64,
    /// `store.history_bytes_max`.
    pub history_bytes_max: u64,
    /// `store.free_bytes_min`.
    pub free_bytes_min: u64,
}

/// `[telemetry]`: traces of requests and rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// `telemetry.otlp_endpoint`.
    pub otlp_endpoint: Option<String>,
    /// `telemetry.trace_sample_permille`.
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
        let mut check = Checker { raw: raw.to_table(), problems: Vec::new() };
        let data_dir = check.required("data_dir", raw.data_dir);
        let data_dir = check.path("data_dir", data_dir);
        let rpc_url = check.required("rpc_url", raw.rpc_url);
        let address = check.parsed("metrics.address", &raw.metrics.address);
        let port = check.number("metrics_port", raw.metrics_port);
        let config = Self {
            rpc_url: check.rpc_url(rpc_url),
            p2p_listen: check.listen(raw.p2p_listen),
            log_level: check.text("log_level", raw.log_level, shape::is_log_level),
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
#[derive(Debug)]
struct Checker {
    /// Everything as it was written, for bounds that are other settings.
    raw: toml::Table,
    problems: Vec<Problem>,
}

impl Checker {
    fn rpc_url(&mut self, url: String) -> String {
        if url.contains('@') {
            let right =
                "a password does not belong here: write user:password into chain.cookie_file";
            self.wrong_because("rpc_url", "(hidden)", right);
            return url;
        }
        self.text("rpc_url", url, shape::is_plain_url)
    }

    fn listen(&mut self, raw: OneOrMore) -> Vec<String> {
        let addresses = raw.into_vec();
        for address in addresses.iter().filter(|address| !shape::is_multiaddr(address)) {
            self.wrong("p2p_listen", address);
        }
        addresses
    }

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
                self.wrong_because("api.tls_certificate_file", &certificate, right);
                None
            }
            (None, Some(key)) => {
                let right = "api.tls_certificate_file beside it is right";
                self.wrong_because("api.tls_key_file", &key, right);
                None
            }
            (None, None) => {
                if let Some(path) = client_ca {
                    let right = "api.tls_certificate_file and api.tls_key_file beside it are right";
                    self.wrong_because("api.tls_client_ca_file", &path, right);
                }
                None
            }
        }
    }

    fn api(&mut self, raw: RawApi, data_dir: &Path) -> ApiConfig {
        let listen = self
            .parsed("api.listen", &raw.listen)
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
        let tls = self.tls(&raw);
        if !listen.ip().is_loopback() && tls.is_none() && !raw.allow_remote_without_tls {
            self.wrong_because(
                "api.listen",
                &raw.listen,
                "this can be reached from other machines, and tokens would cross the network as they are: a loopback address is right, or api.tls_certificate_file and api.tls_key_file, or api.allow_remote_without_tls = true behind a proxy that has TLS",
            );
        }
        ApiConfig {
            listen,
            token_file: self.path_within(data_dir, "api.token_file", raw.token_file),
            audit_file: self.path_within(data_dir, "api.audit_file", raw.audit_file),
            allow_remote_without_tls: raw.allow_remote_without_tls,
            tls,
            answer_within: self.millis("api.answer_within_ms", raw.answer_within_ms),
            rate_per_second: self.number("api.rate_per_second", raw.rate_per_second),
            burst: self.number("api.burst", raw.burst),
            refused_per_second: self.number("api.refused_per_second", raw.refused_per_second),
        }
    }

    fn channel(&mut self, raw: &RawChannel) -> ChannelConfig {
        ChannelConfig {
            delay: self.blocks("channel.delay_blocks", raw.delay_blocks),
            confirmations: self.blocks("channel.confirmations", raw.confirmations),
            accept_inbound: raw.accept_inbound,
            accept_without_reserve: raw.accept_without_reserve,
            capacity_min: self.sats("channel.capacity_sat_min", raw.capacity_sat_min),
            capacity_max: self.sats("channel.capacity_sat_max", raw.capacity_sat_max),
            channels_max: self.number("channel.channels_max", raw.channels_max),
            channels_per_peer_max: self
                .number("channel.channels_per_peer_max", raw.channels_per_peer_max),
            unfunded_max: self.number("channel.unfunded_max", raw.unfunded_max),
            fee_reserve_per_channel: self
                .sats("channel.fee_reserve_per_channel_sat", raw.fee_reserve_per_channel_sat),
        }
    }

    fn locks(&mut self, raw: &RawLocks) -> LocksConfig {
        let fee_base_msat = self.number("locks.fee_base_msat", raw.fee_base_msat);
        LocksConfig {
            per_channel_max: self.number("locks.per_channel_max", raw.per_channel_max),
            amount_min: self.sats("locks.amount_sat_min", raw.amount_sat_min),
            per_peer_max: self.number("locks.per_peer_max", raw.per_peer_max),
            value_per_peer_max: self
                .sats("locks.value_per_peer_sat_max", raw.value_per_peer_sat_max),
            dust_per_peer_max: self.sats("locks.dust_per_peer_sat_max", raw.dust_per_peer_sat_max),
            margin: self.blocks("locks.margin_blocks", raw.margin_blocks),
            lead_max: self.blocks("locks.lead_blocks_max", raw.lead_blocks_max),
            forward: raw.forward,
            fee_base: MilliSats::new(fee_base_msat).unwrap_or(MilliSats::MAX),
            fee_millionths: self.number("locks.fee_millionths", raw.fee_millionths),
        }
    }

    fn contracts(&mut self, raw: RawContracts) -> ContractsConfig {
        let names = raw.allow.into_vec();
        let allow = if names == ["added"] {
            ContractPolicy::Added
        } else {
            let hashes = names.iter().filter_map(|name| self.parsed("contracts.allow", name));
            ContractPolicy::Listed(hashes.collect())
        };
        let collateral_max = self.sats("contracts.collateral_sat_max", raw.collateral_sat_max);
        ContractsConfig { allow, collateral_max }
    }

    fn wallet(&mut self, raw: RawWallet, data_dir: &Path) -> WalletConfig {
        let passphrase = raw.seed_passphrase_file;
        let fallback = raw.fee_rate_fallback_sat_per_kvb;
        let fallback = self.number("wallet.fee_rate_fallback_sat_per_kvb", fallback);
        let most = raw.fee_rate_sat_per_kvb_max;
        let most = self.number("wallet.fee_rate_sat_per_kvb_max", most);
        WalletConfig {
            seed_file: self.path_within(data_dir, "wallet.seed_file", raw.seed_file),
            seed_passphrase_file: passphrase
                .map(|path| self.path("wallet.seed_passphrase_file", path)),
            fee_rate_fallback: FeeRate::from_sat_per_kvb(fallback),
            fee_rate_max: FeeRate::from_sat_per_kvb(most),
        }
    }

    fn store(&mut self, raw: &RawStore) -> StoreConfig {
        StoreConfig {
            snapshot_every_events: self
                .number("store.snapshot_every_events", raw.snapshot_every_events),
            history_bytes_max: self.number("store.history_bytes_max", raw.history_bytes_max),
            free_bytes_min: self.number("store.free_bytes_min", raw.free_bytes_min),
        }
    }

    fn telemetry(&mut self, raw: RawTelemetry) -> TelemetryConfig {
        let endpoint = raw.otlp_endpoint;
        TelemetryConfig {
            otlp_endpoint: endpoint
                .map(|url| self.text("telemetry.otlp_endpoint", url, shape::is_plain_url)),
            trace_sample_permille: self
                .number("telemetry.trace_sample_permille", raw.trace_sample_permille),
        }
    }
}
