//! What stands between the node and whoever looks at it: logs, health, and the interface with its TLS and its audit log.

use std::sync::Arc;

use strait_api::{AuditLog, HealthServer, Listen, Tls, TlsFiles};
use strait_telemetry::{Health, LogFilter, Logs, Metrics, Sampler};

use super::servers::Servers;
use super::{HEALTH, InitError, now, vitals};
use crate::config::{Config, Loaded, TlsConfig};
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

/// Serves metrics and health, and says where.
pub(super) async fn serve_health(
    servers: &mut Servers,
    address: std::net::SocketAddr,
    vitals: strait_api::Vitals,
) -> Result<std::net::SocketAddr, InitError> {
    let server = HealthServer::bind(address, vitals).await.map_err(InitError::HealthServer)?;
    let address = server.local_addr();
    servers.run(HEALTH, |stop| server.run(stop));
    Ok(address)
}

/// Opens the node's logs, and names there what is no setting.
pub(super) fn open_logs(loaded: &Loaded) -> Result<Logs, InitError> {
    let filter: LogFilter = loaded.config.log_level.parse().map_err(InitError::LogLevel)?;
    let logs = Logs::start(&loaded.config.data_dir, &filter).map_err(InitError::Logs)?;
    for variable in &loaded.ignored_variables {
        tracing::warn!(variable, "names no setting and is ignored");
    }
    Ok(logs)
}

/// What the interface needs to know.
pub(super) fn api_options(
    config: &Config,
    edge: Edge,
    sampler: &Arc<Sampler>,
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
) -> Result<strait_api::Options, InitError> {
    let listen = if config.api.tls.is_some() || config.api.allow_remote_without_tls {
        Listen::remote(config.api.listen)
    } else {
        Listen::loopback(config.api.listen).map_err(InitError::ApiServer)?
    };
    let token =
        strait_api::token::load_or_create(&config.api.token_file).map_err(InitError::Token)?;
    let mut options = strait_api::Options::new(listen, token);
    options.answer_within = config.api.answer_within;
    options.on_answer = vitals::on_answer(metrics, health);
    options.audit = Some(edge.audit);
    options.tls = edge.tls;
    options.sampler = Arc::clone(sampler);
    Ok(options)
}
