//! The caller's name for one intention to move money.

use std::fmt;

/// Longest key the interface takes, in bytes.
const BYTES_MAX: usize = strait_api_types::IDEMPOTENCY_KEY_BYTES_MAX;

/// An idempotency key: 1 to 255 visible ASCII characters. New for each intention, the same when asking again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a text as a key; `None` if it is not one.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=BYTES_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
