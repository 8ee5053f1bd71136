//! Secret keys that open what was sealed to their recipients, in files as `age-keygen` writes them.

use std::fmt;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::recipient::Recipient;
use crate::secret_file::{self, SecretFileError};

/// One or more secret keys. Never printed; wiped when dropped.
pub struct Identities(Vec<x25519::Identity>);

/// Why there are no identities.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Their file was not read.
    #[error("the identity file is not usable")]
    File(#[from] SecretFileError),
    /// No key stands in it.
    #[error("the identity file {path} holds no key")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The file is itself sealed.
    #[error(
        "the identity file {path} is encrypted: decrypt it first, `age --decrypt -o keys {path}`"
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
    },
    /// A line is neither a comment nor an X25519 key.
    #[error(
        "line {line} of the identity file {path} is no X25519 key: those begin with AGE-SECRET-KEY-1"
    )]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

impl Identities {
    /// Makes a key of the system's entropy.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![x25519::Identity::generate()])
    }

    /// Reads a file as `age-keygen -o` writes it: a key on each line, comments behind `#`, mode 0600.
    ///
    /// # Errors
    /// [`IdentityError`] if the file is missing, readable by others, or holds anything but X25519 keys.
    pub fn from_file(path: &Path) -> Result<Self, IdentityError> {
        let text = secret_file::read(path)?;
        if crate::is_sealed(text.as_bytes()) {
            return Err(IdentityError::Sealed { path: path.to_owned() });
        }
        let mut keys = Vec::new();
        for (line, key) in (1..).zip(text.lines().map(str::trim)) {
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            let key =
                key.parse().map_err(|_| IdentityError::Syntax { path: path.to_owned(), line })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(IdentityError::Empty { path: path.to_owned() });
        }
        Ok(Self(keys))
    }

    /// The public halves: what to seal to, so that these open it.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        self.0.iter().map(Recipient::of).collect()
    }

    /// The keys as a file that this crate and the `age` tool read: write it with mode 0600.
    #[must_use = "it is the secret"]
    pub fn expose_text(&self) -> Zeroizing<String> {
        // As long as it will be: text that grew would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len().saturating_mul(256)));
        for key in &self.0 {
            text.push_str("# public key: ");
            text.push_str(&key.to_public().to_string());
            text.push('\n');
            text.push_str(key.to_string().expose_secret());
            text.push('\n');
        }
        text
    }

    /// As the `age` crate takes them.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|key| -> &dyn age::Identity { key })
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.recipients()).finish()
    }
}
