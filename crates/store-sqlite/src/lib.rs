//! The event store on SQLite: the log of one node in `data_dir/strait.db`.
//!
//! The composition root opens a [`SqliteStore`] and hands it to [`strait_log::Writer`]; whoever only reads (the event
//! stream of the API, projections) opens a [`Reader`], which works while the writer writes. This is the only crate
//! that knows `rusqlite`. What lies on disk, byte by byte, is `docs/storage-format.md`.
//!
//! One group commit is one SQLite transaction in write-ahead mode with `synchronous=FULL`, so an append costs about
//! one `fdatasync`. Batches are chained by checksums. A lock file keeps a second process out, an epoch checked in
//! each append stops a writer that was overtaken all the same, and a mark beside the database tells when the end
//! of the log went missing. What snapshots cover is removed when the log has become large. A backup carries a mark of its own, and whoever opens it learns that it is one.
//!
//! **Invariant:** opening a damaged log changes nothing on disk, and what a payload means is never looked at.

mod backup;
mod batch;
mod checkpoint;
mod compaction;
mod connection;
mod inspect;
mod limits;
mod lock;
mod mark;
mod open_error;
mod reader;
mod rows;
mod schema;
mod snapshots;
mod store;
mod verify;
mod walk;

pub use backup::{Backup, BackupError, NamedFile, back_up, named_files, restore, restore_with};
pub use limits::RECORD_BYTES_MAX;
pub use lock::DirectoryLock;
pub use open_error::OpenError;
pub use reader::Reader;
pub use rows::{Place, Row};
pub use schema::SchemaVersion;
pub use store::{Options, SqliteStore};
pub use verify::{Verified, verify};
