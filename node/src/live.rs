//! Settings that change while the node runs: by `SIGHUP`, and by a request to the REST interface.
//!
//! `production` makes one [`LiveSettings`] for its node; `run_node` calls it for every SIGHUP, the API for every request.
//! Which keys are live, how each is applied, and which of them by `SIGHUP` alone, is the table in `parts.rs`; every other key
//! takes a restart, and is named.
//!
//! What a request sets holds until the next start, or until the node reads its configuration again and finds for that key
//! another value there than the last time: then the operator has changed their mind in the file. Both ways end in the
//! same checks as the start, and a configuration that is wrong changes nothing.

mod parts;

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strait_telemetry::Metrics;
use thiserror::Error;

pub use self::parts::ApplyError;
pub use self::parts::ChangesBy;
pub(crate) use self::parts::Handles;
use self::parts::{PARTS, Part, asked_keys, hangup_keys, live_keys, part_of};
use crate::config::{Change, ConfigError, Effective, Loaded, Source};

/// What the node runs with, and what changes it.
#[derive(Debug)]
pub struct LiveSettings {
    handles: Handles,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What file, environment and flags said when they were read last.
    configured: Loaded,
    /// What the node runs with.
    running: Loaded,
}

/// What reading the configuration again did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys that have another value from now on.
    pub changed: Vec<&'static str>,
    /// Keys that differ from what the node runs with and take a restart.
    pub restart: Vec<&'static str>,
}

/// Why nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The configuration would be wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// Keys that no request changes.
    #[error("{}", because(by_hangup, by_restart))]
    NotByRequest {
        /// Those that change by the configuration file and `SIGHUP`.
        by_hangup: Vec<String>,
        /// Those that take a restart.
        by_restart: Vec<String>,
    },
    /// A part of the node did not take its new settings.
    #[error("{} cannot be changed", keys.join(", "))]
    Apply {
        /// The part's keys.
        keys: &'static [&'static str],
        /// Why.
        #[source]
        source: ApplyError,
    },
}

impl LiveSettings {
    /// A node runs with this configuration.
    pub(crate) fn new(loaded: Loaded, handles: Handles, metrics: Arc<Metrics>) -> Self {
        let state = State { configured: loaded.clone(), running: loaded };
        let settings = Self { handles, metrics, state: Mutex::new(state) };
        settings.tell(&settings.lock().running);
        settings
    }

