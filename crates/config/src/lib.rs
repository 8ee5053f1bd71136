//! The node's configuration: default < file < environment < flag, one typed value at the end.
//!
//! [`load`] lays the layers over one another, remembers where each value came from, refuses unknown keys with the nearest
//! known one, and turns the rest into a [`Config`] whose every value is in bounds. Nobody deeper checks again.
//! The binary calls it, nobody else. What each setting means, its default and its bounds stand in `raw`, beside its field;
//! [`Section`] tells them, and `docs/settings.md` is made from that.
//!
//! **Invariant:** no secret is a value here: the token, the seed and the chain's password lie in files of their own.

mod checked;
mod error;
mod keys;
mod layers;
mod nearest;
mod network;
mod raw;
mod section;
mod shape;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};

pub use checked::{
    ApiConfig, ChainConfig, ChannelConfig, Config, ContractPolicy, ContractsConfig, LocksConfig,
    NetConfig, ShipConfig, StoreConfig, TelemetryConfig, TlsConfig, WalletConfig,
};
pub use error::{ConfigError, Problem, Problems};
pub use keys::{Key, Section};
pub use layers::{Change, NewValue, Setting, Source};
pub use network::Network;
pub use shown::Effective;

use layers::Layers;

/// A configuration, and where its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// `STRAIT_…` variables that name no setting and resemble none, to be told to the operator.
    pub ignored_variables: Vec<String>,
    layers: Layers,
}

impl Loaded {
    /// The effective settings as TOML, each with a comment that says where it came from.
    #[must_use]
    pub fn dump(&self) -> String {
        shown::dump(&self.config, &self.layers)
    }

    /// The effective settings as JSON: by key, each with its value and where it came from.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        shown::json(&self.config, &self.layers)
    }

    /// The effective settings in the order of the documentation.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        shown::with_sources(&self.config, &self.layers)
    }

    /// The same configuration with some keys changed, checked as a whole, as if they had stood in the file.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem of every key at once.
    pub fn changed(&self, changes: &[Change]) -> Result<Self, ConfigError> {
        let mut layers = self.layers.clone();
        layers.add_requests(changes);
        Self::check(layers, Vec::new())
    }

    /// The same configuration with what another one says about some keys, checked as a whole.
    ///
    /// # Errors
    /// [`ConfigError`] if the two do not go together.
    pub fn with_keys_of(&self, other: &Self, keys: &[&str]) -> Result<Self, ConfigError> {
        let mut layers = self.layers.clone();
        layers.take_over(keys, &other.layers);
        Self::check(layers, Vec::new())
    }

    /// Makes one configuration of layers that were laid down.
    fn check(layers: Layers, ignored_variables: Vec<String>) -> Result<Self, ConfigError> {
        match Config::try_from(layers.to_raw()) {
            Ok(config) if layers.is_clean() => Ok(Self { config, ignored_variables, layers }),
            Ok(_) => Err(ConfigError::Problems(layers.all_problems(Problems::default()))),
            Err(found) => Err(ConfigError::Problems(layers.all_problems(found))),
        }
    }

    /// Where the value of a key came from.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        self.layers.source(key)
    }
}

/// Loads the configuration from a file, the environment's variables and flags.
///
/// # Errors
/// [`ConfigError`] if the file cannot be read or parsed, or with every problem of every key at once.
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    flags: &[Setting],
) -> Result<Loaded, ConfigError> {
    let read = |path: &Path| match fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    };
    from_texts(file.map(read).transpose()?, variables, flags)
}

/// Does what [`load`] does with the text of a file that was read already; the path is for messages.
///
/// # Errors
/// [`ConfigError`] as [`load`], without those of reading.
pub fn from_texts(
    file: Option<(PathBuf, String)>,
    variables: impl IntoIterator<Item = (String, String)>,
    flags: &[Setting],
) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    if let Some((path, text)) = file {
        layers.add_file(path, &text)?;
    }
    let ignored_variables = layers.add_variables(variables);
    layers.add_flags(flags);
    Loaded::check(layers, ignored_variables)
}

#[cfg(test)]
mod tests;
