//! The effective settings, back as text for the operator and as numbers for gauges.

use std::fmt::Write;

use toml::Value;

use crate::checked::{ChainConfig, Config, ContractPolicy, NetConfig, TlsConfig};
use crate::layers::{Layers, Source};

/// The effective settings in the order of the documentation.
fn effective(config: &Config) -> Vec<(&'static str, Option<Value>)> {
    let Config { api, channel, locks, contracts, wallet, store, ship, telemetry, .. } = config;
    let path = |path: &std::path::Path| Some(Value::from(path.display().to_string()));
    let tls = |file: fn(&TlsConfig) -> Option<&std::path::PathBuf>| {
        api.tls.as_ref().and_then(file).and_then(|file| path(file))
    };
    let texts = |texts: &[String]| Some(Value::from(texts.to_vec()));
    let first = [
        ("rpc_url", Some(Value::from(config.rpc_url.as_str()))),
        ("p2p_listen", texts(&config.p2p_listen)),
        ("data_dir", path(&config.data_dir)),
        ("log_level", Some(Value::from(config.log_level.as_str()))),
        ("metrics_port", number(config.metrics.port().into())),
        ("api.listen", Some(Value::from(api.listen.to_string()))),
        ("api.token_file", path(&api.token_file)),
        ("api.audit_file", path(&api.audit_file)),
        ("api.allow_remote_without_tls", Some(Value::from(api.allow_remote_without_tls))),
        ("api.tls_certificate_file", tls(|tls| Some(&tls.certificate_file))),
        ("api.tls_key_file", tls(|tls| Some(&tls.key_file))),
        ("api.tls_client_ca_file", tls(|tls| tls.client_ca_file.as_ref())),
        ("api.answer_within_ms", millis(api.answer_within)),
        ("api.rate_per_second", number(api.rate_per_second.into())),
        ("api.burst", number(api.burst.into())),
        ("api.refused_per_second", number(api.refused_per_second.into())),
    ];
    let rest = [
        ("channel.delay_blocks", number(channel.delay.to_u32().into())),
        ("channel.confirmations", number(channel.confirmations.to_u32().into())),
        ("channel.accept_inbound", Some(Value::from(channel.accept_inbound))),
        ("channel.accept_without_reserve", Some(Value::from(channel.accept_without_reserve))),
        ("channel.capacity_sat_min", number(channel.capacity_min.to_sat())),
        ("channel.capacity_sat_max", number(channel.capacity_max.to_sat())),
        ("channel.channels_max", number(channel.channels_max.into())),
        ("channel.channels_per_peer_max", number(channel.channels_per_peer_max.into())),
        ("channel.unfunded_max", number(channel.unfunded_max.into())),
        ("channel.fee_reserve_per_channel_sat", number(channel.fee_reserve_per_channel.to_sat())),
        ("locks.per_channel_max", number(locks.per_channel_max.into())),
        ("locks.amount_sat_min", number(locks.amount_min.to_sat())),
        ("locks.per_peer_max", number(locks.per_peer_max.into())),
        ("locks.value_per_peer_sat_max", number(locks.value_per_peer_max.to_sat())),
        ("locks.dust_per_peer_sat_max", number(locks.dust_per_peer_max.to_sat())),
        ("locks.margin_blocks", number(locks.margin.to_u32().into())),
        ("locks.lead_blocks_max", number(locks.lead_max.to_u32().into())),
        ("locks.forward", Some(Value::from(locks.forward))),
        ("locks.fee_base_msat", number(locks.fee_base.to_msat())),
        ("locks.fee_millionths", number(locks.fee_millionths.into())),
        ("contracts.allow", Some(policy(&contracts.allow))),
        ("contracts.collateral_sat_max", number(contracts.collateral_max.to_sat())),
        ("wallet.seed_file", path(&wallet.seed_file)),
        ("wallet.seed_passphrase_file", wallet.seed_passphrase_file.as_deref().and_then(path)),
        ("wallet.fee_rate_fallback_sat_per_kvb", number(wallet.fee_rate_fallback.to_sat_per_kvb())),
        ("wallet.fee_rate_sat_per_kvb_max", number(wallet.fee_rate_max.to_sat_per_kvb())),
    ];
    let last = [
        ("store.snapshot_every_events", number(store.snapshot_every_events)),
        ("store.history_bytes_max", number(store.history_bytes_max)),
        ("store.free_bytes_min", number(store.free_bytes_min)),
        ("ship.folder", ship.folder.as_deref().and_then(path)),
        ("ship.every_ms", millis(ship.every)),
        ("ship.recipients", texts(&ship.recipients)),
        ("metrics.address", Some(Value::from(config.metrics.ip().to_string()))),
        ("telemetry.otlp_endpoint", telemetry.otlp_endpoint.as_deref().map(Value::from)),
        ("telemetry.trace_sample_permille", number(telemetry.trace_sample_permille.into())),
    ];
    let first = first.into_iter().chain(of_chain(&config.chain)).chain(rest);
    first.chain(of_net(&config.net)).chain(last).collect()
}

