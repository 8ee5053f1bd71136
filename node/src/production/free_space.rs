//! How much may still be written where the log lies.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;
use strait_runtime::Disk;

use crate::config::Config;

/// The disk of a node's folder, with the operator's floor.
pub(super) fn disk(config: &Config) -> Disk {
    let folder = config.data_dir.clone();
    let free_bytes = Box::new(move || free_bytes(&folder));
    Disk { free_bytes, floor_bytes: config.store.free_bytes_min }
}

/// What this user may still write in a folder: what the file system keeps for root is not counted.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_there_has_an_answer_and_one_that_is_not_has_none() {
        let folder = tempfile::tempdir().unwrap();
        free_bytes(folder.path()).unwrap();
        assert!(free_bytes(&folder.path().join("none")).is_err());
    }
}
