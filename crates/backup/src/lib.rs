//! Backups that prove themselves, and the log shipped to a second folder while the node runs.
//!
//! The command line takes, checks and restores backups with [`take`], [`check`] and [`restore`]; the node starts a [`Shipper`]
//! that carries every batch of its log to another folder, out of which [`restore_shipped`] makes a log again. A backup is
//! proved by folding it: the hash of the state it leads to stands in its manifest, and the log of the running node, folded to
//! the same place, has the same one.
//!
//! **Invariant:** the log of a node is only read, no file with more in it is replaced by one with less, no
//! folder is made where a disk should be, and no secret is written.
//!
//! Spec: `docs/recovery.md`, `docs/storage-format.md`, ADR-0011, ADR-0016.

mod audit;
mod check;
mod disk;
mod durable;
mod manifest;
mod modules;
mod regular;
mod restore;
mod scratch;
mod seals;
mod ship;
mod stamp;
mod take;

pub use audit::{Audit, FoldError, Way, audit, audit_one};
pub use check::{Check, CheckError, Checked, LiveLog, check};
pub use disk::{Disk, NoRoom, PlaceError};
pub use manifest::{Manifest, ManifestError, SealedTo};
pub use restore::{Proof, RestoreError, Restored, restore};
pub use seals::{OpenKey, SealKey};
pub use ship::{ShipError, ShipOptions, ShipStatus, Shipped, Shipper, restore_shipped};
pub use stamp::{note_node_id, read_stamp, write_stamp};
pub use take::{Order, TakeError, take};
