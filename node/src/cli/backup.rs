//! `strait backup`, `strait restore` and `strait log`: they need the node's folder, and no node to ask.
//!
//! Spec: protocol, section 9; `docs/recovery.md`.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strait_backup::{
    Check, Disk, LiveLog, Manifest, OpenKey, Order, Restored, SealKey, Shipped, Way, audit, check,
    restore, restore_shipped, take, write_stamp,
};
use strait_primitives::EventSeq;
use strait_seal::{Identities, Passphrase, Recipient};
use strait_store_sqlite::{DirectoryLock, Reader};

use super::output::{Form, Output};
use super::{
    BackupArgs, BackupCommand, BackupError, CliError, Globals, KeyArgs, LogCommand, RestoreArgs,
    SettingArgs,
};
use crate::config::{self, Config};
use crate::{production, whole_file};

/// Copies the log of a node, which may run, to a new file; or looks at a copy that there is.
///
/// # Errors
/// [`CliError`]; there is no file of that name then, unless it was there before.
pub fn run_backup(
    globals: &Globals,
    args: &BackupArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    match (&args.command, &args.file) {
        (Some(BackupCommand::Verify { file, key, alone, settings }), _) => {
            let config = load(globals, settings)?;
            let live = (!alone).then_some(config.data_dir.as_path());
            verify(&config, file, key, live, &mut output(globals, data, words))
        }
        (Some(BackupCommand::Stamp { manifest, settings }), _) => {
            let config = load(globals, settings)?;
            let manifest = Manifest::read(manifest).map_err(BackupError::Manifest)?;
            Ok(write_stamp(&config.data_dir, &manifest).map_err(BackupError::Manifest)?)
        }
        (None, Some(file)) => {
            let config = load(globals, &args.settings)?;
            take_one(&config, args, file, &mut output(globals, data, words))
        }
        (None, None) => unreachable!("the command line asks for a file or a command"),
    }
}

fn take_one(
    config: &Config,
    args: &BackupArgs,
    file: &Path,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let newest = args.not_behind.as_deref().map(Manifest::read).transpose();
    let newest = newest.map_err(BackupError::Manifest)?;
    let manifest = take(&Order {
        data_dir: &config.data_dir,
        file,
        seal: &seal_key(&args.recipient, args.passphrase_file.as_deref())?,
        scratch: args.scratch.as_deref().unwrap_or(&config.data_dir),
        free_bytes_min: config.store.free_bytes_min,
        proof: Way::Whole,
        not_behind: newest.as_ref(),
        now: production::now(),
        version: env!("CARGO_PKG_VERSION"),
    })
    .map_err(BackupError::Take)?;
    if !args.no_stamp {
        write_stamp(&config.data_dir, &manifest).map_err(BackupError::Manifest)?;
    }
    output.say("the seed is not in it: keep its words apart");
    if Disk::of(file, &config.data_dir) == Disk::Nodes {
        output.say("it lies on the disk of the log itself: carry it to another one");
    }
    output.object(&json!({
        "file": file.display().to_string(),
        "taken_at_ms": manifest.taken.to_unix_ms(),
        "head_seq": manifest.head.to_u64(),
        "state_hash": manifest.state_hash.to_string(),
        "bytes": manifest.bytes,
        "modules": manifest.modules,
    }))
}

fn verify(
    config: &Config,
    file: &Path,
    key: &KeyArgs,
    live: Option<&Path>,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let (key, scratch) = (open_key(key)?, scratch_of(config, key));
    let free_bytes_min = config.store.free_bytes_min;
    let checked = check(&Check { file, key: &key, scratch: &scratch, live, free_bytes_min })
        .map_err(BackupError::Check)?;
    let live = match checked.live {
        LiveLog::Absent => "absent",
        LiveLog::Equal => "equal",
        LiveLog::Other(_) => "other node",
        LiveLog::Behind(_) => "ends before",
        LiveLog::Gone(_) => "removed since",
    };
    output.object(&json!({
        "file": file.display().to_string(),
        "head_seq": checked.manifest.head.to_u64(),
        "state_hash": checked.manifest.state_hash.to_string(),
        "events_folded": checked.folded,
        "modules": checked.manifest.modules,
        "live_log": live,
    }))?;
    Ok(judge(checked.live, &checked.manifest)?)
}

/// Refuses a sound backup that is not what the newest one of this node would be.
fn judge(live: LiveLog, manifest: &Manifest) -> Result<(), BackupError> {
    let (log_id, head) = (manifest.log_id, manifest.head);
    match live {
        LiveLog::Absent | LiveLog::Equal => Ok(()),
        LiveLog::Other(node) => Err(BackupError::OtherNode { backup: log_id, node }),
        LiveLog::Behind(node) => Err(BackupError::NodeBehind { backup: head, node }),
        LiveLog::Gone(removed) => Err(BackupError::TooOld { backup: head, removed }),
    }
}