/// Those of `[chain]`.
fn of_chain(chain: &ChainConfig) -> Vec<(&'static str, Option<Value>)> {
    let path = |path: &std::path::Path| Some(Value::from(path.display().to_string()));
    vec![
        ("chain.network", Some(Value::from(chain.network.as_str()))),
        ("chain.cookie_file", chain.cookie_file.as_deref().and_then(path)),
        ("chain.poll_interval_ms", millis(chain.poll_interval)),
        ("chain.unready_after_ms", millis(chain.unready_after)),
        ("chain.timeout_ms", millis(chain.timeout)),
        ("chain.retry_attempts_max", number(chain.retry_attempts_max.into())),
        ("chain.retry_delay_ms", millis(chain.retry_delay)),
        ("chain.retry_delay_max_ms", millis(chain.retry_delay_max)),
        ("chain.breaker_failure_percent", number(chain.breaker_failure_percent.into())),
        ("chain.breaker_calls_min", number(chain.breaker_calls_min.into())),
        ("chain.breaker_open_ms", millis(chain.breaker_open)),
        ("chain.confirmations", number(chain.confirmations.to_u32().into())),
    ]
}

/// Those of `[net]`.
fn of_net(net: &NetConfig) -> [(&'static str, Option<Value>); 10] {
    [
        ("net.peers_max", number(net.peers_max.into())),
        ("net.queue_bytes_max", number(net.queue_bytes_max.into())),
        ("net.reconnect_ms", millis(net.reconnect)),
        ("net.reconnect_ms_max", millis(net.reconnect_max)),
        ("net.dials_max", number(net.dials_max.into())),
        ("net.handshakes_max", number(net.handshakes_max.into())),
        ("net.host_dials_per_second", number(net.host_dials_per_second.into())),
        ("net.host_dials_burst", number(net.host_dials_burst.into())),
        ("net.peer_bytes_per_second", number(net.peer_bytes_per_second.into())),
        ("net.peer_frames_per_second", number(net.peer_frames_per_second.into())),
    ]
}

fn millis(span: std::time::Duration) -> Option<Value> {
    number(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn number(value: u64) -> Option<Value> {
    // Bounds keep every setting far below this.
    Some(Value::from(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn policy(policy: &ContractPolicy) -> Value {
    match policy {
        ContractPolicy::Added => Value::from("added"),
        ContractPolicy::Listed(hashes) => {
            Value::Array(hashes.iter().map(|hash| Value::from(hash.to_string())).collect())
        }
    }
}

/// The effective settings as TOML that `load` takes again, with the source of each.
pub(crate) fn dump(config: &Config, layers: &Layers) -> String {
    let mut text = String::new();
    let mut section = "";
    for (key, value) in effective(config) {
        let (within, name) = key.split_once('.').unwrap_or(("", key));
        if within != section {
            section = within;
            writeln!(text, "\n[{section}]").expect("writing to a string");
        }
        let source = layers.source(key);
        match value {
            Some(value) => writeln!(text, "{name} = {value} # {source}"),
            None => writeln!(text, "# {name} is not set"),
        }
        .expect("writing to a string");
    }
    text
}

/// Keys whose effective values differ.
pub(crate) fn changed_keys(old: &Config, new: &Config) -> Vec<&'static str> {
    let pairs = effective(old).into_iter().zip(effective(new));
    pairs.filter(|((_, old), (_, new))| old != new).map(|((key, _), _)| key).collect()
}

/// The effective settings as JSON: each key with its value, `null` if it is not set, and its source.
pub(crate) fn json(config: &Config, layers: &Layers) -> serde_json::Value {
    let settings = effective(config).into_iter().map(|(key, value)| {
        let source = layers.source(key).to_string();
        (key.to_owned(), serde_json::json!({ "value": value, "source": source }))
    });
    serde_json::Value::Object(settings.collect())
}

/// An effective setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The key: `channel.delay_blocks`.
    pub key: &'static str,
    /// Its value; `None` if it is not set and has no default.
    pub value: Option<Value>,
    /// Where it came from.
    pub source: Source,
}

/// The effective settings, each with its source.
pub(crate) fn with_sources(config: &Config, layers: &Layers) -> Vec<Effective> {
    let settings = effective(config).into_iter();
    settings.map(|(key, value)| Effective { key, value, source: layers.source(key) }).collect()
}

/// The effective settings that are numbers or switches.
pub(crate) fn gauges(config: &Config) -> Vec<(&'static str, f64)> {
    let as_number = |value: Value| match value {
        Value::Integer(number) => number.to_string().parse().ok(),
        Value::Boolean(on) => Some(f64::from(u8::from(on))),
        Value::String(_)
        | Value::Float(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    };
    effective(config)
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.and_then(as_number)?)))
        .collect()
}

/// The effective settings that are one word out of few: they may be labels.
pub(crate) fn words(config: &Config) -> [(&'static str, &str); 2] {
    [("log_level", &config.log_level), ("chain.network", config.chain.network.as_str())]
}

#[cfg(test)]
pub(crate) fn effective_keys(config: &Config) -> Vec<&'static str> {
    effective(config).into_iter().map(|(key, _)| key).collect()
}
