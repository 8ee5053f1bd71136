//! The one secret on disk: the seed's words, in a file that only its owner may read, encrypted if the operator wants it so.
//!
//! A node that has no log yet makes its seed; a node that has one refuses to go on without the seed that made it. What is on
//! disk must be what the configuration says: a plain seed where an encrypted one is expected is as wrong as the opposite,
//! and only `strait seed` turns one into the other, in one step: at every moment there is one durable file that opens.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bitcoin::Network;
use strait_seal::{OpenError, OpenWith, Passphrase, SealError, SealTo};
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
    /// The file is encrypted, and nothing says with what.
    #[error(
        "the seed file {path} is encrypted: name its passphrase in wallet.seed_passphrase_file"
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
    },
    /// The file is plain, and should not be.
    #[error(
        "the seed file {path} is not encrypted, and wallet.seed_passphrase_file is set: run `strait seed encrypt` once"
    )]
    Plain {
        /// Which file.
        path: PathBuf,
    },
    /// The file is encrypted, and does not open.
    #[error("the encrypted seed file {path} does not open")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The seed could not be encrypted.
    #[error("the seed could not be encrypted")]
    Seal(#[from] SealError),
    /// There is no seed to do anything with.
    #[error("there is no seed file {path}")]
    None {
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

/// Reads the seed, or makes one for a node without a log. With a passphrase the file is encrypted, without it is not.
///
/// # Errors
/// [`SeedFileError`] says what is wrong and what would be right.
pub(crate) fn load_or_create(
    path: &Path,
    passphrase: Option<&Passphrase>,
    network: Network,
    log: LogState,
) -> Result<(Seed, SeedOrigin), SeedFileError> {
    match read(path)? {
        Some(content) => {
            let words = words_in(path, &content, passphrase)?;
            remove_drafts(path);
            Ok((Seed::new(&words, network), SeedOrigin::Found))
        }
        None if log == LogState::Present => Err(SeedFileError::Missing { path: path.to_owned() }),
        None => {
            let words = create(path, passphrase)?;
            remove_drafts(path);
            Ok((Seed::new(&words, network), SeedOrigin::New))
        }
    }
}

/// Removes words that a start or a `strait seed` left beside the file when the power was cut. Only once there is a seed that opens:
/// until then a draft may be the last copy of it.
fn remove_drafts(path: &Path) {
    if let Err(error) = whole_file::remove_drafts(path) {
        let folder = path.display();
        tracing::warn!(%folder, %error, "drafts of the seed may lie beside it, which nobody removed");
    }
}

/// Writes the seed anew, in the place of the file that is there: from under one passphrase (or none) to under another (or none).
///
/// The new file is durable before it takes the old one's name, and the old one is there until then. It is opened once
/// before that, so that no seed is lost to a passphrase that was read wrongly.
///
/// # Errors
/// [`SeedFileError`]; the old file is as it was then.
pub(crate) fn reseal(
    path: &Path,
    from: Option<&Passphrase>,
    to: Option<&Passphrase>,
) -> Result<(), SeedFileError> {
    let content = read(path)?.ok_or_else(|| SeedFileError::None { path: path.to_owned() })?;
    let words = words_in(path, &content, from)?;
    let file = file_of(&words, to)?;
    let again = words_in(path, &file, to)?;
    assert_eq!(
        again.expose_text().as_str(),
        words.expose_text().as_str(),
        "what was sealed opens as what it was"
    );
    whole_file::replace(path, &file).map_err(failed(path, "written"))?;
    remove_drafts(path);
    Ok(())
}

fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> SeedFileError {
    move |source| SeedFileError::Io { path: path.to_owned(), action, source }
}

/// What the file holds, if there is one.
fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SeedFileError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & OTHERS != 0 => {
            let mode = metadata.mode() & 0o777;
            Err(SeedFileError::Readable { path: path.to_owned(), mode })
        }
        Ok(_) => Ok(Some(Zeroizing::new(fs::read(path).map_err(failed(path, "read"))?))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, "read")(source)),
    }
}

