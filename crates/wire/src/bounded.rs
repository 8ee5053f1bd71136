//! Byte strings and texts with a largest length, checked by constructor and decoder alike.

use crate::limits::{CONTRACT_BYTES_MAX, NOTE_BYTES_MAX, REFERENCE_BYTES_MAX, SCRIPT_BYTES_MAX};

/// Defines a newtype over at most `$max` bytes.
macro_rules! bounded_bytes {
    ($(#[$meta:meta])* $name:ident, $max:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Box<[u8]>);

        impl $name {
            /// The longest it may be, in bytes.
            pub const MAX: usize = $max;

            /// Wraps the bytes; `None` above [`Self::MAX`].
            #[must_use]
            pub fn new(bytes: impl Into<Box<[u8]>>) -> Option<Self> {
                let bytes = bytes.into();
                (bytes.len() <= Self::MAX).then_some(Self(bytes))
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                Self::new(d.bytes()?).ok_or_else(|| {
                    minicbor::decode::Error::message(concat!(stringify!($name), " is too long"))
                })
            }
        }
    };
}

bounded_bytes! {
    /// An output script, not yet known to be of an allowed kind.
    ScriptBytes, SCRIPT_BYTES_MAX
}
bounded_bytes! {
    /// Parameters of a contract, or one action: meaningful to its module alone.
    ContractBytes, CONTRACT_BYTES_MAX
}

/// What a payment is for, in the payer's words: opaque to the protocol, shown to the payee.
///
/// It lies in place: a round carries thousands, and an allocation for each would cost more than the rest of a payment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The bytes, and zeros behind them.
    bytes: [u8; Self::MAX],
    /// How many there are. Compared last, so that order is that of byte strings.
    length: u8,
}

impl Reference {
    /// The longest it may be, in bytes.
    pub const MAX: usize = REFERENCE_BYTES_MAX;

    /// Copies the bytes; `None` above [`Self::MAX`].
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let given = bytes.as_ref();
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..given.len())?.copy_from_slice(given);
        Some(Self { bytes, length: u8::try_from(given.len()).ok()? })
    }

    /// The bytes.
    ///
    /// # Panics
    /// Never: the length was checked when it was made.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).expect("checked when it was made")
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self { bytes: [0; Self::MAX], length: 0 }
    }
}

impl core::fmt::Debug for Reference {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<C> minicbor::Encode<C> for Reference {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Reference {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.bytes()?)
            .ok_or_else(|| minicbor::decode::Error::message("Reference is too long"))
    }
}

const _: () = assert!(REFERENCE_BYTES_MAX <= 255, "the length fits a byte");

/// An explanation for the people at the other end; never acted on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Note(Box<str>);

impl Note {
    /// Wraps a text, cut at the last character that fits.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        Self(text.get(..text.floor_char_boundary(NOTE_BYTES_MAX)).unwrap_or_default().into())
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl<C> minicbor::Encode<C> for Note {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Note {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let text = d.str()?;
        if text.len() > NOTE_BYTES_MAX {
            return Err(minicbor::decode::Error::message("a note is too long"));
        }
        Ok(Self(text.into()))
    }
}

/// Decodes an array of at most `MAX` elements without trusting its announced length for the allocation.
pub(crate) fn decode_at_most<'b, C, T: minicbor::Decode<'b, C>, const MAX: usize>(
    d: &mut minicbor::Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let too_many = || minicbor::decode::Error::message("an array has too many elements");
    let count =
        d.array()?.ok_or_else(|| minicbor::decode::Error::message("array of unknown length"))?;
    let count = usize::try_from(count).map_err(|_| too_many())?;
    if count > MAX {
        return Err(too_many());
    }
    let mut all = Vec::with_capacity(count.min(d.input().len()));
    for _ in 0..count {
        all.push(T::decode(d, ctx)?);
    }
    Ok(all)
}
