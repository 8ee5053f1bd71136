//! Events to durable records and back; the node's state to snapshots and back; and the fold that reads them at start.
//!
//! A record is an envelope (`strait-log`) whose payload is one event in CBOR. Its kind and version say how to read it:
//! every layout that was ever released stays readable here, and only here. Which medium the records lie on is the
//! business of `strait-store-sqlite` and its kin.
//!
//! **Invariant:** what cannot be read stops the start; nothing is skipped, guessed or overwritten.
//!
//! Format: `docs/storage-format.md`, ADR-0003.

mod fold;
mod record;
mod replay;

pub use fold::{Fold, LogId, NotAHash, StateHash};
pub use record::{DecodeError, decode, decode_snapshot, encode, encode_snapshot, kind_name};
pub use replay::{ReplayError, Replayed, replay};
