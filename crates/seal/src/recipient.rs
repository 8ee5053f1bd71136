//! A public key that files are sealed to: `age1…`, as `age-keygen` prints it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A public X25519 key; who holds its [identity](crate::Identities) opens what is sealed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(age::x25519::Recipient);

/// Why a text is no recipient.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// A secret key, in the place of a public one.
    #[error("this is a secret key: give its public half, which `age-keygen -y` prints")]
    Secret,
    /// Nothing of the kind.
    #[error("{text:?} is no X25519 recipient: those begin with age1 and have 62 characters")]
    Syntax {
        /// What was given.
        text: String,
    },
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            return Err(RecipientError::Secret);
        }
        text.parse().map(Self).map_err(|_| RecipientError::Syntax { text: text.to_owned() })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Recipient {
    /// As the `age` crate takes it.
    pub(crate) const fn key(&self) -> &age::x25519::Recipient {
        &self.0
    }

    /// The public half of a key.
    pub(crate) fn of(identity: &age::x25519::Identity) -> Self {
        Self(identity.to_public())
    }
}
