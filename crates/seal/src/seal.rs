//! Sealing: what is written comes out encrypted, chunk by chunk.

use std::fmt;
use std::io::{self, Write};

use age::stream::StreamWriter;
use thiserror::Error;

use crate::limits::WORK_LOG2;
use crate::passphrase::Passphrase;
use crate::recipient::Recipient;

/// Who will be able to open it.
#[derive(Debug, Clone, Copy)]
pub enum SealTo<'a> {
    /// Who knows the passphrase.
    Passphrase(&'a Passphrase),
    /// Who holds the identity of any of these.
    Recipients(&'a [Recipient]),
}

/// Why nothing was sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody could open it.
    #[error("there is no recipient to seal to")]
    NoRecipient,
    /// The destination does not take it.
    #[error("the sealed file could not be written")]
    Io(#[from] io::Error),
}

/// Writes what is written to it, encrypted, to `W`. Whole only after [`Sealing::finish`].
#[must_use = "it is cut short unless finished"]
pub struct Sealing<W: Write>(StreamWriter<W>);

/// Begins a sealed file: its header is written at once.
///
/// # Errors
/// [`SealError`] if there is no recipient, or `to` takes nothing.
pub fn seal<W: Write>(to: W, who: SealTo<'_>) -> Result<Sealing<W>, SealError> {
    let encryptor = match who {
        SealTo::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(passphrase.secret());
            recipient.set_work_factor(WORK_LOG2);
            age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        SealTo::Recipients(recipients) => age::Encryptor::with_recipients(
            recipients.iter().map(|recipient| -> &dyn age::Recipient { recipient.key() }),
        ),
    };
    // Of all that the crate could say, keys of one kind leave this.
    let encryptor = encryptor.map_err(|_| SealError::NoRecipient)?;
    Ok(Sealing(encryptor.wrap_output(to)?))
}

/// Seals what is in memory: for small secrets.
///
/// # Errors
/// [`SealError::NoRecipient`].
pub fn seal_bytes(plain: &[u8], who: SealTo<'_>) -> Result<Vec<u8>, SealError> {
    let mut sealing = seal(Vec::new(), who)?;
    sealing.write_all(plain)?;
    Ok(sealing.finish()?)
}

impl<W: Write> Sealing<W> {
    /// Writes the last chunk, by which a reader knows that nothing is missing, and gives the destination back.
    ///
    /// # Errors
    /// What the destination said.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> fmt::Debug for Sealing<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing(..)")
    }
}
