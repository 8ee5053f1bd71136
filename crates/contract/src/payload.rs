//! The byte strings that only the contract understands: parameters, actions, states. Bounded, cheap to clone.

use std::sync::Arc;

use thiserror::Error;

use crate::limits::{ACTION_BYTES_MAX, PARAMS_BYTES_MAX, STATE_BYTES_MAX};

/// A byte string is longer than the protocol allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{what} of {actual} bytes where at most {limit} are allowed")]
pub struct PayloadTooLong {
    /// Which kind of byte string.
    pub what: &'static str,
    /// Its length in bytes.
    pub actual: usize,
    /// The most bytes allowed.
    pub limit: usize,
}

/// Defines a bounded byte string: shared when cloned, a CBOR byte string when encoded.
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<[u8]>);

        impl $name {
            /// Takes the bytes.
            ///
            /// # Errors
            /// [`PayloadTooLong`] above the protocol's bound.
            pub fn new(bytes: &[u8]) -> Result<Self, PayloadTooLong> {
                if bytes.len() > $limit {
                    return Err(PayloadTooLong {
                        what: $what,
                        actual: bytes.len(),
                        limit: $limit,
                    });
                }
                Ok(Self(bytes.into()))
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
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
                Self::new(d.bytes()?).map_err(minicbor::decode::Error::custom)
            }
        }
    };
}

payload! {
    /// The parameters of a contract, fixed by its terms.
    Params, "parameters", PARAMS_BYTES_MAX
}
payload! {
    /// What a party asks of a contract.
    Action, "an action", ACTION_BYTES_MAX
}
payload! {
    /// The state of a contract between two calls.
    State, "a state", STATE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_above_its_bound_is_refused_when_made_and_when_decoded() {
        assert!(State::new(&vec![0; STATE_BYTES_MAX]).is_ok());
        let too_long = vec![0; STATE_BYTES_MAX + 1];
        assert_eq!(
            State::new(&too_long),
            Err(PayloadTooLong {
                what: "a state",
                actual: STATE_BYTES_MAX + 1,
                limit: STATE_BYTES_MAX
            })
        );
        let bytes = minicbor::to_vec(minicbor::bytes::ByteVec::from(too_long)).unwrap();
        assert!(minicbor::decode::<State>(&bytes).is_err());
    }

    #[test]
    fn a_payload_survives_its_encoding() {
        let action = Action::new(&[1, 2, 3]).unwrap();
        let bytes = minicbor::to_vec(&action).unwrap();
        assert_eq!(minicbor::decode::<Action>(&bytes).unwrap(), action);
    }
}
