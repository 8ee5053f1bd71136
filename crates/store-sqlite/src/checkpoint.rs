//! The checkpointer: moves the write-ahead file into the database beside the writer, so that appends do not stall.
//!
//! A thread with a connection of its own checkpoints when enough was appended or when no append came for a while.
//! It never holds the writer up: SQLite's passive mode takes what is complete and leaves the rest. Under unbroken
//! load the rest never runs out, so past a limit the writer ends the checkpoint itself, which is then short, and
//! SQLite starts the write-ahead file over in the space it already has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Error};
use strait_log::StoreError;
use strait_primitives::EventSeq;

use crate::OpenError;
use crate::connection::{store_error, writable};
use crate::limits::{CHECKPOINT_BYTES, JOURNAL_BYTES_MAX, PAGE_BYTES, QUIET};

/// What writer and thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes appended and not yet taken by a checkpoint, as far as the writer can tell.
    pending_bytes: AtomicU64,
    /// Bytes in the write-ahead file at the end of the last checkpoint that left something behind; 0 after a full one.
    left_bytes: AtomicU64,
    /// Checkpoints that failed, over the life of the store.
    failures: AtomicU64,
}

impl Shared {
    /// Checkpoints once and notes what came of it.
    fn checkpoint(&self, connection: &Connection) -> Result<(), Error> {
        let taken = self.pending_bytes.load(Ordering::Acquire);
        let (busy, frames, moved): (i64, i64, i64) =
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        if busy != 0 {
            // The other end is at it.
            return Ok(());
        }
        self.pending_bytes.fetch_sub(taken, Ordering::AcqRel);
        let frames_left = if moved < frames { u64::try_from(frames).unwrap_or(0) } else { 0 };
        self.left_bytes.store(frames_left.saturating_mul(u64::from(PAGE_BYTES)), Ordering::Release);
        Ok(())
    }
}

/// The writer's end of the checkpointer; dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    /// Taken when the thread is told to end.
    wake: Option<SyncSender<()>>,
    /// Taken when the thread is waited for.
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread on a connection of its own.
    pub(crate) fn start(database: &Path) -> Result<Self, OpenError> {
        let connection = writable(database)?;
        let shared = Arc::new(Shared::default());
        let (wake, woken) = sync_channel(1);
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(&connection, &of_thread, &woken))
            .map_err(|source| OpenError::Directory { path: database.into(), source })?;
        Ok(Self { shared, wake: Some(wake), thread: Some(thread) })
    }

    /// Told before each append: ends the checkpoint on the writer's connection if the write-ahead file is too long.
    pub(crate) fn before_append(
        &self,
        connection: &Connection,
        head: EventSeq,
    ) -> Result<(), StoreError> {
        let left = self.shared.left_bytes.load(Ordering::Acquire);
        let pending = self.shared.pending_bytes.load(Ordering::Acquire);
        if left.max(pending) < JOURNAL_BYTES_MAX {
            return Ok(());
        }
        self.shared
            .checkpoint(connection)
            .map_err(|error| store_error("move the journal into the database", head, error))
    }

    /// Told after each append how much it wrote.
    pub(crate) fn appended(&self, bytes: u64) {
        let before = self.shared.pending_bytes.fetch_add(bytes, Ordering::AcqRel);
        let after = before.saturating_add(bytes);
        if before == 0 || (before < CHECKPOINT_BYTES && after >= CHECKPOINT_BYTES) {
            // A full channel means that the thread has been woken already.
            let _woken = self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }

    /// Checkpoints that failed so far. The log stays durable in the write-ahead file, which grows meanwhile.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // The thread panics only if SQLite's binding does; the log does not depend on it.
            let _ended = thread.join();
        }
    }
}

/// The thread: sleeps until something was appended, then until there is enough or a quiet moment, and checkpoints.
fn run(connection: &Connection, shared: &Shared, woken: &Receiver<()>) {
    loop {
        if shared.pending_bytes.load(Ordering::Acquire) == 0 && woken.recv().is_err() {
            return;
        }
        if await_moment(shared, woken) == Moment::End {
            return;
        }
        if shared.checkpoint(connection).is_err() {
            shared.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the thread was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Checkpoint,
    End,
}

/// Waits until a checkpoint is worth it. Always waits once, so that a failing checkpoint is not retried in a hurry.
fn await_moment(shared: &Shared, woken: &Receiver<()>) -> Moment {
    let mut seen = shared.pending_bytes.load(Ordering::Acquire);
    loop {
        match woken.recv_timeout(QUIET) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Moment::End,
        }
        let now = shared.pending_bytes.load(Ordering::Acquire);
        // Past the limit the writer ends the checkpoint, which needs this thread out of the way.
        let is_ours = shared.left_bytes.load(Ordering::Acquire) < JOURNAL_BYTES_MAX;
        if now == seen || (now >= CHECKPOINT_BYTES && is_ours) {
            return Moment::Checkpoint;
        }
        seen = now;
    }
}
