//! A passphrase: one line of a file, wiped when dropped.

use std::fmt;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use thiserror::Error;

use crate::limits::PASSPHRASE_BYTES_MAX;
use crate::secret_file::{self, SecretFileError};

/// What a file can be sealed to and opened with. Never printed; wiped when dropped.
#[derive(Clone)]
pub struct Passphrase(SecretString);

/// Why there is no passphrase.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Its file was not read.
    #[error("the passphrase file is not usable")]
    File(#[from] SecretFileError),
    /// Nothing stands in the file.
    #[error("the passphrase file {path} is empty")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// More than one line: which of them was meant cannot be known.
    #[error("the passphrase file {path} has more than one line")]
    Lines {
        /// Which file.
        path: PathBuf,
    },
    /// The line is too long.
    #[error("the passphrase in {path} has {actual} bytes, {limit} is the most")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Bytes allowed.
        limit: usize,
        /// Bytes found.
        actual: usize,
    },
}

impl Passphrase {
    /// Reads the one line of a file with mode 0600, or of one that Kubernetes or systemd mounted; its end of line is no part
    /// of it, spaces are.
    ///
    /// # Errors
    /// [`PassphraseError`] if the file is missing, readable by others, empty, or more than one line.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let text = secret_file::read(path)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let at = || path.to_owned();
        if line.trim().is_empty() {
            return Err(PassphraseError::Empty { path: at() });
        }
        if line.contains('\n') {
            return Err(PassphraseError::Lines { path: at() });
        }
        if line.len() > PASSPHRASE_BYTES_MAX {
            let (limit, actual) = (PASSPHRASE_BYTES_MAX, line.len());
            return Err(PassphraseError::TooLong { path: at(), limit, actual });
        }
        Ok(Self(SecretString::from(line.to_owned())))
    }

    /// The secret as the `age` crate takes it.
    pub(crate) fn secret(&self) -> SecretString {
        self.0.clone()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}
