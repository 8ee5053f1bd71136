//! What changes while the node runs: the table of its parts that take new settings.
//!
//! To make a key live, give [`Handles`] what changes the part it belongs to, and [`PARTS`] a row: the keys, and how the part
//! takes a configuration. Checks, `SIGHUP`, the REST interface, the command line and the gauges follow from the table.

use std::sync::Arc;

use strait_api::{AuditError, AuditLog, Tls, TlsError};
use strait_telemetry::{LogError, LogFilter, LogFilterError, LogLevelHandle, Sampler};
use thiserror::Error;

use crate::config::Config;
use crate::production::policies::Policies;

/// What changes the running parts.
#[derive(Debug)]
pub(crate) struct Handles {
    /// The logs.
    pub(crate) logs: LogLevelHandle,
    /// The policies that guard calls.
    pub(crate) policies: Policies,
    /// What says which requests and rounds are traced.
    pub(crate) sampler: Arc<Sampler>,
    /// The audit log.
    pub(crate) audit: AuditLog,
    /// TLS of the interface, if it speaks it.
    pub(crate) tls: Option<Tls>,
}

/// Why a part did not take its new settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The log level is no filter.
    #[error("log_level is wrong")]
    LogLevel(#[source] LogFilterError),
    /// The logs take no other level.
    #[error("the log level cannot be changed")]
    Logs(#[source] LogError),
    /// The audit log cannot be opened.
    #[error("the audit log stays where it was")]
    Audit(#[source] AuditError),
    /// A new certificate is wrong.
    #[error("the old certificate stays")]
    Tls(#[source] TlsError),
    /// A server that speaks TLS does not stop to, or the other way round.
    #[error("TLS is turned on and off by a restart")]
    TlsRestart,
}

/// A part of the node that takes new settings while it runs.
#[derive(Debug)]
pub(super) struct Part {
    /// Its keys. They change together.
    pub(super) keys: &'static [&'static str],
    /// When it takes them.
    pub(super) renewal: Renewal,
    /// Lets it take them. The configuration is checked; a part that fails keeps what it has.
    pub(super) apply: fn(&Handles, &Config) -> Result<(), ApplyError>,
}

/// What it takes to change a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangesBy {
    /// A request, or the configuration file and `SIGHUP`.
    Request,
    /// The configuration file and `SIGHUP`.
    Hangup,
    /// The configuration file and a restart.
    Restart,
}

impl Part {
    /// What it takes to change the part's keys in this node.
    pub(super) const fn changes_by(&self, handles: &Handles) -> ChangesBy {
        match self.renewal {
            Renewal::OnChange => ChangesBy::Request,
            Renewal::OnHangup => ChangesBy::Hangup,
            Renewal::OfTls if handles.tls.is_some() => ChangesBy::Hangup,
            Renewal::OfTls => ChangesBy::Restart,
        }
    }
}

/// When a part takes its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// When one of them has changed.
    OnChange,
    /// At every `SIGHUP`: they name files, whose content may have changed. Whoever may only ask could turn the audit log away,
    /// or at the log itself.
    OnHangup,
    /// The same, if the node speaks TLS; one that does not takes a restart to begin.
    OfTls,
}

impl Renewal {
    /// True if there may be something new at every `SIGHUP`.
    pub(super) const fn is_of_files(self) -> bool {
        match self {
            Self::OnChange => false,
            Self::OnHangup | Self::OfTls => true,
        }
    }
}

/// All of them.
pub(super) const PARTS: &[Part] = &[
    Part { keys: &["log_level"], renewal: Renewal::OnChange, apply: change_log_level },
    Part {
        keys: &["telemetry.trace_sample_permille"],
        renewal: Renewal::OnChange,
        apply: change_sampling,
    },
    Part { keys: CHAIN_POLICIES, renewal: Renewal::OnChange, apply: tune_chain },
    Part { keys: API_POLICIES, renewal: Renewal::OnChange, apply: tune_api },
    Part { keys: PEER_POLICIES, renewal: Renewal::OnChange, apply: tune_peers },
    Part { keys: &["api.audit_file"], renewal: Renewal::OnHangup, apply: reopen_audit },
    Part {
        keys: &["api.tls_certificate_file", "api.tls_key_file", "api.tls_client_ca_file"],
        renewal: Renewal::OfTls,
        apply: renew_tls,
    },
];

