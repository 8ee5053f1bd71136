//! The manifest of a backup: a small file beside it that says what it is, for people and scripts.
//!
//! It is JSON with one field a line, so that a script reads it without a parser, and holds nothing that a backup hides but whose
//! log it is and how far it reaches.
//!
//! Format: `docs/storage-format.md`, "Manifest".

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use strait_primitives::{EventSeq, Timestamp};
use strait_store::{LogId, StateHash};
use thiserror::Error;

use crate::{durable, regular};

/// The layout that is written.
const FORMAT: u32 = 1;
/// No manifest has so many bytes.
const BYTES_MAX: u64 = 64 << 10;

/// What a backup is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SealedTo {
    /// Nothing: whoever has it reads it.
    Nobody,
    /// Public keys; their identities open it.
    Recipients,
    /// A passphrase.
    Passphrase,
}

/// What a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The node's id; `None` if no node of a version that leaves it in its folder has run there.
    pub node_id: Option<String>,
    /// Whose log it is.
    pub log_id: LogId,
    /// The network of its wallet.
    pub network: String,
    /// The last event.
    pub head: EventSeq,
    /// The first event that is in it.
    pub oldest: EventSeq,
    /// The hash of the state after the last event.
    pub state_hash: StateHash,
    /// When the log was as it is in it.
    pub taken: Timestamp,
    /// Modules of contracts in it.
    pub modules: u64,
    /// What it is sealed to.
    pub sealed_to: SealedTo,
    /// The length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The schema of the database inside.
    pub schema: u32,
    /// The version of the program that made it.
    pub strait_version: String,
}

/// As it lies in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    format: u32,
    node_id: Option<String>,
    log_id: String,
    network: String,
    head_seq: u64,
    oldest_seq: u64,
    state_hash: String,
    taken_at_ms: u64,
    modules: u64,
    sealed_to: SealedTo,
    bytes: u64,
    sha256: String,
    schema: u32,
    strait_version: String,
}

/// Why a manifest cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is none.
    #[error("{} is no manifest of a backup", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A newer version wrote it.
    #[error("{} has format {found}, this version reads {newest}", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is read here.
        newest: u32,
    },
    /// A field is no hash.
    #[error("{} names no hash where one belongs", path.display())]
    Hash {
        /// Which.
        path: PathBuf,
        /// The text.
        #[source]
        source: strait_store::NotAHash,
    },
}

impl Manifest {
    /// Where the manifest of a backup lies: beside it.
    #[must_use]
    pub fn path_of(backup: &Path) -> PathBuf {
        let mut name = backup.as_os_str().to_owned();
        name.push(".json");
        name.into()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let file = |source| ManifestError::File { path: path.into(), source };
        let text = regular::read(path, BYTES_MAX).map_err(file)?;
        let raw: RawManifest = serde_json::from_slice(&text)
            .map_err(|source| ManifestError::Malformed { path: path.into(), source })?;
        if raw.format != FORMAT {
            let (path, found) = (path.into(), raw.format);
            return Err(ManifestError::Format { path, found, newest: FORMAT });
        }
        let hash = |source| ManifestError::Hash { path: path.into(), source };
        Ok(Self {
            node_id: raw.node_id,
            log_id: raw.log_id.parse().map_err(hash)?,
            network: raw.network,
            head: EventSeq::new(raw.head_seq),
            oldest: EventSeq::new(raw.oldest_seq),
            state_hash: raw.state_hash.parse().map_err(hash)?,
            taken: Timestamp::from_unix_ms(raw.taken_at_ms),
            modules: raw.modules,
            sealed_to: raw.sealed_to,
            bytes: raw.bytes,
            sha256: raw.sha256,
            schema: raw.schema,
            strait_version: raw.strait_version,
        })
    }

    /// Writes it, in the place of one that may be there; durable when this returns.
    ///
    /// # Errors
    /// [`ManifestError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        durable::replace(path, self.to_json().as_bytes())
            .map_err(|source| ManifestError::File { path: path.into(), source })
    }

    /// The text of its file.
    ///
    /// # Panics
    /// Never: these fields always have a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let raw = RawManifest {
            format: FORMAT,
            node_id: self.node_id.clone(),
            log_id: self.log_id.to_string(),
            network: self.network.clone(),
            head_seq: self.head.to_u64(),
            oldest_seq: self.oldest.to_u64(),
            state_hash: self.state_hash.to_string(),
            taken_at_ms: self.taken.to_unix_ms(),
            modules: self.modules,
            sealed_to: self.sealed_to,
            bytes: self.bytes,
            sha256: self.sha256.clone(),
            schema: self.schema,
            strait_version: self.strait_version.clone(),
        };
        let mut text = serde_json::to_string_pretty(&raw).expect("these fields have a JSON form");
        text.push('\n');
        text
    }
}
