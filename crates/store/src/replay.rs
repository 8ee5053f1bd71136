//! Reading a log at start: the newest snapshot, and the events after it.

use strait_engine::NodeState;
use strait_log::{EventStore, StoreError};
use strait_primitives::EventSeq;
use thiserror::Error;

use crate::fold::Fold;
use crate::record::DecodeError;

/// Events read at a time.
const PAGE: usize = 4_096;

/// A state read back from its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The fold of the whole log.
    pub state: NodeState,
    /// The last event.
    pub head: EventSeq,
    /// Events folded after the snapshot.
    pub folded: u64,
}

/// Why a log cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The store cannot give it out.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A record cannot be understood.
    #[error("the log cannot be understood")]
    Record(#[from] DecodeError),
    /// Older events were removed because snapshots held what they led to, and no snapshot can be read.
    #[error("the events up to {removed} were removed, and no snapshot is sound: restore a backup")]
    NoSnapshot {
        /// The last event that was removed.
        removed: EventSeq,
    },
    /// The log ends before its head.
    #[error("the log ends at event {at}, its head is {head}")]
    Short {
        /// The last event that could be read.
        at: EventSeq,
        /// The head that the store names.
        head: EventSeq,
    },
}

/// Folds a log.
///
/// # Errors
/// [`ReplayError`]: the node must not start on a log that it cannot read whole.
pub fn replay(store: &dyn EventStore) -> Result<Replayed, ReplayError> {
    let head = store.head();
    let mut fold = match store.latest_snapshot()? {
        Some(snapshot) => Fold::from_snapshot(&snapshot)?,
        None => Fold::start(),
    };
    let mut folded = 0;
    while fold.at() < head {
        let records = store.read_from(fold.at().next(), PAGE).map_err(no_snapshot)?;
        if records.is_empty() {
            return Err(ReplayError::Short { at: fold.at(), head });
        }
        for record in &records {
            fold.apply(record)?;
            folded += 1;
        }
    }
    Ok(Replayed { state: fold.into_state(), head, folded })
}

/// A log whose beginning was removed is asked for it only where no snapshot can be read.
fn no_snapshot(error: StoreError) -> ReplayError {
    if let StoreError::Compacted { removed, .. } = error {
        return ReplayError::NoSnapshot { removed };
    }
    ReplayError::Store(error)
}
