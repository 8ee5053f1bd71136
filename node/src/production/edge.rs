//! What stands between the node and whoever looks at it: logs, health, and the interface with its TLS and its audit log.

use std::sync::Arc;

use strait_api::{AuditLog, HealthServer, Listen, Tls, TlsFiles};
use strait_telemetry::{Health, LogFilter, Logs, Metrics, Sampler, Traces};

use super::policies::Policies;
use super::servers::Servers;
use super::{HEALTH, InitError, jitter_seed, now, vitals};
use crate::config::{Config, Loaded, TlsConfig};
use crate::live::Handles;

/// What callers meet, opened.
pub(super) struct Edge {
    /// What guards calls.
    pub(super) policies: Policies,
    /// What says which requests are traced.
    pub(super) sampler: Arc<Sampler>,
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
        Ok(Self {
            policies: Policies::new(config, jitter_seed()?),
            sampler: Arc::new(Sampler::new(config.telemetry.trace_sample_permille)),
            audit,
            tls: tls.transpose().map_err(InitError::Tls)?,
        })
    }

    /// What changes running parts.
    pub(super) fn handles(&self, logs: &Logs) -> Handles {
        Handles {
            logs: logs.level(),
            policies: self.policies.clone(),
            sampler: Arc::clone(&self.sampler),
            audit: self.audit.clone(),
            tls: self.tls.clone(),
        }
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

/// Opens the logs and the way of traces, and names in the logs the variables that are no setting.
pub(super) fn open_logs(loaded: &Loaded, metrics: &Arc<Metrics>) -> Result<Logs, InitError> {
    let config = &loaded.config;
    let filter: LogFilter = config.log_level.parse().map_err(InitError::LogLevel)?;
    let endpoint = config.telemetry.otlp_endpoint.as_deref();
    let traces = Traces::to(endpoint, metrics).map_err(InitError::Traces)?;
    let logs = Logs::start(&config.data_dir, &filter, traces).map_err(InitError::Logs)?;
    for variable in &loaded.ignored_variables {
        tracing::warn!(variable, "names no setting and is ignored");
    }
    Ok(logs)
}

/// What the interface needs to know.
pub(super) fn api_options(
    config: &Config,
    edge: Edge,
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
    options.admission = Arc::clone(&edge.policies.api);
    options.sampler = edge.sampler;
    Ok(options)
}
