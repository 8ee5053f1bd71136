//! The configuration as it is written: nothing checked but its shape. The defaults live here.

use serde::{Deserialize, Serialize};

/// Defines a section: every field with its default. Unknown fields are refused.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }
    };
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

fn everywhere() -> OneOrMore {
    OneOrMore::More(vec!["/ip4/0.0.0.0/tcp/9736".into(), "/ip4/0.0.0.0/udp/9736/quic-v1".into()])
}

section! {
    /// The whole file. An absent `rpc_url`, `data_dir` or `chain.network` is refused later: no default would be safe.
    RawConfig {
        rpc_url: Option<String> = None,
        p2p_listen: OneOrMore = everywhere(),
        data_dir: Option<String> = None,
        log_level: String = "info".into(),
        metrics_port: u64 = 9738,
        api: RawApi = RawApi::default(),
        chain: RawChain = RawChain::default(),
        channel: RawChannel = RawChannel::default(),
        locks: RawLocks = RawLocks::default(),
        contracts: RawContracts = RawContracts::default(),
        wallet: RawWallet = RawWallet::default(),
        net: RawNet = RawNet::default(),
        store: RawStore = RawStore::default(),
        ship: RawShip = RawShip::default(),
        metrics: RawMetrics = RawMetrics::default(),
        telemetry: RawTelemetry = RawTelemetry::default(),
    }
}

section! {
    /// `[api]`
    RawApi {
        listen: String = "127.0.0.1:9737".into(),
        token_file: Option<String> = None,
        audit_file: Option<String> = None,
        allow_remote_without_tls: bool = false,
        tls_certificate_file: Option<String> = None,
        tls_key_file: Option<String> = None,
        tls_client_ca_file: Option<String> = None,
        answer_within_ms: u64 = 60_000,
        rate_per_second: u64 = 50_000,
        burst: u64 = 100_000,
        refused_per_second: u64 = 50,
    }
}

section! {
    /// `[chain]`
    RawChain {
        network: Option<String> = None,
        cookie_file: Option<String> = None,
        poll_interval_ms: u64 = 1_000,
        unready_after_ms: u64 = 30_000,
        timeout_ms: u64 = 30_000,
        retry_attempts_max: u64 = 5,
        retry_delay_ms: u64 = 1_000,
        retry_delay_max_ms: u64 = 32_000,
        breaker_failure_percent: u64 = 50,
        breaker_calls_min: u64 = 10,
        breaker_open_ms: u64 = 30_000,
        confirmations: u64 = 6,
    }
}

section! {
    /// `[channel]`
    RawChannel {
        delay_blocks: u64 = 144,
        confirmations: u64 = 3,
        accept_inbound: bool = true,
        accept_without_reserve: bool = false,
        capacity_sat_min: u64 = 20_000,
        capacity_sat_max: u64 = 1_000_000_000,
        channels_max: u64 = 1_000,
        channels_per_peer_max: u64 = 16,
        unfunded_max: u64 = 32,
        fee_reserve_per_channel_sat: u64 = 10_000,
    }
}

section! {
    /// `[locks]`
    RawLocks {
        per_channel_max: u64 = 30,
        amount_sat_min: u64 = 1_000,
        per_peer_max: u64 = 90,
        value_per_peer_sat_max: u64 = 100_000_000,
        dust_per_peer_sat_max: u64 = 5_000,
        margin_blocks: u64 = 18,
        lead_blocks_max: u64 = 2_016,
        forward: bool = true,
        fee_base_msat: u64 = 1_000,
        fee_millionths: u64 = 1_000,
    }
}

section! {
    /// `[contracts]`
    RawContracts {
        allow: OneOrMore = OneOrMore::More(Vec::new()),
        collateral_sat_max: u64 = 10_000_000,
    }
}

section! {
    /// `[wallet]`
    RawWallet {
        seed_file: Option<String> = None,
        seed_passphrase_file: Option<String> = None,
        fee_rate_fallback_sat_per_kvb: u64 = 5_000,
        fee_rate_sat_per_kvb_max: u64 = 500_000,
    }
}

section! {
    /// `[net]`
    RawNet {
        peers_max: u64 = 256,
        queue_bytes_max: u64 = 4 * 1_024 * 1_024,
        reconnect_ms: u64 = 1_000,
        reconnect_ms_max: u64 = 60_000,
        dials_max: u64 = 256,
        handshakes_max: u64 = 64,
        host_dials_per_second: u64 = 2,
        host_dials_burst: u64 = 20,
        peer_bytes_per_second: u64 = 64 * 1_024 * 1_024,
        peer_frames_per_second: u64 = 100_000,
    }
}

section! {
    /// `[store]`
    RawStore {
        snapshot_every_events: u64 = 100_000,
        history_bytes_max: u64 = 4 * 1_024 * 1_024 * 1_024,
        free_bytes_min: u64 = 1_024 * 1_024 * 1_024,
    }
}

section! {
    /// `[ship]`
    RawShip {
        folder: Option<String> = None,
        every_ms: u64 = 200,
        recipients: OneOrMore = OneOrMore::More(Vec::new()),
    }
}

section! {
    /// `[metrics]`
    RawMetrics {
        address: String = "127.0.0.1".into(),
    }
}

section! {
    /// `[telemetry]`
    RawTelemetry {
        otlp_endpoint: Option<String> = None,
        trace_sample_permille: u64 = 10,
    }
}
