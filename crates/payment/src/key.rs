//! What names a lock.

use core::fmt;
use core::str::FromStr;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_primitives::{ChannelId, LockId, RequestKey, Side};
use thiserror::Error;

/// A lock of this node's channels: known by channel, offerer and number alone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode,
)]
pub struct LockKey {
    /// In which channel.
    #[n(0)]
    pub channel: ChannelId,
    /// Who offered it: this node, or its peer.
    #[n(1)]
    pub offerer: Side,
    /// Which of that side's.
    #[n(2)]
    pub id: LockId,
}

/// Why a text names no lock.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no lock: a channel, sent or received, and a number, with dashes between")]
pub struct ParseLockKeyError {
    /// What was given.
    pub text: String,
}

impl LockKey {
    /// The key of the one request that passes this lock on: the same whenever it is asked for, across restarts. Keys of
    /// users are hashes too, of texts that begin otherwise, so nobody can choose one that meets it.
    #[must_use]
    pub fn forward_request(&self) -> RequestKey {
        let mut engine = sha256::Hash::engine();
        engine.input(b"strait/forward/1");
        engine.input(self.channel.as_bytes());
        engine.input(&[u8::from(self.offerer.is_holder())]);
        engine.input(&self.id.0.to_be_bytes());
        let hash = sha256::Hash::from_engine(engine).to_byte_array();
        let (head, _) = hash.split_first_chunk::<16>().expect("a hash has 32 bytes");
        RequestKey::from_bytes(*head)
    }

    /// The first and the last key of a channel.
    pub(crate) const fn span(channel: ChannelId) -> (Self, Self) {
        let first = Self { channel, offerer: Side::Holder, id: LockId(0) };
        let last = Self { channel, offerer: Side::Counterparty, id: LockId(u64::MAX) };
        (first, last)
    }
}

/// `<channel>-sent-3` or `<channel>-received-3`, from this node's point of view.
impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.offerer {
            Side::Holder => "sent",
            Side::Counterparty => "received",
        };
        write!(f, "{}-{way}-{}", self.channel, self.id.0)
    }
}

impl FromStr for LockKey {
    type Err = ParseLockKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split('-');
            let channel = parts.next()?.parse().ok()?;
            let offerer = match parts.next()? {
                "sent" => Side::Holder,
                "received" => Side::Counterparty,
                _ => return None,
            };
            let id = LockId(parts.next()?.parse().ok()?);
            parts.next().is_none().then_some(Self { channel, offerer, id })
        };
        parse()
            .filter(|key| key.to_string() == text)
            .ok_or_else(|| ParseLockKeyError { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_in_no_other_way() {
        let channel = ChannelId::from_bytes([7; 32]);
        for (offerer, way) in [(Side::Holder, "sent"), (Side::Counterparty, "received")] {
            let key = LockKey { channel, offerer, id: LockId(30) };
            assert_eq!(key.to_string(), format!("{}-{way}-30", "07".repeat(32)));
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let hex = "07".repeat(32);
        for text in ["", "7-sent-1", &format!("{hex}-sent"), &format!("{hex}-sent-+1")] {
            assert!(text.parse::<LockKey>().is_err(), "{text}");
        }
        assert!(format!("{hex}-sent-01").parse::<LockKey>().is_err());
        assert!(format!("{hex}-sent-1-2").parse::<LockKey>().is_err());
    }

    #[test]
    fn each_lock_has_a_request_of_its_own() {
        let key = |id, offerer| LockKey {
            channel: ChannelId::from_bytes([7; 32]),
            offerer,
            id: LockId(id),
        };
        let all = [key(0, Side::Holder), key(0, Side::Counterparty), key(1, Side::Holder)];
        let requests: std::collections::BTreeSet<_> =
            all.iter().map(LockKey::forward_request).collect();
        assert_eq!(requests.len(), all.len());
    }
}
