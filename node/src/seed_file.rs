//! The one secret on disk: the seed's words, in a file that only its owner may read.
//!
//! A node that has no log yet makes its seed; a node that has one refuses to go on without the seed that made it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bitcoin::Network;
use strait_signer::{Seed, SeedWords, SeedWordsError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::whole_file;

/// Permissions of anyone but the owner.
const OTHERS: u32 = 0o077;

/// Why there is no seed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeedFileError {
    /// The file cannot be read or written.
    #[error("the seed file {path} could not be {action}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "the seed file {path} has mode {mode:o}: 600 is right, so that only its owner reads it"
    )]
    Readable {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold a seed.
    #[error("the seed file {path} holds no BIP-0039 words")]
    Words {
        /// Which file.
        path: PathBuf,
        /// What is wrong with them.
        #[source]
        source: SeedWordsError,
    },
    /// The log exists and its seed does not.
    #[error(
        "the seed file {path} is missing, and the node has a log: put the seed that made it back"
    )]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system has no entropy to make a seed of.
    #[error("no entropy to make a seed of")]
    Entropy,
}

/// Whether the node has run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogState {
    /// It has no log.
    Empty,
    /// It has one.
    Present,
}

/// Whether the seed was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeedOrigin {
    /// It was made just now: its coins cannot be older.
    New,
    /// It was there.
    Found,
}

/// Reads the seed, or makes one for a node without a log.
///
/// # Errors
/// [`SeedFileError`] says what is wrong and what would be right.
pub(crate) fn load_or_create(
    path: &Path,
    network: Network,
    log: LogState,
) -> Result<(Seed, SeedOrigin), SeedFileError> {
    let failed = |action| {
        let path = path.to_owned();
        move |source| SeedFileError::Io { path, action, source }
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & OTHERS != 0 => {
            let mode = metadata.mode() & 0o777;
            Err(SeedFileError::Readable { path: path.to_owned(), mode })
        }
        Ok(_) => {
            let text = Zeroizing::new(fs::read_to_string(path).map_err(failed("read"))?);
            let words = SeedWords::parse(text.trim())
                .map_err(|source| SeedFileError::Words { path: path.to_owned(), source })?;
            Ok((Seed::new(&words, network), SeedOrigin::Found))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if log == LogState::Present {
                return Err(SeedFileError::Missing { path: path.to_owned() });
            }
            let words = create(path).map_err(|error| error.at(path))?;
            Ok((Seed::new(&words, network), SeedOrigin::New))
        }
        Err(source) => Err(failed("read")(source)),
    }
}

/// Why a seed could not be made.
enum CreateError {
    Entropy,
    Io(io::Error),
}

impl CreateError {
    fn at(self, path: &Path) -> SeedFileError {
        match self {
            Self::Entropy => SeedFileError::Entropy,
            Self::Io(source) => {
                SeedFileError::Io { path: path.to_owned(), action: "written", source }
            }
        }
    }
}

/// Writes fresh words, whole and durable before they are used for anything.
fn create(path: &Path) -> Result<SeedWords, CreateError> {
    let mut entropy = Zeroizing::new([0; 32]);
    getrandom::fill(entropy.as_mut_slice()).map_err(|_| CreateError::Entropy)?;
    let words = SeedWords::generate(&entropy);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        whole_file::create_folder(folder).map_err(CreateError::Io)?;
    }
    let text = words.expose_text();
    let line = Zeroizing::new(format!("{}\n", text.as_str()).into_bytes());
    whole_file::create(path, &line).map_err(CreateError::Io)?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_node_makes_a_seed_that_only_its_owner_reads_and_finds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let (made, origin) = load_or_create(&path, Network::Regtest, LogState::Empty).unwrap();
        assert_eq!(origin, SeedOrigin::New);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (found, origin) = load_or_create(&path, Network::Regtest, LogState::Present).unwrap();
        assert_eq!(origin, SeedOrigin::Found);
        assert_eq!(made.node_key().node_id(), found.node_key().node_id());
    }

    #[test]
    fn a_node_with_a_log_and_no_seed_does_not_make_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let error = load_or_create(&path, Network::Regtest, LogState::Present).unwrap_err();
        assert!(matches!(error, SeedFileError::Missing { .. }));
        assert!(!path.exists());
    }

    #[test]
    fn a_seed_that_could_not_be_written_leaves_no_file_that_refuses_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let refused = load_or_create(&path, Network::Regtest, LogState::Empty);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        // Whoever runs as root may write all the same.
        if refused.is_err() {
            assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
            load_or_create(&path, Network::Regtest, LogState::Empty).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and no draft stays");
    }

    #[test]
    fn a_seed_that_others_may_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::write(&path, "not a seed").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path, Network::Regtest, LogState::Empty).unwrap_err();
        assert!(matches!(error, SeedFileError::Readable { mode: 0o644, .. }));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = load_or_create(&path, Network::Regtest, LogState::Empty).unwrap_err();
        assert!(matches!(error, SeedFileError::Words { .. }));
    }
}
