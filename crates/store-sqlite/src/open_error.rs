//! Why a log could not be opened.

use std::io;
use std::path::PathBuf;

use strait_log::StoreError;
use strait_primitives::EventSeq;
use thiserror::Error;

use crate::SchemaVersion;

/// Why [`crate::SqliteStore::open`] or [`crate::SqliteStore::downgrade`] refused. Nothing has been changed on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory or a file of ours in it cannot be made, read or written.
    #[error("{path} cannot be used")]
    Directory {
        /// The file or directory.
        path: PathBuf,
        /// The system's account.
        #[source]
        source: io::Error,
    },
    /// Another process has this data directory open.
    #[error("{path} is in use by another process{}", holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, if it said so.
        holder: Option<u32>,
    },
    /// The file is a SQLite database of some other program.
    #[error("{path} is not a log of Strait: its application id is {found:#010x}")]
    NotALog {
        /// The database file.
        path: PathBuf,
        /// The application id it has.
        found: u32,
    },
    /// A newer version of Strait wrote this log.
    #[error(
        "the log has schema {found}, and this version knows up to {newest}: use the newer version, or its downgrade"
    )]
    NewerSchema {
        /// The schema on disk.
        found: SchemaVersion,
        /// The newest schema known here.
        newest: SchemaVersion,
    },
    /// A downgrade would leave a schema that cannot hold the log.
    #[error("schema {wanted} cannot hold the log, which has schema {found}")]
    NoWayDown {
        /// The schema on disk.
        found: SchemaVersion,
        /// The schema asked for.
        wanted: SchemaVersion,
    },
    /// Taking the tables down would hide that the log is a backup which no node has run on.
    #[error(
        "the log is a backup that no node has run on: start this version once, or restore it elsewhere"
    )]
    Backup,
    /// An older version would take what is left of the log for all of it.
    #[error("the events up to {removed} were removed, and an older version needs them all")]
    Compacted {
        /// The last event that was removed.
        removed: EventSeq,
    },
    /// SQLite did not take a setting that durability rests on.
    #[error("the setting {pragma} is {found} where {wanted} was asked for")]
    Setting {
        /// The pragma.
        pragma: &'static str,
        /// What was asked for.
        wanted: String,
        /// What it reads back as.
        found: String,
    },
    /// The log is damaged, or the medium failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
