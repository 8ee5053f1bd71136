//! The envelope: what every store keeps of an event, whatever it means.

use strait_primitives::{EventSeq, Timestamp};

/// Which kind of event a payload holds; the table of kinds is `docs/storage-format.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKind(pub u16);

impl RecordKind {
    /// The event that a log restored from a backup goes on with. A store that holds such a log takes no other first.
    pub const RESTORED: Self = Self(11);
}

/// Which layout of that kind the payload has; readers keep every layout ever released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordVersion(pub u16);

/// One event as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place; consecutive records have consecutive places.
    pub seq: EventSeq,
    /// When it was decided, by the deciding node's clock.
    pub at: Timestamp,
    /// What it is.
    pub kind: RecordKind,
    /// In which layout.
    pub version: RecordVersion,
    /// The event itself, encoded.
    pub payload: Vec<u8>,
}

/// The state of the node after the event `seq`, encoded: a fold saved, so that start-up costs what is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event folded in.
    pub seq: EventSeq,
    /// The layout of the state.
    pub version: RecordVersion,
    /// The state, encoded.
    pub payload: Vec<u8>,
}
