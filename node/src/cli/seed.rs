//! `strait seed`: the seed file under a passphrase, under another, or plain. The node must not run.

use std::io::Write;
use std::path::Path;

use strait_seal::Passphrase;
use strait_store_sqlite::DirectoryLock;

use super::output::{Form, Output};
use super::{BackupError, CliError, Globals, SeedCommand};
use crate::config::{self, Config};
use crate::seed_file;

/// What says where the passphrase is.
const KEY: &str = "wallet.seed_passphrase_file";

/// Writes the seed file anew, as the command says.
///
/// # Errors
/// [`CliError`]; the file is as it was then.
pub fn run_seed(
    globals: &Globals,
    command: &SeedCommand,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let (SeedCommand::Encrypt { settings }
    | SeedCommand::ChangePassphrase { settings, .. }
    | SeedCommand::Decrypt { settings }) = command;
    let flags = settings.to_settings();
    let config = config::load(globals.config.as_deref(), std::env::vars(), &flags)?.config;
    // A node that runs has read its seed, and one that starts reads it now.
    let _lock = DirectoryLock::take(&config.data_dir)
        .map_err(|source| BackupError::Log(source.into()))?;
    let configured = configured(&config)?;
    let done = match command {
        SeedCommand::Encrypt { .. } => {
            reseal(&config, None, Some(&configured))?;
            "the seed file is encrypted; without the passphrase it is lost, so keep the words on paper too"
        }
        SeedCommand::ChangePassphrase { new_passphrase_file, .. } => {
            reseal(&config, Some(&configured), Some(&read(new_passphrase_file)?))?;
            "the seed file has the new passphrase: put it where wallet.seed_passphrase_file says"
        }
        SeedCommand::Decrypt { .. } => {
            reseal(&config, Some(&configured), None)?;
            "the seed file is plain: take wallet.seed_passphrase_file out of the configuration"
        }
    };
    let form = if globals.json { Form::Json } else { Form::Lines };
    Output { form, data, words }.say(done);
    Ok(())
}

fn configured(config: &Config) -> Result<Passphrase, CliError> {
    let path = config.wallet.seed_passphrase_file.as_deref();
    read(path.ok_or(CliError::Setting { key: KEY })?)
}

fn read(path: &Path) -> Result<Passphrase, CliError> {
    Passphrase::from_file(path).map_err(|source| CliError::Passphrase { source })
}

fn reseal(
    config: &Config,
    from: Option<&Passphrase>,
    to: Option<&Passphrase>,
) -> Result<(), CliError> {
    seed_file::reseal(&config.wallet.seed_file, from, to)
        .map_err(|source| CliError::Seed { source })
}