/// Makes the log of a node that has none out of a copy.
///
/// # Errors
/// [`CliError`]; the node has no log then.
pub fn run_restore(
    globals: &Globals,
    args: &RestoreArgs,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let config = load(globals, &args.settings)?;
    let folder = &config.data_dir;
    let key = open_key(&args.key)?;
    whole_file::create_folder(folder)
        .map_err(|source| CliError::Folder { path: folder.clone(), source })?;
    let scratch = scratch_of(&config, &args.key);
    let lock = DirectoryLock::take(folder).map_err(|source| BackupError::Log(source.into()))?;
    let mut output = output(globals, data, words);
    let told = match (&args.shipped, &args.file) {
        (Some(from), _) => {
            let shipped =
                restore_shipped(&lock, from, &key, &scratch).map_err(BackupError::Restore)?;
            if let Some(unreached) = shipped.unreached {
                output.say(&format!(
                    "what leads to event {unreached} is missing or damaged in {}: the log ends before it",
                    from.display()
                ));
            }
            told_shipped(from, &shipped)
        }
        (None, Some(file)) => {
            let restored = restore(&lock, file, &key, &scratch).map_err(BackupError::Restore)?;
            told(file, &restored)
        }
        (None, None) => unreachable!("the command line asks for one of them"),
    };
    let seed = &config.wallet.seed_file;
    if !seed.exists() {
        output.say(&format!("put the words of the node's seed into {} first", seed.display()));
    }
    output.say("start the node: its channels are quarantined, and `strait recover` shows them");
    output.object(&told)
}

/// Folds a log and prints the hash of the state it leads to.
///
/// # Errors
/// [`CliError`] if it does not fold.
pub fn run_log_command(
    globals: &Globals,
    command: &LogCommand,
    data: &mut (dyn Write + Send),
    words: &mut (dyn Write + Send),
) -> Result<(), CliError> {
    let LogCommand::Hash { file, at, settings } = command;
    let reader = match file {
        Some(file) => Reader::of_database(file),
        None => Reader::new(&load(globals, settings)?.data_dir),
    };
    let found = audit(&reader, at.map(EventSeq::new)).map_err(BackupError::Fold)?;
    output(globals, data, words).object(&json!({
        "seq": found.at.to_u64(),
        "state_hash": found.hash.to_string(),
        "log_id": found.log_id.map(|id| id.to_string()),
        "events_folded": found.folded,
    }))
}

fn load(globals: &Globals, settings: &SettingArgs) -> Result<Config, CliError> {
    let flags = settings.to_settings();
    Ok(config::load(globals.config.as_deref(), std::env::vars(), &flags)?.config)
}

/// What a backup is sealed with.
fn seal_key(recipients: &[String], passphrase: Option<&Path>) -> Result<SealKey, BackupError> {
    if let Some(path) = passphrase {
        return Ok(SealKey::Passphrase(Passphrase::from_file(path)?));
    }
    if recipients.is_empty() {
        return Ok(SealKey::Nobody);
    }
    let recipients: Result<Vec<Recipient>, _> =
        recipients.iter().map(|text| text.parse()).collect();
    Ok(SealKey::Recipients(recipients?))
}

/// What a backup is opened with.
fn open_key(args: &KeyArgs) -> Result<OpenKey, BackupError> {
    if let Some(path) = &args.identity {
        return Ok(OpenKey::Identities(Identities::from_file(path)?));
    }
    match &args.passphrase_file {
        Some(path) => Ok(OpenKey::Passphrase(Passphrase::from_file(path)?)),
        None => Ok(OpenKey::None),
    }
}

/// Where a copy may lie: what was asked for, else the node's folder, else that of the system.
fn scratch_of(config: &Config, args: &KeyArgs) -> PathBuf {
    match &args.scratch {
        Some(folder) => folder.clone(),
        None if config.data_dir.is_dir() => config.data_dir.clone(),
        None => std::env::temp_dir(),
    }
}

fn output<'a>(
    globals: &Globals,
    data: &'a mut (dyn Write + Send),
    words: &'a mut (dyn Write + Send),
) -> Output<'a> {
    let form = if globals.json { Form::Json } else { Form::Lines };
    Output { form, data, words }
}

fn told(file: &Path, restored: &Restored) -> Value {
    json!({
        "file": file.display().to_string(),
        "taken_at_ms": restored.backup.taken.to_unix_ms(),
        "head_seq": restored.backup.verified.head.to_u64(),
        "modules": restored.modules,
    })
}

fn told_shipped(from: &Path, shipped: &Shipped) -> Value {
    let mut told = told(from, &shipped.restored);
    if let Some(fields) = told.as_object_mut() {
        fields.insert("base_seq".to_owned(), json!(shipped.base.to_u64()));
        fields.insert("complete".to_owned(), json!(shipped.unreached.is_none()));
    }
    told
}

#[cfg(test)]
mod tests {
    use strait_backup::SealedTo;
    use strait_primitives::Timestamp;

    use super::super::Exit;
    use super::*;

    #[test]
    fn only_a_backup_that_the_nodes_log_bears_out_ends_with_no_refusal() {
        let manifest = Manifest {
            node_id: None,
            log_id: "ab".repeat(32).parse().unwrap(),
            network: "regtest".to_owned(),
            head: EventSeq::new(50),
            oldest: EventSeq::new(1),
            state_hash: "cd".repeat(32).parse().unwrap(),
            taken: Timestamp::default(),
            modules: 0,
            sealed_to: SealedTo::Nobody,
            bytes: 0,
            sha256: String::new(),
            schema: 1,
            strait_version: String::new(),
        };
        let rows = [
            (LiveLog::Absent, Exit::Done),
            (LiveLog::Equal, Exit::Done),
            (LiveLog::Other("ef".repeat(32).parse().unwrap()), Exit::Refused),
            (LiveLog::Behind(EventSeq::new(49)), Exit::Refused),
            (LiveLog::Gone(EventSeq::new(900)), Exit::Refused),
        ];
        for (live, expect) in rows {
            let exit = match judge(live, &manifest) {
                Ok(()) => Exit::Done,
                Err(error) => CliError::from(error).exit(),
            };
            assert_eq!(exit, expect, "{live:?}");
        }
    }
}
