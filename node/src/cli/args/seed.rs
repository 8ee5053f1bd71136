//! What `strait seed` looks like.

use std::path::PathBuf;

use clap::Subcommand;

use super::SettingArgs;

/// `strait seed`
#[derive(Debug, Subcommand)]
pub enum SeedCommand {
    /// Encrypt a plain seed file with the passphrase in wallet.seed_passphrase_file
    Encrypt {
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
    /// Encrypt the seed file with another passphrase
    ChangePassphrase {
        /// File with the new passphrase, mode 0600
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: PathBuf,
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
    /// Write the seed file as it is, without encryption
    Decrypt {
        /// Settings.
        #[command(flatten)]
        settings: SettingArgs,
    },
}
