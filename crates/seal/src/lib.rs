//! Files sealed to a passphrase or to keys, in the [age] format, so that the standard `age` tool opens them without us.
//!
//! The node seals its seed with it, and backups and shipped logs are sealed with it. Everything streams: a file of any size
//! passes through one chunk of 64 KiB. Who holds which secret is the caller's business; here they are read from files that
//! others cannot read, and wiped when dropped.
//!
//! **Invariant:** nothing here prints a passphrase or a secret key, and no error repeats one.
//!
//! Spec: <https://age-encryption.org/v1>. [age]: <https://age-encryption.org>

mod identity;
mod limits;
mod open;
mod passphrase;
mod recipient;
mod seal;
mod secret_file;

pub use identity::{Identities, IdentityError};
pub use limits::{PASSPHRASE_BYTES_MAX, SECRET_FILE_BYTES_MAX, WORK_LOG2, WORK_LOG2_MAX};
pub use open::{OpenError, OpenWith, Opened, is_sealed, open, open_bytes};
pub use passphrase::{Passphrase, PassphraseError};
pub use recipient::{Recipient, RecipientError};
pub use seal::{SealError, SealTo, Sealing, seal, seal_bytes};
pub use secret_file::{SecretFileError, read as read_secret_file};

#[cfg(test)]
mod tests;
