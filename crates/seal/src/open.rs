//! Opening: what is read comes out decrypted, chunk by chunk, each checked before a byte of it is given.

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};

use age::armor::ArmoredReader;
use age::stream::StreamReader;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::identity::Identities;
use crate::limits::WORK_LOG2_MAX;
use crate::passphrase::Passphrase;

/// How every file of the format begins.
const MAGIC: &[u8] = b"age-encryption.org/v1";

/// How one begins that was made text (`age --armor`).
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// The secret to open with.
#[derive(Debug, Clone, Copy)]
pub enum OpenWith<'a> {
    /// What it was sealed to.
    Passphrase(&'a Passphrase),
    /// Any of whose recipients it was sealed to.
    Identities(&'a Identities),
}

/// Why a file was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It does not begin as one.
    #[error("this is no file in the age format")]
    NotSealed,
    /// The passphrase is another.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// It was sealed to others.
    #[error("none of the identities opens it")]
    WrongIdentity,
    /// It wants a passphrase, and identities were given.
    #[error("it is sealed to a passphrase, not to a key")]
    NeedsPassphrase,
    /// It wants an identity, and a passphrase was given.
    #[error("it is sealed to a key, not to a passphrase")]
    NeedsIdentity,
    /// Trying the passphrase would take too much memory and time.
    #[error("its passphrase takes work of 2^{required}, 2^{limit} is the most that is done")]
    TooMuchWork {
        /// Logarithm of the work it asks for.
        required: u8,
        /// Logarithm of the work that is done.
        limit: u8,
    },
    /// It is not as it was written.
    #[error("it is cut short or damaged")]
    Damaged,
    /// It cannot be read.
    #[error("the sealed file could not be read")]
    Io(#[source] io::Error),
}

impl OpenError {
    /// What reading an [`Opened`] failed with, told apart: damage, or the file below.
    #[must_use]
    pub fn of_reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

/// Reads what was sealed. The end is told only when the last chunk was seen, so nothing cut short passes for whole.
///
/// What reading it fails with is [`io::ErrorKind::InvalidData`] or [`io::ErrorKind::UnexpectedEof`] for a file that is cut short
/// or damaged ([`OpenError::of_reading`]). What came before is sound, and not all.
pub struct Opened<R: Read>(StreamReader<ArmoredReader<BufReader<Whole<R>>>>);

/// A file whose beginning was read already.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// Whether bytes begin as a sealed file does, plain or as text.
#[must_use]
pub fn is_sealed(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC) || beginning.starts_with(ARMOR)
}

/// Opens a sealed file: its header is read and judged at once. Files that `age --armor` made text are read too.
///
/// # Errors
/// [`OpenError`] says what is wrong with the file or the secret.
pub fn open<R: Read>(mut from: R, with: OpenWith<'_>) -> Result<Opened<R>, OpenError> {
    // A pipe gives what there is, however little: this waits for enough.
    let mut beginning = Vec::new();
    let enough = u64::try_from(ARMOR.len()).expect("a short text");
    from.by_ref().take(enough).read_to_end(&mut beginning).map_err(OpenError::Io)?;
    if !is_sealed(&beginning) {
        return Err(OpenError::NotSealed);
    }
    let from = Cursor::new(beginning).chain(from);
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(from))
        .map_err(|error| told(error, with))?;
    let opened = match (with, decryptor.is_scrypt()) {
        (OpenWith::Passphrase(_), false) => return Err(OpenError::NeedsIdentity),
        (OpenWith::Identities(_), true) => return Err(OpenError::NeedsPassphrase),
        (OpenWith::Passphrase(passphrase), true) => {
            let mut identity = age::scrypt::Identity::new(passphrase.secret());
            identity.set_max_work_factor(WORK_LOG2_MAX);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        (OpenWith::Identities(identities), false) => decryptor.decrypt(identities.keys()),
    };
    opened.map(Opened).map_err(|error| told(error, with))
}

/// Opens what is in memory: for small secrets. The content is wiped when dropped.
///
/// # Errors
/// [`OpenError`] says what is wrong with the file or the secret.
pub fn open_bytes(sealed: &[u8], with: OpenWith<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut opened = open(sealed, with)?;
    // It is never longer than what holds it, so it never moves and leaves a copy.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    opened.read_to_end(&mut plain).map_err(OpenError::of_reading)?;
    Ok(plain)
}

/// The reason in our words. Features that would add others are off.
fn told(error: age::DecryptError, with: OpenWith<'_>) -> OpenError {
    match error {
        age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            match with {
                OpenWith::Passphrase(_) => OpenError::WrongPassphrase,
                OpenWith::Identities(_) => OpenError::WrongIdentity,
            }
        }
        age::DecryptError::ExcessiveWork { required, .. } => {
            OpenError::TooMuchWork { required, limit: WORK_LOG2_MAX }
        }
        age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac => OpenError::Damaged,
        age::DecryptError::UnknownFormat => OpenError::NotSealed,
        age::DecryptError::NoMatchingKeys => OpenError::WrongIdentity,
        age::DecryptError::Io(error) => OpenError::of_reading(error),
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> fmt::Debug for Opened<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}
