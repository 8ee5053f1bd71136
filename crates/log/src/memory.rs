//! The store in memory: a disk that survives its writers, with faults by script.
//!
//! Tests and the simulated world open it instead of a real store. A [`MemoryDisk`] is the medium; a [`MemoryStore`]
//! is one opening of it. Dropping or crashing the opening keeps the disk, opening it again fences the opening before.
//! Every write (a batch or a snapshot) has a number, and a [`Fault`] can be laid on it ahead of time, so that a run
//! is decided by its script alone.
//!
//! **Invariant:** nothing here reads a clock, a generator or a file; the same calls give the same answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strait_primitives::EventSeq;
use thiserror::Error;

use crate::{Epoch, EventStore, Record, Snapshot, StoreError};

/// Snapshots kept, as in the stores on disk: the newest, and one to fall back to.
const SNAPSHOTS_KEPT: usize = 2;

/// What the envelope of a record adds to its payload in [`EventStore::size_bytes`].
const RECORD_HEADER_BYTES: u64 = 16;

/// The number of a write to a [`MemoryDisk`]: the first batch or snapshot ever written to it has 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WriteNumber(pub u64);

/// What goes wrong at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The disk has no room: the write fails and leaves nothing; the opening takes no further writes.
    Full,
    /// Power goes before anything is synced: the write is lost, and the opening is dead.
    CrashBefore,
    /// Power goes in the middle: part of the write is on disk. The next opening drops a torn batch as a whole and
    /// passes a torn snapshot over.
    CrashTorn,
    /// Power goes after the sync and before the answer: the write is on disk, and nobody was told.
    CrashAfter,
    /// The disk says that the write is durable and forgets it, with all that follows, when the opening ends. No
    /// honest disk does this: it exists to prove that the simulated world's judge notices.
    Lie,
}

/// The account a [`MemoryStore`] gives of a scripted failure, found as the source of [`StoreError::Medium`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InjectedFault {
    /// The script laid this fault on this write.
    #[error("the script laid {fault:?} on write {}", write.0)]
    Scripted {
        /// The write that failed.
        write: WriteNumber,
        /// What the script asked for.
        fault: Fault,
    },
    /// An earlier failure ended this opening; only opening the disk again goes on.
    #[error("this opening of the disk ended at an earlier failure")]
    Ended,
}

/// How a snapshot lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Soundness {
    Sound,
    Torn,
}

/// What is on the medium.
#[derive(Debug, Default)]
struct Contents {
    /// The writer in force; 0 before the first opening.
    epoch: u64,
    /// Every record that reads return.
    records: Vec<Record>,
    /// Records that are really there: fewer than `records` only after a [`Fault::Lie`].
    durable: Option<usize>,
    /// Records of a batch whose write was cut short; the next opening drops them.
    torn: Vec<Record>,
    /// Oldest first; [`SNAPSHOTS_KEPT`] of them, and those whose write was cut short since.
    snapshots: Vec<(Snapshot, Soundness)>,
    /// Writes asked for so far.
    writes: u64,
    /// Faults to come, by the write they hit.
    script: BTreeMap<WriteNumber, Fault>,
}

impl Contents {
    /// Takes the number of the next write and the fault laid on it.
    fn begin_write(&mut self) -> (WriteNumber, Option<Fault>) {
        let write = WriteNumber(self.writes);
        self.writes = self.writes.checked_add(1).expect("a test makes fewer than 2^64 writes");
        (write, self.script.remove(&write))
    }

    /// Brings the disk to what a machine finds after it was switched off and on.
    fn recover(&mut self) {
        if let Some(durable) = self.durable.take() {
            self.records.truncate(durable);
        }
        self.torn.clear();
        let head = head_of(&self.records);
        self.snapshots.retain(|(snapshot, _)| snapshot.seq <= head);
    }
}

/// The last place in `records`.
fn head_of(records: &[Record]) -> EventSeq {
    records.last().map_or(EventSeq::ZERO, |record| record.seq)
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    contents: Arc<Mutex<Contents>>,
}

impl MemoryDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the disk for writing: recovers it as after a power cut and fences whoever had it open.
    #[must_use]
    pub fn open(&self) -> MemoryStore {
        let mut contents = self.lock();
        contents.recover();
        contents.epoch = contents.epoch.checked_add(1).expect("a test opens fewer than 2^64 times");
        MemoryStore {
            disk: self.clone(),
            epoch: Epoch(contents.epoch),
            head: head_of(&contents.records),
            life: Life::Running,
        }
    }

    /// Lays `fault` on a write to come, replacing what lay there.
    pub fn lay(&self, write: WriteNumber, fault: Fault) {
        self.lock().script.insert(write, fault);
    }

    /// Takes all faults off the writes to come.
    pub fn heal(&self) {
        self.lock().script.clear();
    }

    /// The number that the next write will have.
    #[must_use]
    pub fn next_write(&self) -> WriteNumber {
        WriteNumber(self.lock().writes)
    }

    /// A copy of every record that the next opening will find.
    #[must_use]
    pub fn durable_records(&self) -> Vec<Record> {
        let contents = self.lock();
        let durable = contents.durable.unwrap_or(contents.records.len());
        contents.records.iter().take(durable).cloned().collect()
    }

    /// Copies of the records after `seq` that the next opening will find.
    #[must_use]
    pub fn durable_after(&self, seq: EventSeq) -> Vec<Record> {
        let contents = self.lock();
        let durable = contents.durable.unwrap_or(contents.records.len());
        let start = contents.records.partition_point(|record| record.seq <= seq);
        contents.records.iter().take(durable).skip(start).cloned().collect()
    }

    /// Spoils the newest snapshot, so that the one before is used; does nothing without snapshots.
    pub fn tear_newest_snapshot(&self) {
        if let Some((_, soundness)) = self.lock().snapshots.last_mut() {
            *soundness = Soundness::Torn;
        }
    }

    /// The contents; a panic of another test thread leaves them as they were, which is what a crash does.
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an opening still takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Ended,
}

