//! The public keys of one side of a channel, as bytes from a peer and as points on the curve.

use core::fmt;

use bitcoin::secp256k1::{self, PublicKey};
use strait_primitives::PublicKeyBytes;
use thiserror::Error;

/// Which of a side's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Half of the funding output's keys.
    Funding,
    /// Takes the outputs of a revoked commitment of the other side.
    Penalty,
    /// Takes one's own balance from one's own commitment, after the delay.
    Delayed,
    /// Claims and refunds locks.
    Lock,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Funding => "funding",
            Self::Penalty => "penalty",
            Self::Delayed => "delayed",
            Self::Lock => "lock",
        })
    }
}

/// Bytes that a peer sent as a key are no point on the curve.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the {kind} key {bytes} is not a public key")]
pub struct KeyError {
    /// Which key.
    pub kind: KeyKind,
    /// What was sent.
    pub bytes: PublicKeyBytes,
    /// What the curve says.
    #[source]
    pub source: secp256k1::Error,
}

/// The public keys of one side as a peer sent them, not yet known to be on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct ChannelKeyBytes {
    /// See [`KeyKind::Funding`].
    #[n(0)]
    pub funding: PublicKeyBytes,
    /// See [`KeyKind::Penalty`].
    #[n(1)]
    pub penalty: PublicKeyBytes,
    /// See [`KeyKind::Delayed`].
    #[n(2)]
    pub delayed: PublicKeyBytes,
    /// See [`KeyKind::Lock`].
    #[n(3)]
    pub lock: PublicKeyBytes,
}

/// The public keys of one side of a channel, the same for all its commitments.
///
/// Spec: protocol, section 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelPublicKeys {
    /// See [`KeyKind::Funding`].
    pub funding: PublicKey,
    /// See [`KeyKind::Penalty`].
    pub penalty: PublicKey,
    /// See [`KeyKind::Delayed`].
    pub delayed: PublicKey,
    /// See [`KeyKind::Lock`].
    pub lock: PublicKey,
}

impl ChannelPublicKeys {
    /// The keys as they travel and are stored.
    #[must_use]
    pub fn to_key_bytes(&self) -> ChannelKeyBytes {
        let bytes = |key: &PublicKey| PublicKeyBytes::from_bytes(key.serialize());
        ChannelKeyBytes {
            funding: bytes(&self.funding),
            penalty: bytes(&self.penalty),
            delayed: bytes(&self.delayed),
            lock: bytes(&self.lock),
        }
    }
}

impl TryFrom<ChannelKeyBytes> for ChannelPublicKeys {
    type Error = KeyError;

    /// Parses the keys of a peer.
    ///
    /// # Errors
    /// [`KeyError`] names the first key that is not on the curve.
    fn try_from(raw: ChannelKeyBytes) -> Result<Self, KeyError> {
        let parse = |kind, bytes: PublicKeyBytes| {
            PublicKey::from_slice(bytes.as_bytes()).map_err(|source| KeyError {
                kind,
                bytes,
                source,
            })
        };
        Ok(Self {
            funding: parse(KeyKind::Funding, raw.funding)?,
            penalty: parse(KeyKind::Penalty, raw.penalty)?,
            delayed: parse(KeyKind::Delayed, raw.delayed)?,
            lock: parse(KeyKind::Lock, raw.lock)?,
        })
    }
}

impl<C> minicbor::Encode<C> for ChannelPublicKeys {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.to_key_bytes().encode(e, ctx)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for ChannelPublicKeys {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        ChannelKeyBytes::decode(d, ctx)?.try_into().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_off_the_curve_is_refused_by_its_name() {
        let good: PublicKeyBytes =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap();
        let bad = PublicKeyBytes::from_bytes([5; 33]);
        let keys = ChannelKeyBytes { funding: good, penalty: good, delayed: good, lock: good };
        let parsed = ChannelPublicKeys::try_from(keys).unwrap();
        assert_eq!(parsed.to_key_bytes(), keys);
        let check = |keys: ChannelKeyBytes, kind| {
            assert_eq!(ChannelPublicKeys::try_from(keys).unwrap_err().kind, kind);
        };
        check(ChannelKeyBytes { funding: bad, ..keys }, KeyKind::Funding);
        check(ChannelKeyBytes { penalty: bad, ..keys }, KeyKind::Penalty);
        check(ChannelKeyBytes { delayed: bad, ..keys }, KeyKind::Delayed);
        check(ChannelKeyBytes { lock: bad, ..keys }, KeyKind::Lock);
    }

    #[test]
    fn keys_survive_their_encoding() {
        let g: PublicKey =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap();
        let keys = ChannelPublicKeys { funding: g, penalty: g, delayed: g, lock: g };
        let bytes = minicbor::to_vec(keys).unwrap();
        assert_eq!(minicbor::decode::<ChannelPublicKeys>(&bytes).unwrap(), keys);
    }
}
