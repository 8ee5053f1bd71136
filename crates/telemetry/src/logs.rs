//! Logs: standard error for whoever watches, a file per day under `data_dir/logs` for whoever comes later.
//!
//! Two weeks of files are kept, each within a budget. The newest is always found as `data_dir/logs/node.log`. The file is written by a thread of its own, so that a
//! slow disk does not hold the node up; what is still queued is written when [`Logs`] is dropped.

use core::fmt;
use core::str::FromStr;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;
use tracing::Dispatch;
use tracing::dispatcher::{SetGlobalDefaultError, set_global_default};
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::{Layer, Registry, fmt as layer, reload};

use crate::log_budget::Budgeted;
use crate::traces::{Taker, Traces};

/// Folder of the log files in the data directory.
const FOLDER: &str = "logs";
/// The other name of the newest file.
const LATEST: &str = "node.log";
/// Days kept: two weeks, so that a fault reported after a holiday can still be looked into.
const FILES_KEPT: usize = 14;
/// Bytes of one day: a node at `info` writes a few megabytes, and all days together leave the disk to the event log.
const DAY_BYTES_MAX: u64 = 128 << 20;

/// What is logged: a level, or levels by module, as in `info` or `warn,strait_net=debug`.
///
/// Stricter than the filter it becomes: a misspelt level is refused where `tracing` would take it for a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    text: String,
}

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogFilterError {
    /// A part without `=` must be a level.
    #[error("`{part}` is not a level: use off, error, warn, info, debug or trace")]
    Level {
        /// The part as given.
        part: String,
    },
    /// The left side of `=` must be a module path.
    #[error("`{part}` does not name a module: use letters, digits, `_` and `::`")]
    Module {
        /// The part as given.
        part: String,
    },
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (module, level) = part.split_once('=').unzip();
            let level = level.unwrap_or(part);
            // `LevelFilter` also reads numbers; one spelling is enough.
            if level.is_empty() || !level.chars().all(|c| c.is_ascii_alphabetic()) {
                return Err(LogFilterError::Level { part: part.to_owned() });
            }
            if level.parse::<LevelFilter>().is_err() {
                return Err(LogFilterError::Level { part: part.to_owned() });
            }
            let names_module = |name: &str| {
                !name.is_empty()
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            };
            if module.is_some_and(|name| !names_module(name)) {
                return Err(LogFilterError::Module { part: part.to_owned() });
            }
            parts.push(part);
        }
        Ok(Self { text: parts.join(",") })
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl LogFilter {
    /// The same filter as `tracing` has it.
    fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.text)
    }
}

/// Why logs could not be started or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The folder cannot be made.
    #[error("logs cannot be written to {path}")]
    Directory {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file in it cannot be made.
    #[error("logs cannot be written to {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: InitError,
    },
    /// Something else in this process already takes the logs.
    #[error("logs were already started in this process")]
    AlreadyStarted {
        /// Why.
        #[source]
        source: SetGlobalDefaultError,
    },
    /// The logs have ended, so their level cannot change.
    #[error("the logs have ended")]
    Ended,
}

/// Running logs; dropping them writes out what is queued.
#[derive(Debug)]
#[must_use = "dropping the logs ends the file"]
pub struct Logs {
    level: LogLevelHandle,
    /// Sends what waits when dropped.
    _traces: Traces,
    /// Writes out the queue when dropped.
    _file: WorkerGuard,
}

impl Logs {
    /// Starts logging, and taking traces, for the whole process.
    ///
    /// # Errors
    /// [`LogError::Directory`] or [`LogError::Folder`] if the file cannot be made, [`LogError::AlreadyStarted`] at the second call.
    pub fn start(data_dir: &Path, filter: &LogFilter, traces: Traces) -> Result<Self, LogError> {
        let (file, guard) = open_file(data_dir)?;
        let (subscriber, level) = subscriber(filter, file, traces.taker());
        set_global_default(subscriber).map_err(|source| LogError::AlreadyStarted { source })?;
        Ok(Self { level, _traces: traces, _file: guard })
    }

    /// A handle that changes what is logged while the node runs.
    #[must_use]
    pub fn level(&self) -> LogLevelHandle {
        self.level.clone()
    }
}

/// What stands below the logs: traces have a filter of their own.
type Base = Layered<Taker, Registry>;

/// Changes what is logged while the node runs. Clones change the same logs.
#[derive(Clone)]
pub struct LogLevelHandle {
    filter: reload::Handle<EnvFilter, Base>,
}

