//! Why a command failed, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use strait_backup::TakeError;
use strait_client::{ClientError, Outcome};
use strait_primitives::EventSeq;
use strait_store::LogId;
use thiserror::Error;

use crate::config::ConfigError;
use crate::demo::DemoError;
use crate::devnet_command::DevnetCommandError;
use crate::production::InitError;

/// The exit codes of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed on this side.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Refused: by the node, or because a backup and a node's log do not belong together.
    Refused,
    /// The node cannot be reached: it was not asked.
    Unreachable,
    /// The outcome is unknown: ask again with the same key.
    Unknown,
}

impl Exit {
    /// The code as the system gets it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Unreachable => 4,
            Self::Unknown => 5,
        }
    }
}

/// Why a backup was not made, not restored, or is not sound.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The node's folder cannot be taken.
    #[error("the node's folder cannot be used")]
    Log(#[source] strait_store_sqlite::BackupError),
    /// It was not taken.
    #[error("no backup was made")]
    Take(#[source] TakeError),
    /// It was not restored.
    #[error("nothing was restored")]
    Restore(#[source] strait_backup::RestoreError),
    /// It is not sound.
    #[error("the backup does not hold")]
    Check(#[source] strait_backup::CheckError),
    /// It is sound, and another node's.
    #[error(
        "the backup is of log {backup}, and the log of the node is {node}: it is another node's"
    )]
    OtherNode {
        /// Whose the backup is.
        backup: LogId,
        /// Whose the log is.
        node: LogId,
    },
    /// It is sound, and the node has less.
    #[error(
        "the backup ends at event {backup}, and the log of the node at event {node}: the node knows less than its backup"
    )]
    NodeBehind {
        /// Where the backup ends.
        backup: EventSeq,
        /// Where the log ends.
        node: EventSeq,
    },
    /// It is sound, and the node has removed what it could be compared with.
    #[error(
        "the backup ends at event {backup}, and the log of the node has removed what leads there, up to event {removed}: it is too old to be the newest"
    )]
    TooOld {
        /// Where the backup ends.
        backup: EventSeq,
        /// The last event that was removed.
        removed: EventSeq,
    },
    /// A log does not fold.
    #[error("the log does not fold")]
    Fold(#[source] strait_backup::FoldError),
    /// A manifest cannot be used.
    #[error("the manifest cannot be used")]
    Manifest(#[source] strait_backup::ManifestError),
    /// The passphrase cannot be used.
    #[error("the passphrase cannot be used")]
    Passphrase(#[from] strait_seal::PassphraseError),
    /// The identity cannot be used.
    #[error("the identity cannot be used")]
    Identity(#[from] strait_seal::IdentityError),
    /// A recipient is none.
    #[error("--recipient is not right")]
    Recipient(#[from] strait_seal::RecipientError),
}

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CliError {
    /// The node could not be asked, or did not do what was asked.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The devnet did not run.
    #[error(transparent)]
    Devnet(#[from] DevnetCommandError),
    /// The demo did not get to its end.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Nothing says where the token is.
    #[error("there is no token: give --token-file FILE, or --config FILE of the node")]
    NoToken,
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Stdout takes no more.
    #[error("the output cannot be written")]
    Write {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A backup was not made, not restored, or is not sound.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The node's folder cannot be made.
    #[error("the folder {} cannot be made", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A passphrase was not read.
    #[error("the passphrase is not usable")]
    Passphrase {
        /// Why not.
        #[source]
        source: strait_seal::PassphraseError,
    },
    /// The seed file was left as it was.
    #[error("the seed file is as it was")]
    Seed {
        /// Why.
        #[source]
        source: crate::SeedFileError,
    },
    /// A setting that the command needs is not there.
    #[error("{key} is not set")]
    Setting {
        /// Which.
        key: &'static str,
    },
    /// An argument has no meaning.
    #[error("{argument} {value:?}: {right}")]
    Argument {
        /// Which.
        argument: &'static str,
        /// As it was given.
        value: String,
        /// What would be right.
        right: &'static str,
    },
    /// The system gave no random bytes for a key or a preimage.
    #[error("the system gave no random bytes")]
    Entropy {
        /// What the system said.
        #[source]
        source: getrandom::Error,
    },
    /// The node did not start.
    #[error("the node did not start")]
    NodeStart {
        /// Which step failed, and what would have been right.
        #[source]
        source: Box<InitError>,
    },
    /// The node had to stop.
    #[error("the node had to stop")]
    NodeHalted {
        /// Why.
        #[source]
        source: strait_runtime::Halt,
    },
    /// The runtime did not start.
    #[error("the command could not start")]
    Start {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl CliError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Node(error) => exit_of(error),
            Self::Config(_) | Self::NoToken | Self::Argument { .. } | Self::Setting { .. } => {
                Exit::Usage
            }
            Self::Backup(
                BackupError::OtherNode { .. }
                | BackupError::NodeBehind { .. }
                | BackupError::TooOld { .. }
                | BackupError::Take(TakeError::Behind { .. } | TakeError::OtherLog { .. }),
            ) => Exit::Refused,
            Self::NodeStart { source } if matches!(**source, InitError::Config(_)) => Exit::Usage,
            Self::NodeStart { .. }
            | Self::NodeHalted { .. }
            | Self::Devnet(_)
            | Self::Demo(_)
            | Self::Backup(_)
            | Self::Passphrase { .. }
            | Self::Seed { .. }
            | Self::Folder { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Entropy { .. }
            | Self::Start { .. } => Exit::Failed,
        }
    }

    /// What to do about it, if the node said so or it is known here.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Node(ClientError::Refused { error, .. }) => Some(&error.hint),
            Self::Node(error) => match exit_of(error) {
                Exit::Unreachable => Some("is the node running, and is --api its address?"),
                Exit::Unknown => Some("ask again with the same --idempotency-key"),
                Exit::Done | Exit::Failed | Exit::Usage | Exit::Refused => None,
            },
            Self::Demo(error) => error.hint(),
            Self::Backup(
                BackupError::OtherNode { .. }
                | BackupError::NodeBehind { .. }
                | BackupError::TooOld { .. },
            ) => Some("the backup itself is sound; --alone judges it without the node's log"),
            Self::Config(_)
            | Self::Devnet(_)
            | Self::NoToken
            | Self::Backup(_)
            | Self::Passphrase { .. }
            | Self::Seed { .. }
            | Self::Setting { .. }
            | Self::Folder { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Argument { .. }
            | Self::Entropy { .. }
            | Self::NodeStart { .. }
            | Self::NodeHalted { .. }
            | Self::Start { .. } => None,
        }
    }
}

const fn exit_of(error: &ClientError) -> Exit {
    match error.outcome() {
        Outcome::NotSent => Exit::Usage,
        Outcome::NotReached => Exit::Unreachable,
        Outcome::Refused => Exit::Refused,
        Outcome::Unknown => Exit::Unknown,
    }
}