/// One opening of a [`MemoryDisk`] for writing.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    epoch: Epoch,
    head: EventSeq,
    life: Life,
}

impl MemoryStore {
    /// The disk that stays when this opening ends.
    #[must_use]
    pub fn disk(&self) -> MemoryDisk {
        self.disk.clone()
    }

    /// Checks that this opening may still act.
    fn admit(&self, contents: &Contents, action: &'static str) -> Result<(), StoreError> {
        if self.life == Life::Ended {
            return Err(medium(action, InjectedFault::Ended));
        }
        if contents.epoch != self.epoch.0 {
            return Err(StoreError::Fenced { ours: self.epoch, current: Epoch(contents.epoch) });
        }
        Ok(())
    }

    /// Ends this opening with the account of a scripted fault.
    fn end(&mut self, action: &'static str, write: WriteNumber, fault: Fault) -> StoreError {
        self.life = Life::Ended;
        medium(action, InjectedFault::Scripted { write, fault })
    }
}

/// A failure of the medium with our own account of it.
fn medium(action: &'static str, fault: InjectedFault) -> StoreError {
    StoreError::Medium { action, source: Box::new(fault) }
}

impl EventStore for MemoryStore {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn head(&self) -> EventSeq {
        self.head
    }

    fn append_batch(&mut self, records: &[Record]) -> Result<(), StoreError> {
        const ACTION: &str = "append to the log";
        let mut last = self.head;
        for record in records {
            assert_eq!(record.seq, last.next(), "records must continue the log");
            last = record.seq;
        }
        let disk = self.disk.clone();
        let mut contents = disk.lock();
        self.admit(&contents, ACTION)?;
        let (write, fault) = contents.begin_write();
        match fault {
            None => {}
            Some(Fault::Lie) => {
                let honest = contents.records.len();
                contents.durable.get_or_insert(honest);
            }
            Some(fault @ (Fault::Full | Fault::CrashBefore)) => {
                return Err(self.end(ACTION, write, fault));
            }
            Some(fault @ Fault::CrashTorn) => {
                let kept = records.len() / 2;
                contents.torn.extend(records.iter().take(kept).cloned());
                return Err(self.end(ACTION, write, fault));
            }
            Some(fault @ Fault::CrashAfter) => {
                contents.records.extend_from_slice(records);
                return Err(self.end(ACTION, write, fault));
            }
        }
        contents.records.extend_from_slice(records);
        self.head = last;
        Ok(())
    }

    fn read_from(&self, from: EventSeq, limit: usize) -> Result<Vec<Record>, StoreError> {
        if self.life == Life::Ended {
            return Err(medium("read the log", InjectedFault::Ended));
        }
        let contents = self.disk.lock();
        let start = contents.records.partition_point(|record| record.seq < from);
        Ok(contents.records.iter().skip(start).take(limit).cloned().collect())
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        const ACTION: &str = "keep a snapshot";
        assert!(snapshot.seq <= self.head, "a snapshot cannot lie ahead of the log");
        let disk = self.disk.clone();
        let mut contents = disk.lock();
        self.admit(&contents, ACTION)?;
        let (write, fault) = contents.begin_write();
        match fault {
            None | Some(Fault::CrashAfter | Fault::Lie) => {}
            Some(fault @ (Fault::Full | Fault::CrashBefore)) => {
                return Err(self.end(ACTION, write, fault));
            }
            Some(fault @ Fault::CrashTorn) => {
                contents.snapshots.push((snapshot.clone(), Soundness::Torn));
                return Err(self.end(ACTION, write, fault));
            }
        }
        contents.snapshots.retain(|(kept, _)| kept.seq != snapshot.seq);
        contents.snapshots.push((snapshot.clone(), Soundness::Sound));
        contents.snapshots.sort_by_key(|(kept, _)| kept.seq);
        let surplus = contents.snapshots.len().saturating_sub(SNAPSHOTS_KEPT);
        contents.snapshots.drain(..surplus);
        match fault {
            Some(Fault::CrashAfter) => Err(self.end(ACTION, write, Fault::CrashAfter)),
            None | Some(Fault::Full | Fault::CrashBefore | Fault::CrashTorn | Fault::Lie) => Ok(()),
        }
    }

    fn latest_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        if self.life == Life::Ended {
            return Err(medium("read a snapshot", InjectedFault::Ended));
        }
        let contents = self.disk.lock();
        let sound = |(_, soundness): &&(Snapshot, Soundness)| *soundness == Soundness::Sound;
        Ok(contents.snapshots.iter().rev().find(sound).map(|(snapshot, _)| snapshot.clone()))
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let contents = self.disk.lock();
        let bytes = contents.records.iter().map(|record| {
            let payload = u64::try_from(record.payload.len()).expect("a length fits 64 bits");
            payload.saturating_add(RECORD_HEADER_BYTES)
        });
        Ok(bytes.fold(0, u64::saturating_add))
    }
}

#[cfg(test)]
mod tests;
