//! Fixed-size byte strings: one macro gives each id its text, parsing and CBOR form.

use thiserror::Error;

/// Why a text is not the hex of an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseHexError {
    /// The text has the wrong length.
    #[error("{actual} characters where {expected} hex digits belong")]
    Length {
        /// Hex digits that belong here.
        expected: usize,
        /// Characters found.
        actual: usize,
    },
    /// A character is not a hex digit.
    #[error("not a hex digit at position {position}")]
    Digit {
        /// Where, counted from zero.
        position: usize,
    },
}

/// Parses exactly `N` bytes of hex.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let expected = N * 2;
    let digits = text.as_bytes();
    if digits.len() != expected {
        return Err(ParseHexError::Length { expected, actual: text.chars().count() });
    }
    let mut out = [0; N];
    for (index, (byte, pair)) in out.iter_mut().zip(digits.chunks_exact(2)).enumerate() {
        for (offset, digit) in pair.iter().enumerate() {
            let value = char::from(*digit)
                .to_digit(16)
                .and_then(|v| u8::try_from(v).ok())
                .ok_or(ParseHexError::Digit { position: index * 2 + offset })?;
            *byte = (*byte << 4) | value;
        }
    }
    Ok(out)
}

/// Defines a newtype over `[u8; N]`: hex text, `FromStr`, CBOR byte string.
macro_rules! byte_id {
    ($(#[$meta:meta])* $name:ident, $size:expr, $debug:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $size;

            /// Wraps the bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// The bytes, by value.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $size] {
                self.0
            }

            /// Reads the bytes from a slice of exactly this length.
            #[must_use]
            pub fn from_slice(slice: &[u8]) -> Option<Self> {
                slice.try_into().ok().map(Self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::bytes::ParseHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::bytes::parse_hex(text).map(Self)
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
                Self::from_slice(d.bytes()?).ok_or_else(|| {
                    minicbor::decode::Error::message(concat!(
                        stringify!($name), " has another length"
                    ))
                })
            }
        }

        $debug!($name);
    };
}

/// Shows the bytes as hex in `Display` and `Debug`.
macro_rules! shown {
    ($name:ident) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

/// Keeps the bytes out of logs: `Debug` prints the name alone, and there is no `Display`.
macro_rules! hidden {
    ($name:ident) => {
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    };
}

pub(crate) use {byte_id, hidden, shown};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_another_length_or_alphabet_is_refused_with_the_place() {
        assert_eq!(parse_hex::<2>("0aFf"), Ok([0x0a, 0xff]));
        assert_eq!(parse_hex::<2>("0a"), Err(ParseHexError::Length { expected: 4, actual: 2 }));
        assert_eq!(parse_hex::<2>("0ax0"), Err(ParseHexError::Digit { position: 2 }));
    }
}
