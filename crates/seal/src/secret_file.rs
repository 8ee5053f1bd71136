//! Reading a small file that holds a secret: refused if others may read it.
//!
//! Passphrases and identities are read here, and nothing else. The bytes are wiped when dropped.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits::SECRET_FILE_BYTES_MAX;

/// Permissions of anyone but the owner.
const OTHERS: u32 = 0o077;

/// What a group may not do with a file that the system mounted for it.
const BEYOND_GROUP_READ: u32 = 0o037;

/// The system's user: owner of what Kubernetes and systemd mount for a service to read.
const ROOT: u32 = 0;

/// Why a secret was not read from its file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The file cannot be read.
    #[error("{path} could not be read")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("{path} has mode {mode:o}: 600 is right, so that only its owner reads it")]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is too large to be what it should be.
    #[error("{path} is larger than {limit} bytes, which no secret is")]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
    },
    /// It is not text.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads a secret's file: mode 0600 or less; or owned by root and readable by its group, as Kubernetes and systemd mount one.
///
/// # Errors
/// [`SecretFileError`] says what is wrong and what would be right.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let failed = |source| SecretFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if !is_guarded(mode, metadata.uid()) {
        return Err(SecretFileError::Readable { path: path.to_owned(), mode });
    }
    // Taken at once: a buffer that grew would leave copies of its content behind.
    let room = usize::try_from(SECRET_FILE_BYTES_MAX).expect("16 KiB fit any address space");
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(1)));
    file.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > room {
        let limit = SECRET_FILE_BYTES_MAX;
        return Err(SecretFileError::TooLarge { path: path.to_owned(), limit });
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| SecretFileError::NotText { path: path.to_owned() })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether nobody reads a file but those whom it was meant for.
const fn is_guarded(mode: u32, owner: u32) -> bool {
    mode & OTHERS == 0 || (owner == ROOT && mode & BEYOND_GROUP_READ == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_by_its_owner_and_by_the_group_that_root_mounted_it_for() {
        for (mode, owner, guarded) in [
            (0o600, 1000, true),
            (0o400, 1000, true),
            (0o400, ROOT, true),
            (0o440, ROOT, true),
            (0o640, ROOT, true),
            (0o640, 1000, false),
            (0o440, 1000, false),
            (0o660, ROOT, false),
            (0o644, ROOT, false),
            (0o444, ROOT, false),
        ] {
            assert_eq!(is_guarded(mode, owner), guarded, "{mode:o} of {owner}");
        }
    }
}
