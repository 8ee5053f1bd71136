//! `strait backup` and `strait restore`: copies of the log. They need the node's folder, and no node to ask.
//!
//! Spec: protocol, section 9; `docs/recovery.md`.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use strait_store_sqlite::{Backup, DirectoryLock};

use super::output::{Form, Output};
use super::{BackupArgs, CliError, Globals};
use crate::config::{self, Config};
use crate::{production, whole_file};

/// Copies the log of a node, which may run, to a new file.
///
/// # Errors
/// [`CliError`]; there is no file of that name then, unless it was there before.
pub fn run_backup(
    globals: &Globals,
    args: &BackupArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let config = load(globals, args)?;
    let made = strait_store_sqlite::back_up(&config.data_dir, &args.file, production::now(), &[]);
    let backup = made.map_err(|source| CliError::Backup { source })?;
    let mut output = output(globals, data, words);
    output.say("the seed is not in it: keep its words apart, and the folder of modules if contracts are open");
    output.object(&told(&args.file, &backup))
}

/// Makes the log of a node that has none out of a copy.
///
/// # Errors
/// [`CliError`]; the node has no log then.
pub fn run_restore(
    globals: &Globals,
    args: &BackupArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let config = load(globals, args)?;
    let folder = &config.data_dir;
    whole_file::create_folder(folder)
        .map_err(|source| CliError::Folder { path: folder.clone(), source })?;
    let failed = |source| CliError::Backup { source };
    let lock = DirectoryLock::take(folder).map_err(|source| failed(source.into()))?;
    let backup = strait_store_sqlite::restore(&lock, &args.file).map_err(failed)?;
    let mut output = output(globals, data, words);
    let seed = &config.wallet.seed_file;
    if !seed.exists() {
        output.say(&format!("put the words of the node's seed into {} first", seed.display()));
    }
    output.say("start the node: its channels are quarantined, and `strait recover` shows them");
    output.object(&told(&args.file, &backup))
}

fn load(globals: &Globals, args: &BackupArgs) -> Result<Config, CliError> {
    let flags = args.settings.to_settings();
    Ok(config::load(globals.config.as_deref(), std::env::vars(), &flags)?.config)
}

fn output<'a>(
    globals: &Globals,
    data: &'a mut (dyn Write + Send),
    words: &'a mut (dyn Write + Send),
) -> Output<'a> {
    let form = if globals.json { Form::Json } else { Form::Lines };
    Output { form, data, words }
}

fn told(file: &Path, backup: &Backup) -> Value {
    json!({
        "file": file.display().to_string(),
        "taken_at_ms": backup.taken.to_unix_ms(),
        "head_seq": backup.verified.head.to_u64(),
    })
}
