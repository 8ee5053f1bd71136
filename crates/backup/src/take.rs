//! Taking a backup: copy, fold, seal, and only then give it its name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use strait_primitives::{EventSeq, Timestamp};
use strait_seal::SealError;
use strait_store::LogId;
use strait_store_sqlite::{BackupError, Reader, SchemaVersion, back_up};
use thiserror::Error;

use crate::audit::{Audit, FoldError, Way, audit, audit_one};
use crate::disk::{NodeDisk, PlaceError};
use crate::manifest::{Manifest, ManifestError};
use crate::scratch::Scratch;
use crate::seals::{SealKey, seal_file};
use crate::{durable, modules, stamp};

/// What a copy may need beside the bytes of the log: its own tables, and modules.
const BYTES_BESIDE: u64 = 16 << 20;

/// What backup to take.
#[derive(Debug)]
pub struct Order<'a> {
    /// The node's folder; the node may run.
    pub data_dir: &'a Path,
    /// The backup's file, which must not exist.
    pub file: &'a Path,
    /// What to seal it with.
    pub seal: &'a SealKey,
    /// Where the copy lies before it is sealed: a folder that may see the log.
    pub scratch: &'a Path,
    /// Bytes to leave free on the disk of the data directory.
    pub free_bytes_min: u64,
    /// How it is proved: by all its events, and by its newest snapshot; or by that alone.
    pub proof: Way,
    /// An older backup, of which this one must be the continuation.
    pub not_behind: Option<&'a Manifest>,
    /// Now.
    pub now: Timestamp,
    /// The version of this program.
    pub version: &'a str,
}

/// Why no backup was taken. There is no file then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TakeError {
    /// It was not copied.
    #[error("the log was not copied")]
    Copy(#[from] BackupError),
    /// The log, or the copy, does not fold.
    #[error("the log does not fold")]
    Fold(#[from] FoldError),
    /// The log has no event.
    #[error("{} holds no event yet", data_dir.display())]
    Empty {
        /// The node's folder.
        data_dir: PathBuf,
    },
    /// It was not sealed.
    #[error("the copy was not sealed")]
    Seal(#[from] SealError),
    /// The manifest was not written.
    #[error("the manifest was not written")]
    Manifest(#[from] ManifestError),
    /// The log ends before the one that was backed up last.
    #[error(
        "the log ends at event {head}, the newest backup at event {newest}: a backup with less must not take its place"
    )]
    Behind {
        /// The log's last event.
        head: EventSeq,
        /// That of the newest backup.
        newest: EventSeq,
    },
    /// The backups are of another node.
    #[error(
        "the log is {log}, the newest backup is of {backup}: these are the backups of another node"
    )]
    OtherLog {
        /// Whose log it is.
        log: LogId,
        /// Whose the backup is.
        backup: LogId,
    },
    /// It cannot be made where that was asked for.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// A file that goes when this does.
struct Draft(PathBuf);

impl Draft {
    /// One of that name that a process of this number left is nobody's.
    fn new(path: PathBuf) -> Self {
        let _removed = fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It may never have been made.
        let _removed = fs::remove_file(&self.0);
    }
}

