//! What is wrong with a configuration: key, value, where it came from, what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::Source;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("configuration file {} is not TOML", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it does not parse.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Keys or values are wrong.
    #[error("{0}")]
    Problems(Problems),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key: `channel.delay_blocks`.
    pub key: String,
    /// The value as it was given; `None` if there is none, or if it must not be shown.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// What would be right.
    pub right: String,
}

/// Everything that is wrong, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, source, right } = self;
        match value {
            Some(value) => write!(f, "{key} = {value} ({source}): {right}"),
            None => write!(f, "{key} ({source}): {right}"),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|problem| write!(f, "\n{problem}"))
    }
}