/// The words in a file that is as the passphrase says: encrypted with it, or plain without.
fn words_in(
    path: &Path,
    content: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<SeedWords, SeedFileError> {
    let at = || path.to_owned();
    let opened = match (strait_seal::is_sealed(content), passphrase) {
        (true, None) => return Err(SeedFileError::Sealed { path: at() }),
        (false, Some(_)) => return Err(SeedFileError::Plain { path: at() }),
        (true, Some(passphrase)) => {
            strait_seal::open_bytes(content, OpenWith::Passphrase(passphrase))
                .map_err(|source| SeedFileError::Open { path: at(), source })?
        }
        (false, None) => Zeroizing::new(content.to_vec()),
    };
    // What is no text holds no words either.
    let text = std::str::from_utf8(&opened).unwrap_or_default();
    SeedWords::parse(text.trim()).map_err(|source| SeedFileError::Words { path: at(), source })
}

/// The words as they go into a file.
fn file_of(
    words: &SeedWords,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<Vec<u8>>, SeedFileError> {
    let text = words.expose_text();
    let line = Zeroizing::new(format!("{}\n", text.as_str()).into_bytes());
    Ok(match passphrase {
        Some(passphrase) => {
            Zeroizing::new(strait_seal::seal_bytes(&line, SealTo::Passphrase(passphrase))?)
        }
        None => line,
    })
}

/// Writes fresh words, whole and durable before they are used for anything.
fn create(path: &Path, passphrase: Option<&Passphrase>) -> Result<SeedWords, SeedFileError> {
    let mut entropy = Zeroizing::new([0; 32]);
    getrandom::fill(entropy.as_mut_slice()).map_err(|_| SeedFileError::Entropy)?;
    let words = SeedWords::generate(&entropy);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        whole_file::create_folder(folder).map_err(failed(path, "written"))?;
    }
    let file = file_of(&words, passphrase)?;
    whole_file::create(path, &file).map_err(failed(path, "written"))?;
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
        let (made, origin) =
            load_or_create(&path, None, Network::Regtest, LogState::Empty).unwrap();
        assert_eq!(origin, SeedOrigin::New);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (found, origin) =
            load_or_create(&path, None, Network::Regtest, LogState::Present).unwrap();
        assert_eq!(origin, SeedOrigin::Found);
        assert_eq!(made.node_key().node_id(), found.node_key().node_id());
    }

    #[test]
    fn a_node_with_a_log_and_no_seed_does_not_make_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let error = load_or_create(&path, None, Network::Regtest, LogState::Present).unwrap_err();
        assert!(matches!(error, SeedFileError::Missing { .. }));
        assert!(!path.exists());
    }

    #[test]
    fn a_seed_that_could_not_be_written_leaves_no_file_that_refuses_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let refused = load_or_create(&path, None, Network::Regtest, LogState::Empty);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        // Whoever runs as root may write all the same.
        if refused.is_err() {
            assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
            load_or_create(&path, None, Network::Regtest, LogState::Empty).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and no draft stays");
    }

    #[test]
    fn a_seed_that_others_may_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        fs::write(&path, "not a seed").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path, None, Network::Regtest, LogState::Empty).unwrap_err();
        assert!(matches!(error, SeedFileError::Readable { mode: 0o644, .. }));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = load_or_create(&path, None, Network::Regtest, LogState::Empty).unwrap_err();
        assert!(matches!(error, SeedFileError::Words { .. }));
    }

    fn passphrase(folder: &Path, text: &str) -> Passphrase {
        let path = folder.join(text);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Passphrase::from_file(&path).unwrap()
    }

    #[test]
    fn a_seed_is_encrypted_changed_and_decrypted_in_place_and_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let [one, two] = ["one", "two"].map(|text| passphrase(folder.path(), text));
        let id = |passphrase: Option<&Passphrase>| {
            let read = load_or_create(&path, passphrase, Network::Regtest, LogState::Present);
            read.map(|(seed, _)| seed.node_key().node_id())
        };
        let (made, _) = load_or_create(&path, None, Network::Regtest, LogState::Empty).unwrap();
        let made = made.node_key().node_id();
        assert!(matches!(id(Some(&one)), Err(SeedFileError::Plain { .. })));
        reseal(&path, None, Some(&one)).unwrap();
        assert!(strait_seal::is_sealed(&fs::read(&path).unwrap()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(id(Some(&one)).unwrap(), made);
        assert!(matches!(id(None), Err(SeedFileError::Sealed { .. })));
        let before = fs::read(&path).unwrap();
        let wrong = reseal(&path, Some(&two), None).unwrap_err();
        assert!(matches!(wrong, SeedFileError::Open { source: OpenError::WrongPassphrase, .. }));
        assert!(matches!(reseal(&path, None, Some(&two)), Err(SeedFileError::Sealed { .. })));
        assert_eq!(fs::read(&path).unwrap(), before, "a refusal leaves it as it was");
        reseal(&path, Some(&one), Some(&two)).unwrap();
        assert_eq!(id(Some(&two)).unwrap(), made);
        reseal(&path, Some(&two), None).unwrap();
        assert_eq!(id(None).unwrap(), made);
    }

    #[test]
    fn plain_words_that_a_power_cut_left_go_once_there_is_a_seed_that_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let draft = folder.path().join("seed.00112233445566ff.draft");
        let one = passphrase(folder.path(), "one");
        let load = |log| load_or_create(&path, Some(&one), Network::Regtest, log);
        fs::write(&draft, "words").unwrap();
        load(LogState::Present).unwrap_err();
        assert!(draft.exists(), "it may be the last copy");
        load(LogState::Empty).unwrap();
        assert!(!draft.exists(), "a first start removes it");
        fs::write(&draft, "words").unwrap();
        load_or_create(&path, None, Network::Regtest, LogState::Present).unwrap_err();
        assert!(draft.exists(), "the seed did not open");
        load(LogState::Present).unwrap();
        assert!(!draft.exists(), "any start removes it");
        fs::write(&draft, "words").unwrap();
        reseal(&path, Some(&one), None).unwrap();
        assert!(!draft.exists(), "so does what writes the file anew");
    }

    #[test]
    fn a_new_seed_is_encrypted_from_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let one = passphrase(folder.path(), "one");
        assert!(matches!(reseal(&path, None, Some(&one)), Err(SeedFileError::None { .. })));
        let load = |log| load_or_create(&path, Some(&one), Network::Regtest, log).unwrap();
        let (made, origin) = load(LogState::Empty);
        assert_eq!(origin, SeedOrigin::New);
        assert!(strait_seal::is_sealed(&fs::read(&path).unwrap()));
        let (found, _) = load(LogState::Present);
        assert_eq!(made.node_key().node_id(), found.node_key().node_id());
    }
}