/// Takes a backup: the file, its digest and its manifest beside it.
///
/// # Errors
/// [`TakeError`].
pub fn take(order: &Order<'_>) -> Result<Manifest, TakeError> {
    if order.file.exists() {
        let path = order.file.into();
        return Err(BackupError::Exists { path }.into());
    }
    check_continues(order)?;
    let name = order.file.file_name().unwrap_or_default().to_string_lossy();
    let plain_parent = match order.seal.seal_to() {
        None => durable::folder_of(order.file),
        Some(_) => order.scratch,
    };
    // What the dead left there is gone before room is looked for.
    let scratch = Scratch::make(plain_parent, "backup")?;
    check_room(order)?;
    let plain = scratch.path("plain.db");
    let beside = modules::all(order.data_dir).map_err(PlaceError::of(order.data_dir))?;
    let copied = back_up(order.data_dir, &plain, order.now, &beside)?;
    let copy = Reader::of_database(&plain);
    let audit = match order.proof {
        Way::Whole => audit(&copy, Some(copied.verified.head))?,
        Way::Shortest => audit_one(&copy, Some(copied.verified.head), Way::Shortest)?,
    };
    let sealed = Draft::new(durable::draft_of(order.file));
    let whole = match order.seal.seal_to() {
        None => &plain,
        Some(who) => {
            seal_file(&plain, &sealed.0, who)?;
            &sealed.0
        }
    };
    let (bytes, sha256) = durable::digest(whole).map_err(PlaceError::of(whole))?;
    let modules = u64::try_from(beside.len()).unwrap_or(u64::MAX);
    let oldest = copy.oldest().map_err(FoldError::Store)?;
    let of_file = OfFile { bytes, sha256, modules, oldest, taken: copied.taken };
    let manifest = manifest(order, &audit, of_file)?;
    let digest_path = digest_path(order.file);
    let digest = format!("{}  {name}\n", manifest.sha256);
    durable::replace(&digest_path, digest.as_bytes()).map_err(PlaceError::of(&digest_path))?;
    manifest.write(&Manifest::path_of(order.file))?;
    // A link does not replace what is there, as a renaming would.
    fs::hard_link(whole, order.file)
        .and_then(|()| durable::sync_folder_of(order.file))
        .map_err(PlaceError::of(order.file))?;
    Ok(manifest)
}

/// What the file itself says for the manifest.
struct OfFile {
    bytes: u64,
    sha256: String,
    modules: u64,
    oldest: EventSeq,
    taken: Timestamp,
}

fn manifest(order: &Order<'_>, audit: &Audit, of: OfFile) -> Result<Manifest, TakeError> {
    let empty = || TakeError::Empty { data_dir: order.data_dir.into() };
    let node_id = stamp::read_node_id(order.data_dir);
    Ok(Manifest {
        node_id,
        log_id: audit.log_id.ok_or_else(empty)?,
        network: audit.network.ok_or_else(empty)?.to_string(),
        head: audit.at,
        oldest: of.oldest,
        state_hash: audit.hash,
        taken: of.taken,
        modules: of.modules,
        sealed_to: order.seal.sealed_to(),
        bytes: of.bytes,
        sha256: of.sha256,
        schema: SchemaVersion::NEWEST.0,
        strait_version: order.version.to_owned(),
    })
}

/// Refuses a log that is not the continuation of the newest backup: its copy would look newer and hold less.
fn check_continues(order: &Order<'_>) -> Result<(), TakeError> {
    let Some(newest) = order.not_behind else { return Ok(()) };
    let log = audit_one(&Reader::new(order.data_dir), None, Way::Shortest)?;
    match log.log_id {
        Some(id) if id != newest.log_id => {
            return Err(TakeError::OtherLog { log: id, backup: newest.log_id });
        }
        Some(_) | None => {}
    }
    if log.at < newest.head {
        return Err(TakeError::Behind { head: log.at, newest: newest.head });
    }
    Ok(())
}

/// Refuses before a byte is written what would fill a disk.
fn check_room(order: &Order<'_>) -> Result<(), PlaceError> {
    let database = Reader::new(order.data_dir).database();
    let log_bytes = match fs::metadata(&database) {
        Ok(metadata) => metadata.len(),
        // The copy says in its own words that there is no log.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(PlaceError::File { path: database, source }),
    };
    let disk = NodeDisk { data_dir: order.data_dir, free_bytes_min: order.free_bytes_min };
    let needed = log_bytes.saturating_add(BYTES_BESIDE);
    let mut folders = vec![durable::folder_of(order.file)];
    if order.seal.seal_to().is_some() {
        folders.push(order.scratch);
    }
    for folder in folders {
        disk.check_room(folder, needed)?;
    }
    Ok(())
}

/// Where the digest of a backup lies: beside it, as `sha256sum --check` reads it.
pub(crate) fn digest_path(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}
