//! What backups are sealed with and opened with.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use strait_seal::{Identities, OpenError, OpenWith, Passphrase, Recipient, SealError, SealTo};

use crate::manifest::SealedTo;
use crate::{durable, regular};

/// Who will be able to open what is written.
#[derive(Debug)]
pub enum SealKey {
    /// Everybody: it is not sealed.
    Nobody,
    /// Who holds the identity of one of these.
    Recipients(Vec<Recipient>),
    /// Who knows this.
    Passphrase(Passphrase),
}

/// What sealed files are opened with.
#[derive(Debug)]
pub enum OpenKey {
    /// Nothing: they must not be sealed.
    None,
    /// The identities of recipients.
    Identities(Identities),
    /// A passphrase.
    Passphrase(Passphrase),
}

impl SealKey {
    /// As the seal wants it; `None` if nothing is sealed.
    pub(crate) fn seal_to(&self) -> Option<SealTo<'_>> {
        match self {
            Self::Nobody => None,
            Self::Recipients(recipients) => Some(SealTo::Recipients(recipients)),
            Self::Passphrase(passphrase) => Some(SealTo::Passphrase(passphrase)),
        }
    }

    /// As a manifest says it.
    pub(crate) const fn sealed_to(&self) -> SealedTo {
        match self {
            Self::Nobody => SealedTo::Nobody,
            Self::Recipients(_) => SealedTo::Recipients,
            Self::Passphrase(_) => SealedTo::Passphrase,
        }
    }
}

impl OpenKey {
    /// As the seal wants it; `None` if there is no key.
    pub(crate) const fn open_with(&self) -> Option<OpenWith<'_>> {
        match self {
            Self::None => None,
            Self::Identities(identities) => Some(OpenWith::Identities(identities)),
            Self::Passphrase(passphrase) => Some(OpenWith::Passphrase(passphrase)),
        }
    }
}

/// Writes a sealed copy of a file; durable when this returns, but for its name.
pub(crate) fn seal_file(from: &Path, to: &Path, who: SealTo<'_>) -> Result<(), SealError> {
    let mut plain = File::open(from)?;
    let mut sealing = strait_seal::seal(durable::create_new(to)?, who)?;
    io::copy(&mut plain, &mut sealing)?;
    sealing.finish()?.sync_all()?;
    Ok(())
}

/// Writes what a sealed file holds to a new one.
pub(crate) fn open_file(from: &Path, to: &Path, with: OpenWith<'_>) -> Result<(), OpenError> {
    let sealed = regular::open(from).map_err(OpenError::Io)?;
    let mut opened = strait_seal::open(sealed, with)?;
    let mut plain = durable::create_new(to).map_err(OpenError::Io)?;
    io::copy(&mut opened, &mut plain).map_err(OpenError::of_reading)?;
    plain.sync_all().map_err(OpenError::Io)
}

/// True if a file begins as a sealed one does.
pub(crate) fn is_sealed(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    regular::open(path)?.take(64).read_to_end(&mut beginning)?;
    Ok(strait_seal::is_sealed(&beginning))
}

/// Seals a few bytes.
pub(crate) fn seal_bytes(plain: &[u8], who: SealTo<'_>) -> Result<Vec<u8>, SealError> {
    let mut sealing = strait_seal::seal(Vec::new(), who)?;
    sealing.write_all(plain)?;
    Ok(sealing.finish()?)
}
