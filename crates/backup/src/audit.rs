//! A log folded beside its writer: to a place, in two ways that must agree.
//!
//! One way begins with the oldest event that is there, or with the oldest snapshot once older events were removed; the other
//! with the newest snapshot before the place. The first checks every snapshot that it passes. It costs the whole log; the
//! second costs what came after the snapshot.
//!
//! **Invariant:** the log is only read, in short looks, so that its writer is never held up.

use strait_log::{Snapshot, StoreError};
use strait_primitives::EventSeq;
use strait_store::{DecodeError, Fold, LogId, StateHash};
use strait_store_sqlite::Reader;
use thiserror::Error;

/// Records read at a time.
const PAGE: usize = 4_096;
/// How often a fold is begun again because the writer removed what it was about to read.
const BEGINNINGS_MAX: u32 = 8;

/// Where a fold begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With the first event that is there; with the oldest snapshot if that one has a past.
    Whole,
    /// With the newest snapshot that lies before the place.
    Shortest,
}

/// Why a log does not fold to a place.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FoldError {
    /// It cannot be read.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// A record or snapshot cannot be understood.
    #[error("the log cannot be understood")]
    Record(#[from] DecodeError),
    /// It does not reach so far.
    #[error("the log ends at event {head}, before event {wanted}")]
    Short {
        /// Its last event.
        head: EventSeq,
        /// The place asked for.
        wanted: EventSeq,
    },
    /// What leads to the place was removed, and no snapshot lies before it.
    #[error(
        "event {wanted} lies before the oldest snapshot: the events up to {removed} were removed"
    )]
    Gone {
        /// The place asked for.
        wanted: EventSeq,
        /// The last event that was removed.
        removed: EventSeq,
    },
    /// A snapshot is not the fold of the events before it.
    #[error("the snapshot at event {at} has the state {snapshot}, its events lead to {folded}")]
    Snapshot {
        /// Where.
        at: EventSeq,
        /// The hash of the snapshot.
        snapshot: StateHash,
        /// The hash of the fold.
        folded: StateHash,
    },
    /// The two ways to one place lead to two states.
    #[error(
        "the state at event {at} is {whole} by all events and {shortest} by the newest snapshot"
    )]
    Ways {
        /// Where.
        at: EventSeq,
        /// The hash by the long way.
        whole: StateHash,
        /// The hash by the short one.
        shortest: StateHash,
    },
}

/// What a log is at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The place.
    pub at: EventSeq,
    /// The hash of the state there.
    pub hash: StateHash,
    /// Whose log it is; `None` before its first event.
    pub log_id: Option<LogId>,
    /// The network of its wallet; `None` before its first event.
    pub network: Option<bitcoin::Network>,
    /// Events folded on the longest way that was gone.
    pub folded: u64,
    /// Modules that the log names.
    pub modules: u64,
}

/// Folds a log to a place, or to its end.
///
/// # Errors
/// [`FoldError`].
pub fn audit_one(reader: &Reader, to: Option<EventSeq>, way: Way) -> Result<Audit, FoldError> {
    let to = match to {
        Some(to) => to,
        None => reader.head()?,
    };
    let (fold, folded) = fold_to(reader, to, way)?;
    Ok(Audit {
        at: to,
        hash: fold.hash(),
        log_id: fold.log_id(),
        network: fold.network(),
        folded,
        modules: fold.state().book.modules.len().try_into().unwrap_or(u64::MAX),
    })
}

/// Folds a log to a place, or to its end, in both ways.
///
/// # Errors
/// [`FoldError`], also if they do not agree.
pub fn audit(reader: &Reader, to: Option<EventSeq>) -> Result<Audit, FoldError> {
    let whole = audit_one(reader, to, Way::Whole)?;
    let shortest = audit_one(reader, Some(whole.at), Way::Shortest)?;
    if whole.hash != shortest.hash {
        let (at, whole, shortest) = (whole.at, whole.hash, shortest.hash);
        return Err(FoldError::Ways { at, whole, shortest });
    }
    Ok(whole)
}

/// Folds, and begins again when the writer removed what was about to be read.
fn fold_to(reader: &Reader, to: EventSeq, way: Way) -> Result<(Fold, u64), FoldError> {
    let mut beginnings = 1;
    loop {
        match fold_once(reader, to, way) {
            Err(FoldError::Store(StoreError::Compacted { .. })) if beginnings < BEGINNINGS_MAX => {
                beginnings += 1;
            }
            outcome => return outcome,
        }
    }
}

fn fold_once(reader: &Reader, to: EventSeq, way: Way) -> Result<(Fold, u64), FoldError> {
    let removed = reader.beginning()?.last;
    let head = reader.head()?;
    if head < to {
        return Err(FoldError::Short { head, wanted: to });
    }
    // Oldest first.
    let mut snapshots = reader.snapshots()?;
    snapshots.reverse();
    snapshots.retain(|snapshot| snapshot.seq <= to && snapshot.seq >= removed);
    let begin = match way {
        Way::Whole if removed == EventSeq::ZERO => None,
        Way::Whole => snapshots.first(),
        Way::Shortest => snapshots.last(),
    };
    let mut fold = match begin {
        Some(snapshot) => Fold::from_snapshot(snapshot)?,
        None if removed == EventSeq::ZERO => Fold::start(),
        None => return Err(FoldError::Gone { wanted: to, removed }),
    };
    let mut folded = 0;
    while fold.at() < to {
        let records = reader.read_from(fold.at().next(), PAGE)?;
        if records.is_empty() {
            return Err(FoldError::Short { head: fold.at(), wanted: to });
        }
        for record in records.iter().take_while(|record| record.seq <= to) {
            fold.apply(record)?;
            folded += 1;
            check_snapshot(&fold, &snapshots)?;
        }
    }
    Ok((fold, folded))
}

/// Holds the fold against the snapshot that was made where it is.
fn check_snapshot(fold: &Fold, snapshots: &[Snapshot]) -> Result<(), FoldError> {
    let Some(made) = snapshots.iter().find(|snapshot| snapshot.seq == fold.at()) else {
        return Ok(());
    };
    let (snapshot, folded) = (Fold::from_snapshot(made)?.hash(), fold.hash());
    if snapshot == folded {
        return Ok(());
    }
    Err(FoldError::Snapshot { at: fold.at(), snapshot, folded })
}
