//! Every key there is, in the order of the documentation.

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number, not negative.
    Number,
    /// `true` or `false`.
    Switch,
    /// Text, or a list of texts; separated by commas in a variable or flag.
    List,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// Its full name: `channel.delay_blocks`.
    pub(crate) path: &'static str,
    /// What it takes.
    pub(crate) kind: Kind,
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

/// All keys. A test holds this equal to the fields of `RawConfig`.
pub(crate) const KEYS: &[Key] = &[
    key("rpc_url", Kind::Text),
    key("p2p_listen", Kind::List),
    key("data_dir", Kind::Text),
    key("log_level", Kind::Text),
    key("metrics_port", Kind::Number),
    key("api.listen", Kind::Text),
    key("api.token_file", Kind::Text),
    key("api.audit_file", Kind::Text),
    key("api.allow_remote_without_tls", Kind::Switch),
    key("api.tls_certificate_file", Kind::Text),
    key("api.tls_key_file", Kind::Text),
    key("api.tls_client_ca_file", Kind::Text),
    key("api.answer_within_ms", Kind::Number),
    key("api.rate_per_second", Kind::Number),
    key("api.burst", Kind::Number),
    key("api.refused_per_second", Kind::Number),
    key("chain.network", Kind::Text),
    key("chain.cookie_file", Kind::Text),
    key("chain.poll_interval_ms", Kind::Number),
    key("chain.unready_after_ms", Kind::Number),
    key("chain.timeout_ms", Kind::Number),
    key("chain.retry_attempts_max", Kind::Number),
    key("chain.retry_delay_ms", Kind::Number),
    key("chain.retry_delay_max_ms", Kind::Number),
    key("chain.breaker_failure_percent", Kind::Number),
    key("chain.breaker_calls_min", Kind::Number),
    key("chain.breaker_open_ms", Kind::Number),
    key("chain.confirmations", Kind::Number),
    key("channel.delay_blocks", Kind::Number),
    key("channel.confirmations", Kind::Number),
    key("channel.accept_inbound", Kind::Switch),
    key("channel.accept_without_reserve", Kind::Switch),
    key("channel.capacity_sat_min", Kind::Number),
    key("channel.capacity_sat_max", Kind::Number),
    key("channel.channels_max", Kind::Number),
    key("channel.channels_per_peer_max", Kind::Number),
    key("channel.unfunded_max", Kind::Number),
    key("channel.fee_reserve_per_channel_sat", Kind::Number),
    key("locks.per_channel_max", Kind::Number),
    key("locks.amount_sat_min", Kind::Number),
    key("locks.per_peer_max", Kind::Number),
    key("locks.value_per_peer_sat_max", Kind::Number),
    key("locks.dust_per_peer_sat_max", Kind::Number),
    key("locks.margin_blocks", Kind::Number),
    key("locks.lead_blocks_max", Kind::Number),
    key("locks.forward", Kind::Switch),
    key("locks.fee_base_msat", Kind::Number),
    key("locks.fee_millionths", Kind::Number),
    key("contracts.allow", Kind::List),
    key("contracts.collateral_sat_max", Kind::Number),
    key("wallet.seed_file", Kind::Text),
    key("wallet.seed_passphrase_file", Kind::Text),
    key("wallet.fee_rate_fallback_sat_per_kvb", Kind::Number),
    key("wallet.fee_rate_sat_per_kvb_max", Kind::Number),
    key("net.peers_max", Kind::Number),
    key("net.queue_bytes_max", Kind::Number),
    key("net.reconnect_ms", Kind::Number),
    key("net.reconnect_ms_max", Kind::Number),
    key("net.dials_max", Kind::Number),
    key("net.handshakes_max", Kind::Number),
    key("net.host_dials_per_second", Kind::Number),
    key("net.host_dials_burst", Kind::Number),
    key("net.peer_bytes_per_second", Kind::Number),
    key("net.peer_frames_per_second", Kind::Number),
    key("store.snapshot_every_events", Kind::Number),
    key("store.history_bytes_max", Kind::Number),
    key("store.free_bytes_min", Kind::Number),
    key("ship.folder", Kind::Text),
    key("ship.every_ms", Kind::Number),
    key("ship.recipients", Kind::List),
    key("metrics.address", Kind::Text),
    key("telemetry.otlp_endpoint", Kind::Text),
    key("telemetry.trace_sample_permille", Kind::Number),
];

/// Finds a key by its full name.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The variable that sets a key: `STRAIT_CHANNEL__DELAY_BLOCKS`.
pub(crate) fn variable(path: &str) -> String {
    format!("STRAIT_{}", path.replace('.', "__").to_ascii_uppercase())
}
