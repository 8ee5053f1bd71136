//! The bearer token: 32 random bytes in a file that only its owner can read.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use thiserror::Error;

/// Random bytes in a token that this crate makes.
const TOKEN_BYTES: usize = 32;
/// Shortest token taken from a file: 128 bits in hex.
const TOKEN_CHARS_MIN: usize = 32;
/// Longest token taken from a file.
const TOKEN_CHARS_MAX: usize = 1_024;
/// Permission bits that let others than the owner read or write.
const OTHERS: u32 = 0o077;

/// What a caller must show. Compared in constant time, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read or made.
    #[error("token file {} cannot be read or made", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("token file {} has mode {mode:o}: chmod 600 it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold one line of at least 32 visible ASCII characters.
    #[error("token file {} must hold one line of 32 to 1024 visible ASCII characters", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("no random bytes for a new token")]
    Entropy {
        /// What the system said.
        #[source]
        source: getrandom::Error,
    },
}

impl Token {
    /// Reads a token from text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\n', '\r']);
        let fits = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The text to send. Keep it out of logs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if the caller showed this token; takes as long for a near miss as for a wild guess.
    #[must_use]
    pub fn is_shown_by(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Reads the token from its file; makes the file, mode 0600, if there is none.
///
/// # Errors
/// [`TokenError`] if the file cannot be read or made, if others may read it, or if it holds no token.
pub fn load_or_create(path: &Path) -> Result<Token, TokenError> {
    match create(path) {
        Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            load(path)
        }
        made => made,
    }
}

/// Reads the token from its file.
///
/// # Errors
/// [`TokenError`] if the file cannot be read, if others may read it, or if it holds no token.
pub fn load(path: &Path) -> Result<Token, TokenError> {
    let failed = |source| TokenError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(TokenError::Readable { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(TOKEN_CHARS_MAX + 2).expect("a small constant");
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    Token::parse(&text).ok_or_else(|| TokenError::Content { path: path.to_owned() })
}

/// Makes the file under another name and links it into place, so that no reader ever sees half a token.
fn create(path: &Path) -> Result<Token, TokenError> {
    let failed = |source| TokenError::File { path: path.to_owned(), source };
    if path.try_exists().map_err(failed)? {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let mut random = [0; TOKEN_BYTES + 8];
    getrandom::fill(&mut random).map_err(|source| TokenError::Entropy { source })?;
    let (secret, nonce) = random.split_at(TOKEN_BYTES);
    let token = Token(hex::encode(secret));
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", hex::encode(nonce)));
    let draft = PathBuf::from(draft);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(failed)?;
    let linked = file
        .write_all(format!("{}\n", token.0).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    linked.and(removed).and_then(|()| sync_folder_of(path)).map_err(failed)?;
    Ok(token)
}

/// Makes the file's name durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_made_once_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let made = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap(), made);
        assert_eq!(made.reveal().len(), 2 * TOKEN_BYTES);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "the draft is gone");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(matches!(error, TokenError::Readable { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn a_short_or_broken_token_is_refused() {
        for text in
            ["", "short", "twenty-four spaces and   words that are long", "é".repeat(32).as_str()]
        {
            assert_eq!(Token::parse(text), None, "{text:?}");
        }
        assert!(Token::parse(&format!("{}\n", "a".repeat(32))).is_some());
    }

    #[test]
    fn a_token_never_prints() {
        let token = Token::parse(&"s".repeat(40)).unwrap();
        assert_eq!(format!("{token:?}"), "Token(hidden)");
        assert!(token.is_shown_by("s".repeat(40).as_bytes()));
        assert!(!token.is_shown_by("s".repeat(39).as_bytes()));
    }
}
