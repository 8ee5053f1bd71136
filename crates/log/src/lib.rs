//! The law of the log: **nothing signed leaves before a store says it is durable.**
//!
//! ```text
//! decide ──▶ Unsaved { records, effects } ──▶ Writer::append ──▶ Receipt
//!                          │                                        │
//!                          └───────────── saved(&receipt) ◀─────────┘ ──▶ effects
//! ```
//!
//! A machine that decides something wraps its effects in [`Unsaved`]. There is one way to them, [`Unsaved::saved`],
//! and it takes a [`Receipt`] that reaches past the events. Only [`Writer::append`] makes receipts, and only after
//! an [`EventStore`] has said that the bytes are on disk. Persist-before-send is thus a type, not a habit.
//!
//! Here live the law, the envelope of a record and the trait that stores implement. What the payload of a record
//! means is the business of `strait-store`; which disk it lands on, of `strait-store-sqlite` and its kin.
//!
//! **Invariant:** no other crate can construct a [`Receipt`]; this crate constructs one in one place.

mod memory;
mod receipt;
mod record;
mod store;
mod unsaved;

pub use memory::{Fault, InjectedFault, MemoryDisk, MemoryStore, WriteNumber};
pub use receipt::Receipt;
pub use record::{Record, RecordKind, RecordVersion, Snapshot};
pub use store::{AppendError, Epoch, EventStore, StoreError, Writer};
pub use unsaved::Unsaved;