impl fmt::Debug for LogLevelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogLevelHandle")
    }
}

impl LogLevelHandle {
    /// Logs by this filter from now on.
    ///
    /// # Errors
    /// [`LogError::Ended`] if the logs are gone.
    pub fn change(&self, filter: &LogFilter) -> Result<(), LogError> {
        self.filter.reload(filter.to_env_filter()).map_err(|_| LogError::Ended)
    }
}

/// Opens the file of the day, with `node.log` as its other name.
fn open_file(data_dir: &Path) -> Result<(NonBlocking, WorkerGuard), LogError> {
    let path = data_dir.join(FOLDER);
    // The appender would make it too, but first complain on standard error that it cannot look for old files in it.
    fs::create_dir_all(&path)
        .map_err(|source| LogError::Directory { path: path.clone(), source })?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("node")
        .filename_suffix("log")
        .latest_symlink(LATEST)
        .max_log_files(FILES_KEPT)
        .build(&path)
        .map_err(|source| LogError::Folder { path: path.clone(), source })?;
    // The file of today may have been begun by an earlier run.
    let written_bytes = fs::metadata(path.join(LATEST)).map_or(0, |metadata| metadata.len());
    let file = Budgeted::new(file, seconds, DAY_BYTES_MAX, written_bytes);
    Ok(tracing_appender::non_blocking(file))
}

/// Seconds since 1970, for the change of the day.
fn seconds() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "files change with the calendar, as do their budgets"
    )]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs()
}

/// Puts filter, standard error and file together.
fn subscriber(filter: &LogFilter, file: NonBlocking, traces: Taker) -> (Dispatch, LogLevelHandle) {
    let (filter, handle) = reload::Layer::new(filter.to_env_filter());
    let to_terminal = layer::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let to_file = layer::layer().with_writer(file).with_ansi(false);
    let logs = to_terminal.and_then(to_file).with_filter(filter);
    let subscriber = Registry::default().with(traces).with(logs);
    (Dispatch::new(subscriber), LogLevelHandle { filter: handle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let parsed = text.parse::<LogFilter>();
        let told = parsed.map(|filter| filter.to_string()).map_err(|error| error.to_string());
        assert_eq!(told.as_deref().map_err(String::as_str), expect, "{text:?}");
    }

    #[test]
    fn filters_are_levels_by_module_and_misspelt_ones_are_refused() {
        check("info", Ok("info"));
        check("WARN", Ok("WARN"));
        check("off", Ok("off"));
        check(
            "warn, strait_net=debug,libp2p_swarm::handler=error",
            Ok("warn,strait_net=debug,libp2p_swarm::handler=error"),
        );
        let levels = "use off, error, warn, info, debug or trace";
        check("loud", Err(&format!("`loud` is not a level: {levels}")));
        check("", Err(&format!("`` is not a level: {levels}")));
        check("3", Err(&format!("`3` is not a level: {levels}")));
        check("info,net=", Err(&format!("`net=` is not a level: {levels}")));
        let module = "does not name a module: use letters, digits, `_` and `::`";
        check("=info", Err(&format!("`=info` {module}")));
        check("a b=info", Err(&format!("`a b=info` {module}")));
    }

    #[test]
    fn what_is_logged_reaches_the_file_and_its_level_changes_while_running() {
        let directory = tempfile::TempDir::new().unwrap();
        let (file, guard) = open_file(directory.path()).unwrap();
        let (subscriber, level) = subscriber(&"info".parse().unwrap(), file, None);
        tracing::dispatcher::with_default(&subscriber, || {
            tracing::info!(channel = 7, "first told");
            tracing::debug!("too fine");
            level.change(&"debug".parse().unwrap()).unwrap();
            tracing::debug!("now told");
            level.change(&"error".parse().unwrap()).unwrap();
            tracing::info!("no longer told");
        });
        drop(guard);
        drop(subscriber);
        let text = fs::read_to_string(directory.path().join("logs/node.log")).unwrap();
        let told: Vec<bool> =
            ["first told", "channel=7", "too fine", "now told", "no longer told", "\u{1b}["]
                .map(|part| text.contains(part))
                .into();
        assert_eq!(told, [true, true, false, true, false, false], "{text}");
        assert!(matches!(level.change(&"info".parse().unwrap()), Err(LogError::Ended)));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Logs::start(&file, &"info".parse().unwrap(), Traces::default()).unwrap_err();
        assert!(error.to_string().ends_with("file/logs"), "{error}");
    }
}
