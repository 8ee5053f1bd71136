//! What stands between the interface and its callers: TLS, and the log of what they change.

use std::sync::Arc;

use strait_api::{AuditLog, Tls, TlsFiles};
use strait_telemetry::{Logs, Sampler};

use super::{InitError, now};
use crate::config::{Config, TlsConfig};
use crate::live::Handles;

/// Both, opened.
pub(super) struct Edge {
    /// Where calls are told.
    pub(super) audit: AuditLog,
    /// With what connections are encrypted.
    pub(super) tls: Option<Tls>,
}

impl Edge {
    /// Opens what the configuration names.
    pub(super) fn open(config: &Config) -> Result<Self, InitError> {
        let audit = AuditLog::open(&config.api.audit_file, now).map_err(InitError::Audit)?;
        let tls = config.api.tls.as_ref().map(|tls| Tls::load(&tls_files(tls)));
        Ok(Self { audit, tls: tls.transpose().map_err(InitError::Tls)? })
    }

    /// What changes running parts.
    pub(super) fn handles(&self, logs: &Logs, sampler: &Arc<Sampler>) -> Handles {
        let (audit, tls) = (self.audit.clone(), self.tls.clone());
        Handles { logs: logs.level(), audit, tls, sampler: Arc::clone(sampler) }
    }
}

/// Where certificate and key lie.
pub(crate) fn tls_files(config: &TlsConfig) -> TlsFiles {
    let TlsConfig { certificate_file, key_file, client_ca_file } = config.clone();
    TlsFiles { certificate: certificate_file, key: key_file, client_ca: client_ca_file }
}
