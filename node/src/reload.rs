//! Reading the configuration again while the node runs: what SIGHUP does.
//!
//! `run_node` makes one [`Reload`] beside its node and calls it for every SIGHUP. The log level changes at once; every
//! other key that differs is named, because it takes a restart. A configuration that is wrong changes nothing.

use std::error::Error;
use std::path::PathBuf;

use strait_telemetry::{LogError, LogFilter, LogFilterError, LogLevelHandle};
use thiserror::Error;

use crate::config::{self, Config, ConfigError, Setting};

/// The one key that changes while the node runs.
const LIVE_KEY: &str = "log_level";

/// What is needed to read the configuration again.
#[derive(Debug)]
pub struct Reload {
    file: Option<PathBuf>,
    flags: Vec<Setting>,
    level: LogLevelHandle,
    /// What the node runs with.
    running: Config,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The log level from now on, if it changed.
    pub log_level: Option<String>,
    /// Keys that differ from what the node runs with and take a restart.
    pub restart: Vec<&'static str>,
}

/// Why a reload changed nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// The log level is no filter.
    #[error("log_level is wrong")]
    LogLevel(#[from] LogFilterError),
    /// The logs take no other level.
    #[error("the log level cannot be changed")]
    Logs(#[from] LogError),
}

impl Reload {
    /// A node runs with this configuration, from this file and these flags.
    #[must_use]
    pub const fn new(
        file: Option<PathBuf>,
        flags: Vec<Setting>,
        level: LogLevelHandle,
        running: Config,
    ) -> Self {
        Self { file, flags, level, running }
    }

    /// Reads the configuration again, applies what can change, and logs what was done.
    pub fn handle_hangup(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        match self.reload(variables) {
            Ok(Reloaded { log_level, restart }) => {
                tracing::info!("configuration read again");
                if let Some(level) = log_level {
                    tracing::warn!(log_level = level, "log level changed");
                }
                if !restart.is_empty() {
                    tracing::warn!(keys = %restart.join(", "), "changed settings that take a restart");
                }
            }
            Err(error) => {
                // Every problem of a configuration is a line of its own; the log wants one.
                let cause = error.source().map(ToString::to_string).unwrap_or_default();
                let cause = cause.replace('\n', "; ");
                tracing::error!(%error, %cause, "configuration not reloaded, the old one stays");
            }
        }
    }

    /// Reads the configuration again and applies what can change.
    ///
    /// # Errors
    /// [`ReloadError`] if the configuration is wrong; nothing has changed then.
    pub fn reload(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Reloaded, ReloadError> {
        let next = config::load(self.file.as_deref(), variables, &self.flags)?.config;
        let filter: LogFilter = next.log_level.parse()?;
        let changed = self.running.changed_keys(&next);
        let log_level = changed.contains(&LIVE_KEY).then(|| next.log_level.clone());
        if let Some(level) = &log_level {
            self.level.change(&filter)?;
            self.running.log_level.clone_from(level);
        }
        let restart = changed.into_iter().filter(|key| *key != LIVE_KEY).collect();
        Ok(Reloaded { log_level, restart })
    }
}
