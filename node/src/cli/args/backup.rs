//! `strait backup`, `strait restore` and `strait log`: what works on the files of a node.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::SettingArgs;
use crate::cli::examples;

/// `strait backup`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    /// What to do with backups that there are; without it one is taken
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// The backup; FILE.json and FILE.sha256 are written beside it
    #[arg(value_name = "FILE", required = true)]
    pub file: Option<PathBuf>,
    /// Seal it to the holder of this age key; may be given several times
    #[arg(long, value_name = "AGE1...", conflicts_with = "passphrase_file")]
    pub recipient: Vec<String>,
    /// Seal it to the passphrase in this file, mode 600
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where the copy lies before it is sealed [default: the node's folder]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Refuse if the log is another one, or ends earlier, than the backup with this manifest
    #[arg(long, value_name = "FILE.json")]
    pub not_behind: Option<PathBuf>,
    /// Do not tell the node that there is a backup: `strait backup stamp` does, once it is where it belongs
    #[arg(long)]
    pub no_stamp: bool,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs,
}

/// What to do with backups that there are.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Prove a backup: restore it aside, fold it, and compare it with the node's log
    #[command(after_help = examples::BACKUP_VERIFY)]
    Verify {
        /// The backup; FILE.json lies beside it
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What opens it.
        #[command(flatten)]
        key: KeyArgs,
        /// Judge it by itself: without this, a backup of another node, or with more than the node's own
        /// log, ends with exit code 3
        #[arg(long)]
        alone: bool,
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
    /// Tell the node that there is a backup, for its metrics
    Stamp {
        /// The manifest of the backup
        #[arg(value_name = "FILE.json")]
        manifest: PathBuf,
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
}

/// What opens a sealed backup.
#[derive(Debug, Clone, Default, Args)]
pub struct KeyArgs {
    /// File with the age identity that it was sealed to, mode 600
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub identity: Option<PathBuf>,
    /// File with the passphrase that it was sealed to, mode 600
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where a copy lies meanwhile, which anyone who reads it understands [default: the node's folder]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// `strait restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE", required_unless_present = "shipped")]
    pub file: Option<PathBuf>,
    /// Instead of a backup: the folder that the node shipped its log to
    #[arg(long, value_name = "FOLDER", conflicts_with = "file")]
    pub shipped: Option<PathBuf>,
    /// What opens it.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs,
}

/// `strait log`
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Fold the log of a node that may run, or of a backup, and print the hash of the state
    #[command(after_help = examples::LOG_HASH)]
    Hash {
        /// A backup that is not sealed [default: the log of the node]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The event after which [default: the last]
        #[arg(long, value_name = "SEQ")]
        at: Option<u64>,
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
}