/// How patient the node is with the chain's source.
const CHAIN_POLICIES: &[&str] = &[
    "chain.timeout_ms",
    "chain.retry_attempts_max",
    "chain.retry_delay_ms",
    "chain.retry_delay_max_ms",
    "chain.breaker_failure_percent",
    "chain.breaker_calls_min",
    "chain.breaker_open_ms",
];

/// How much each client may ask of the REST interface.
const API_POLICIES: &[&str] = &["api.rate_per_second", "api.burst", "api.refused_per_second"];

/// How much each peer may ask of this node, and how patiently it is dialled.
const PEER_POLICIES: &[&str] = &[
    "net.reconnect_ms",
    "net.reconnect_ms_max",
    "net.dials_max",
    "net.handshakes_max",
    "net.host_dials_per_second",
    "net.host_dials_burst",
    "net.peer_bytes_per_second",
    "net.peer_frames_per_second",
];

/// The part that a key belongs to, if the key is live.
pub(super) fn part_of(key: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.keys.contains(&key))
}

/// Every key that changes on request.
pub(super) fn asked_keys() -> Vec<&'static str> {
    let asked = PARTS.iter().filter(|part| part.renewal == Renewal::OnChange);
    asked.flat_map(|part| part.keys.iter().copied()).collect()
}

/// Every key that names files.
pub(super) fn hangup_keys() -> Vec<&'static str> {
    let of_files = PARTS.iter().filter(|part| part.renewal.is_of_files());
    of_files.flat_map(|part| part.keys.iter().copied()).collect()
}

/// Every live key of this node.
pub(super) fn live_keys(handles: &Handles) -> Vec<&'static str> {
    let live = PARTS.iter().filter(|part| part.changes_by(handles) != ChangesBy::Restart);
    live.flat_map(|part| part.keys.iter().copied()).collect()
}

fn change_log_level(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    let filter: LogFilter = config.log_level.parse().map_err(ApplyError::LogLevel)?;
    handles.logs.change(&filter).map_err(ApplyError::Logs)
}

fn tune_chain(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    handles.policies.tune_chain(config);
    Ok(())
}

fn tune_api(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    handles.policies.tune_api(config);
    Ok(())
}

fn tune_peers(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    handles.policies.tune_peers(config);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "other parts may fail")]
fn change_sampling(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    handles.sampler.change(config.telemetry.trace_sample_permille);
    Ok(())
}

fn reopen_audit(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    handles.audit.reopen(&config.api.audit_file).map_err(ApplyError::Audit)
}

fn renew_tls(handles: &Handles, config: &Config) -> Result<(), ApplyError> {
    match (&handles.tls, &config.api.tls) {
        (Some(tls), Some(files)) => {
            tls.renew(&crate::production::tls_files(files)).map_err(ApplyError::Tls)
        }
        (None, None) => Ok(()),
        (Some(_), None) | (None, Some(_)) => Err(ApplyError::TlsRestart),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config;

    #[test]
    fn every_key_of_a_part_is_a_setting_and_of_no_other_part() {
        let least =
            "rpc_url = \"http://127.0.0.1:1\"\ndata_dir = \"/d\"\nchain.network = \"regtest\"";
        let file = Some(("node.toml".into(), least.to_owned()));
        let loaded = config::from_texts(file, [], &[]).unwrap();
        let known: BTreeSet<&str> = loaded.effective().iter().map(|setting| setting.key).collect();
        let live: Vec<&str> = PARTS.iter().flat_map(|part| part.keys.iter().copied()).collect();
        let once: BTreeSet<&str> = live.iter().copied().collect();
        assert_eq!(once.len(), live.len(), "twice: {live:?}");
        assert!(once.is_subset(&known), "{live:?}");
    }
}
