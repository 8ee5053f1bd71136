//! Checking a backup the only way that proves it: restoring it aside, folding it, and comparing with the node's own log.

use std::path::Path;

use strait_log::StoreError;
use strait_primitives::EventSeq;
use strait_store::{LogId, StateHash};
use strait_store_sqlite::{DirectoryLock, Reader, named_files};
use thiserror::Error;

use crate::audit::{FoldError, Way, audit, audit_one};
use crate::disk::{NodeDisk, PlaceError};
use crate::manifest::{Manifest, ManifestError, SealedTo};
use crate::modules;
use crate::restore::{RestoreError, check_digest, open_plain};
use crate::scratch::Scratch;
use crate::seals::OpenKey;

/// What to check.
#[derive(Debug)]
pub struct Check<'a> {
    /// The backup.
    pub file: &'a Path,
    /// What opens it.
    pub key: &'a OpenKey,
    /// A folder for a copy, which goes again.
    pub scratch: &'a Path,
    /// The folder of the node, which may run, if it is at hand.
    pub live: Option<&'a Path>,
    /// Bytes to leave free on the disk of that folder.
    pub free_bytes_min: u64,
}

/// What the node's own log says of the place where the backup ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveLog {
    /// There is none at hand.
    Absent,
    /// It has the same state there.
    Equal,
    /// It is another node's.
    Other(LogId),
    /// It ends before the backup: the node was restored from an older one.
    Behind(EventSeq),
    /// It has removed what leads there since.
    Gone(EventSeq),
}

/// A backup that is sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it is.
    pub manifest: Manifest,
    /// Events folded.
    pub folded: u64,
    /// What the node's own log says.
    pub live: LiveLog,
}

/// Why a backup is not sound, or could not be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// It has no manifest that can be read.
    #[error("the manifest cannot be read")]
    Manifest(#[from] ManifestError),
    /// It cannot be restored.
    #[error("the backup cannot be restored")]
    Restore(#[from] RestoreError),
    /// It does not fold.
    #[error("the backup does not fold")]
    Fold(#[source] FoldError),
    /// The node's own log does not fold.
    #[error("the log of the node does not fold")]
    Live(#[source] FoldError),
    /// It is another log than its manifest says.
    #[error(
        "the backup ends at event {head} with state {hash}; its manifest says event {manifest_head} with state {manifest_hash}"
    )]
    State {
        /// Its last event.
        head: EventSeq,
        /// The hash of its state.
        hash: StateHash,
        /// The last event by its manifest.
        manifest_head: EventSeq,
        /// The hash by its manifest.
        manifest_hash: StateHash,
    },
    /// Its manifest names another log, or network, or number of modules.
    #[error("the {field} of the backup is not the one in its manifest")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// The node's log has another state there.
    #[error("at event {at} the node has state {live} and the backup {backup}")]
    Differs {
        /// Where.
        at: EventSeq,
        /// The hash by the node's log.
        live: StateHash,
        /// The hash by the backup.
        backup: StateHash,
    },
    /// It cannot be restored aside where that was asked for.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

/// Checks a backup: digest, seal, every batch, every snapshot, the fold of all events, and the node's own log.
///
/// # Errors
/// [`CheckError`].
pub fn check(check: &Check<'_>) -> Result<Checked, CheckError> {
    let manifest = Manifest::read(&Manifest::path_of(check.file))?;
    check_digest(check.file, &manifest)?;
    // What the dead left there is gone before room is looked for.
    let aside = Scratch::make(check.scratch, "verify")?;
    check_room(check, &manifest)?;
    let plain = open_plain(check.file, check.key, aside.folder())?;
    check_modules(plain.path(), &manifest)?;
    let restored = aside.path("restored");
    let lock =
        DirectoryLock::take(&restored).map_err(|source| RestoreError::Copy(source.into()))?;
    strait_store_sqlite::restore(&lock, plain.path()).map_err(RestoreError::Copy)?;
    let found = audit(&Reader::new(&restored), None).map_err(CheckError::Fold)?;
    if (found.at, found.hash) != (manifest.head, manifest.state_hash) {
        return Err(CheckError::State {
            head: found.at,
            hash: found.hash,
            manifest_head: manifest.head,
            manifest_hash: manifest.state_hash,
        });
    }
    if found.log_id != Some(manifest.log_id) {
        return Err(CheckError::Field { field: "log_id" });
    }
    if found.network.map(|network| network.to_string()).as_ref() != Some(&manifest.network) {
        return Err(CheckError::Field { field: "network" });
    }
    let live = match check.live {
        Some(data_dir) => compare(data_dir, &manifest)?,
        None => LiveLog::Absent,
    };
    Ok(Checked { manifest, folded: found.folded, live })
}

/// Refuses before a byte is written what would fill a disk: a copy, and one more of what was sealed.
fn check_room(check: &Check<'_>, manifest: &Manifest) -> Result<(), PlaceError> {
    let data_dir = check.live.unwrap_or(check.scratch);
    let disk = NodeDisk { data_dir, free_bytes_min: check.free_bytes_min };
    let copies: u64 = match manifest.sealed_to {
        SealedTo::Nobody => 1,
        SealedTo::Recipients | SealedTo::Passphrase => 2,
    };
    disk.check_room(check.scratch, manifest.bytes.saturating_mul(copies))
}

/// Counts the modules and checks each against its name.
fn check_modules(plain: &Path, manifest: &Manifest) -> Result<(), CheckError> {
    let files = named_files(plain).map_err(RestoreError::Copy)?;
    let sound = files.iter().filter(|file| modules::is_sound(file)).count();
    if u64::try_from(sound) == Ok(manifest.modules) && sound == files.len() {
        return Ok(());
    }
    Err(CheckError::Field { field: "modules" })
}

/// Folds the node's own log to where the backup ends.
fn compare(data_dir: &Path, manifest: &Manifest) -> Result<LiveLog, CheckError> {
    let reader = Reader::new(data_dir);
    if !reader.database().exists() {
        return Ok(LiveLog::Absent);
    }
    let end = audit_one(&reader, None, Way::Shortest).map_err(CheckError::Live)?;
    match end.log_id {
        Some(id) if id != manifest.log_id => return Ok(LiveLog::Other(id)),
        Some(_) | None => {}
    }
    if end.at < manifest.head {
        return Ok(LiveLog::Behind(end.at));
    }
    let there = match audit_one(&reader, Some(manifest.head), Way::Shortest) {
        Ok(there) => there,
        Err(
            FoldError::Gone { removed, .. }
            | FoldError::Store(StoreError::Compacted { removed, .. }),
        ) => return Ok(LiveLog::Gone(removed)),
        Err(error) => return Err(CheckError::Live(error)),
    };
    if there.hash == manifest.state_hash {
        return Ok(LiveLog::Equal);
    }
    let (live, backup) = (there.hash, manifest.state_hash);
    Err(CheckError::Differs { at: manifest.head, live, backup })
}