    /// Every setting as the node runs with it, in the order of the documentation.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        self.lock().running.effective()
    }

    /// What it takes to change a key of this node.
    #[must_use]
    pub fn changes_by(&self, key: &str) -> ChangesBy {
        part_of(key).map_or(ChangesBy::Restart, |part| part.changes_by(&self.handles))
    }

    /// Every key that changes on request.
    #[must_use]
    pub fn asked_keys() -> Vec<&'static str> {
        asked_keys()
    }

    /// Every key that changes by the configuration file and `SIGHUP` alone; those of TLS in a node that speaks it.
    #[must_use]
    pub fn hangup_keys() -> Vec<&'static str> {
        hangup_keys()
    }

    /// Changes settings, all or none, and gives back what the node runs with then.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn change(&self, changes: &[Change]) -> Result<Vec<Effective>, ChangeError> {
        let mut state = self.lock();
        let next = state.running.changed(changes)?;
        self.check_request(changes)?;
        let changed = self.take(&mut state, next)?;
        if !changed.is_empty() {
            tracing::warn!(keys = %changed.join(", "), "settings changed on request");
        }
        Ok(state.running.effective())
    }

    /// Refuses keys that no request changes.
    fn check_request(&self, changes: &[Change]) -> Result<(), ChangeError> {
        let keys: BTreeSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        let those_by = |way: ChangesBy| {
            let keys = keys.iter().filter(|key| self.changes_by(key) == way);
            keys.map(|key| (*key).to_owned()).collect::<Vec<_>>()
        };
        let (by_hangup, by_restart) = (those_by(ChangesBy::Hangup), those_by(ChangesBy::Restart));
        if by_hangup.is_empty() && by_restart.is_empty() {
            return Ok(());
        }
        Err(ChangeError::NotByRequest { by_hangup, by_restart })
    }

    /// Takes what file, environment and flags say now, as far as it changes while the node runs.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has changed then.
    pub fn reload(&self, next: Loaded) -> Result<Reloaded, ChangeError> {
        let mut state = self.lock();
        let target = with_requests(&state, &next);
        let restart = state.running.config.changed_keys(&target.config);
        let is_fixed = |key: &&str| self.changes_by(key) == ChangesBy::Restart;
        let restart = restart.into_iter().filter(is_fixed).collect();
        let mixed = state.running.with_keys_of(&target, &live_keys(&self.handles))?;
        let changed = self.take(&mut state, mixed)?;
        state.configured = next;
        Ok(Reloaded { changed, restart })
    }

    /// As [`LiveSettings::reload`], and lets parts read their files again; tells the log what was done.
    pub fn handle_hangup(&self, next: Result<Loaded, ConfigError>) {
        match next.map_err(ChangeError::from).and_then(|next| self.reload(next)) {
            Ok(Reloaded { changed, restart }) => {
                tracing::info!("configuration read again");
                if !changed.is_empty() {
                    tracing::warn!(settings = %self.words_of(&changed), "settings changed");
                }
                if !restart.is_empty() {
                    tracing::warn!(keys = %restart.join(", "), "changed settings that take a restart");
                }
            }
            Err(error) => {
                let cause = causes(&error);
                tracing::error!(%error, %cause, "configuration not reloaded, the old one stays");
            }
        }
        let state = self.lock();
        for part in PARTS.iter().filter(|part| part.renewal.is_of_files()) {
            if let Err(error) = (part.apply)(&self.handles, &state.running.config) {
                let cause = causes(&error);
                tracing::error!(%error, %cause, "files not read again, the old content stays");
            }
        }
    }

    /// Lets every part whose settings changed take them, all or none; gives back what changed.
    fn take(&self, state: &mut State, next: Loaded) -> Result<Vec<&'static str>, ChangeError> {
        let changed = state.running.config.changed_keys(&next.config);
        let concerned = |part: &&Part| part.keys.iter().any(|key| changed.contains(key));
        let mut taken = Vec::new();
        for part in PARTS.iter().filter(concerned) {
            if let Err(source) = (part.apply)(&self.handles, &next.config) {
                for part in taken {
                    self.take_back(part, &state.running);
                }
                return Err(ChangeError::Apply { keys: part.keys, source });
            }
            taken.push(part);
        }
        self.tell(&next);
        state.running = next;
        Ok(changed)
    }

    /// Gives a part what it had before, because another one did not take what goes with it.
    fn take_back(&self, part: &Part, before: &Loaded) {
        if let Err(error) = (part.apply)(&self.handles, &before.config) {
            let cause = causes(&error);
            tracing::error!(%error, %cause, keys = ?part.keys, "a setting could not be taken back");
        }
    }

    /// Shows the effective settings in the metrics.
    fn tell(&self, running: &Loaded) {
        for (key, value) in running.config.gauges() {
            self.metrics.set_setting(key, value);
        }
        self.metrics.set_setting_words(running.config.words());
    }

    /// Keys with their values, for the log.
    fn words_of(&self, keys: &[&str]) -> String {
        let effective = self.effective().into_iter();
        let words = effective.filter(|setting| keys.contains(&setting.key)).map(|setting| {
            let value = setting.value.map(|value| value.to_string()).unwrap_or_default();
            format!("{} = {value}", setting.key)
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panicking holder leaves two configurations that were checked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was configured, with the requests over it that still hold.
fn with_requests(state: &State, next: &Loaded) -> Loaded {
    let rewritten = state.configured.config.changed_keys(&next.config);
    let requested = asked_keys()
        .into_iter()
        .filter(|key| state.running.source(key) == Source::Request && !rewritten.contains(key));
    let requested: Vec<&str> = requested.collect();
    // Where the two do not go together any more, what stands in the file goes before.
    next.with_keys_of(&state.running, &requested).unwrap_or_else(|_| next.clone())
}

/// Why a request changes none of these keys.
fn because(by_hangup: &[String], by_restart: &[String]) -> String {
    let words = |keys: &[String], what: &str| match keys {
        [] => None,
        [key] => Some(format!("{key} {what}")),
        _ => Some(format!("each of {} {what}", keys.join(", "))),
    };
    let hangup = words(by_hangup, "names a file, and changes by the configuration file and SIGHUP");
    let restart = words(by_restart, "takes a restart");
    hangup.into_iter().chain(restart).collect::<Vec<_>>().join("; ")
}

/// The causes of an error in one line. Every problem of a configuration is a line of its own; the log wants one.
fn causes(error: &dyn Error) -> String {
    let mut words = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push(cause.to_string().replace('\n', "; "));
        source = cause.source();
    }
    words.join(": ")
}
