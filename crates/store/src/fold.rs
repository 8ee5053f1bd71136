//! The fold of a log, one record after the other, and its hash.
//!
//! A start folds with it, and so does whoever checks a copy beside a running node. Two folds that have the same hash are the
//! same state: the encoding of a state has one form, whatever way led there (maps are in the order of their keys, fields
//! in that of their numbers), and the hash covers all of it.
//!
//! Format: `docs/storage-format.md`, "Hash of a state".

use core::fmt;
use core::str::FromStr;

use bitcoin::Network;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use strait_engine::NodeState;
use strait_log::{Record, Snapshot};
use strait_primitives::EventSeq;
use thiserror::Error;

use crate::record::{DecodeError, VERSION, decode, decode_snapshot};

/// What the hash of a state begins with, so that it is no other hash.
const STATE_TAG: &[u8] = b"strait/state";
/// What the name of a log begins with.
const LOG_TAG: &[u8] = b"strait/log";

/// The hash of a node's whole state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash([u8; 32]);

/// Whose log it is: the hash of the wallet's account, which the first event of a log names and every snapshot repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 32]);

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a hash of 64 hexadecimal digits")]
pub struct NotAHash {
    /// The text.
    pub text: String,
}

impl StateHash {
    /// The hash of this state.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn of(state: &NodeState) -> Self {
        let bytes = minicbor::to_vec(state).expect("writing to memory cannot fail");
        Self(tagged(STATE_TAG, &[&VERSION.0.to_le_bytes(), &bytes]))
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl FromStr for StateHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        from_hex(text).map(Self)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl FromStr for LogId {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        from_hex(text).map(Self)
    }
}

/// A state on its way through a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    state: NodeState,
    at: EventSeq,
}

impl Fold {
    /// Before the first event there ever was.
    #[must_use]
    pub fn start() -> Self {
        Self::default()
    }

    /// Where a snapshot was made.
    ///
    /// # Errors
    /// [`DecodeError`] if it is of a later version, or damaged.
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Self, DecodeError> {
        Ok(Self { state: decode_snapshot(snapshot)?, at: snapshot.seq })
    }

    /// The last event folded in.
    #[must_use]
    pub const fn at(&self) -> EventSeq {
        self.at
    }

    /// The state there.
    #[must_use]
    pub const fn state(&self) -> &NodeState {
        &self.state
    }

    /// Folds the next record in.
    ///
    /// # Errors
    /// [`DecodeError`] if it cannot be understood; nothing is folded then.
    ///
    /// # Panics
    /// If it is not the next one, or its event cannot follow: no node wrote this log.
    pub fn apply(&mut self, record: &Record) -> Result<(), DecodeError> {
        assert_eq!(record.seq, self.at.next(), "a store gives records without gaps");
        self.state.apply(&decode(record)?);
        self.at = record.seq;
        Ok(())
    }

    /// The hash of the state.
    #[must_use]
    pub fn hash(&self) -> StateHash {
        StateHash::of(&self.state)
    }

    /// Whose log it is; `None` before its first event.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn log_id(&self) -> Option<LogId> {
        let account = self.state.wallet.account()?;
        let bytes = minicbor::to_vec(account).expect("writing to memory cannot fail");
        Some(LogId(tagged(LOG_TAG, &[&bytes])))
    }

    /// The network that its wallet lives on; `None` before the first event.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.state.wallet.account().map(strait_wallet::Account::network)
    }

    /// The state, given away.
    #[must_use]
    pub fn into_state(self) -> NodeState {
        self.state
    }
}

/// SHA-256 over the hash of a tag, twice as BIP-0340 has it, and the parts.
fn tagged(tag: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    for part in parts {
        engine.input(part);
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn from_hex(text: &str) -> Result<[u8; 32], NotAHash> {
    // SHA-256 prints its bytes as they stand, so its parser reads them.
    let hash: Result<sha256::Hash, _> = text.parse();
    hash.map(sha256::Hash::to_byte_array).map_err(|_| NotAHash { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use strait_engine::Event;
    use strait_primitives::{ModuleHash, Timestamp};

    use super::*;
    use crate::record::{encode, encode_snapshot};

    fn record(number: u64) -> Record {
        let mut module = [7; 32];
        module[0] = u8::try_from(number % 5).unwrap();
        let event = Event::ModuleAdded { module: ModuleHash::from_bytes(module), size_bytes: 3 };
        encode(&event, EventSeq::new(number), Timestamp::from_unix_ms(number))
    }

    #[test]
    fn a_fold_from_a_snapshot_ends_with_the_hash_of_the_fold_from_the_start() {
        let mut whole = Fold::start();
        let mut halves = Fold::start();
        for number in 1..=20 {
            whole.apply(&record(number)).unwrap();
            if number % 3 == 0 {
                halves =
                    Fold::from_snapshot(&encode_snapshot(halves.state(), halves.at())).unwrap();
            }
            halves.apply(&record(number)).unwrap();
            assert_eq!(whole.hash(), halves.hash(), "after {number}");
        }
        assert_eq!(whole, halves);
    }

    #[test]
    fn every_state_has_a_hash_of_its_own_and_it_comes_back_from_its_text() {
        let mut fold = Fold::start();
        let empty = fold.hash();
        assert_eq!(empty.to_string(), "EMPTY", "the hash of nothing is part of the format");
        fold.apply(&record(1)).unwrap();
        assert_ne!(fold.hash(), empty);
        assert_eq!(fold.hash().to_string().parse(), Ok(fold.hash()));
        assert!("12".parse::<StateHash>().is_err());
        assert_eq!((fold.log_id(), fold.network()), (None, None));
    }
}
