//! Sizes and times of the store, each with its unit and its reason.

use std::time::Duration;

/// Largest payload of one record, in bytes. Peers' messages stop far below; this bounds what a reader must hold.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// A row of `batches` is closed once it holds this many bytes, so that reading one record never means fetching an
/// arbitrarily large group commit.
pub(crate) const ROW_BYTES_TARGET: usize = 256 << 10;

/// Size of a database page in bytes. SQLite writes each page of a commit by itself and out of step with the file
/// system's blocks, so few large pages cost less: 270 KB took 450 µs to hand over in pages of 8 KiB, 190 in pages of 32.
/// The price is that the smallest commit writes 32 KiB, which takes no longer than 8.
pub(crate) const PAGE_BYTES: u32 = 32 << 10;

/// SQLite's page cache in KiB: holds a usual group commit, and no more, so that its pages stay in the processor's.
pub(crate) const CACHE_KIB: i64 = 4 << 10;

/// Bytes in the write-ahead file before a checkpoint starts beside the writer, quiet or not.
pub(crate) const CHECKPOINT_BYTES: u64 = 4 << 20;

/// The write-ahead file may grow to this many bytes under unbroken load; then the writer itself ends the checkpoint,
/// and the file is written over from its start: cheaper than growing it, because its blocks are there.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 16 << 20;

/// No append for this long is a quiet moment, good for a checkpoint.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// How long SQLite waits for a lock of another connection. Only a restart of the write-ahead file is ever that busy.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Snapshots kept: the newest, and one to fall back to.
pub(crate) const SNAPSHOTS_KEPT: u32 = 2;

/// Bytes that an append removes at most for each that it adds, while the database is too large. More than one, so that it
/// comes down; few, so that appends stay quick.
pub(crate) const REMOVED_PER_ADDED: u64 = 2;

/// Bytes that it removes beside: a small append makes progress as well. Some 30 pages.
pub(crate) const REMOVED_BYTES_BESIDE: u64 = 1 << 20;

/// What a row of `batches` is reckoned at beside its bytes, so that one append removes 16,384 at most beside its own share.
pub(crate) const ROW_BYTES_ABOUT: u64 = 64;

const _: () = assert!(REMOVED_PER_ADDED > 1);
const _: () = assert!(CHECKPOINT_BYTES < JOURNAL_BYTES_MAX);
const _: () = assert!(PAGE_BYTES.is_power_of_two() && PAGE_BYTES >= 512 && PAGE_BYTES <= 65_536);
