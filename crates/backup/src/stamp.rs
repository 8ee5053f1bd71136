//! Small files in the data directory: which node it is, and when its last backup was made.

use std::fs;
use std::io;
use std::path::Path;

use crate::durable;
use crate::manifest::{Manifest, ManifestError};

/// The manifest of the last backup that was made of this log.
const LAST_BACKUP: &str = "last-backup.json";
/// The node's id, which is public.
const NODE_ID: &str = "node-id";

/// Notes in the data directory that a backup was made.
///
/// # Errors
/// [`ManifestError::File`].
pub fn write_stamp(data_dir: &Path, manifest: &Manifest) -> Result<(), ManifestError> {
    manifest.write(&data_dir.join(LAST_BACKUP))
}

/// The last backup that was noted; `None` without one that can be read.
#[must_use]
pub fn read_stamp(data_dir: &Path) -> Option<Manifest> {
    Manifest::read(&data_dir.join(LAST_BACKUP)).ok()
}

/// Notes in the data directory which node runs there, for the manifests of backups: they are made without the seed.
///
/// # Errors
/// What the system said.
pub fn note_node_id(data_dir: &Path, node_id: &str) -> io::Result<()> {
    if read_node_id(data_dir).as_deref() == Some(node_id) {
        return Ok(());
    }
    durable::replace(&data_dir.join(NODE_ID), format!("{node_id}\n").as_bytes())
}

/// The node that ran in a data directory last, if it said so and that can be read: no backup fails for want of a name.
pub(crate) fn read_node_id(data_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(data_dir.join(NODE_ID)).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_read_is_none_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_node_id(folder.path()), None);
        fs::write(folder.path().join(NODE_ID), [0xff, 0xfe]).unwrap();
        assert_eq!(read_node_id(folder.path()), None);
        note_node_id(folder.path(), "02ab").unwrap();
        assert_eq!(read_node_id(folder.path()).as_deref(), Some("02ab"));
        assert!(note_node_id(&folder.path().join("none"), "02ab").is_err());
    }
}
