//! Locks in use: which are held for a user, which are passed on, and when each may be claimed or given back.
//!
//! ```text
//! incoming   Arrived ──▶ Held ───────▶ Claiming ──▶ claimed
//!               │   └──▶ Forwarding ──▶   │
//!               └──────▶ Cancelling ◀─────┴───────▶ cancelled, or back on chain
//! outgoing   Proposed ──▶ Standing ──▶ claimed, cancelled, or back on chain
//! ```
//!
//! A [`PaymentBook`] is a fold: of what channels' rounds do to locks (`note_*`, which the engine calls for the channels'
//! own events, so that nothing is stored twice), and of [`PaymentEvent`]s, the decisions. The engine asks it what to
//! propose ([`PaymentBook::settlements`]), what an arrived lock is good for ([`judge`]), and which deadlines have come
//! ([`PaymentBook::deadlines`]).
//!
//! Laws:
//! - A lock is known by its [`LockKey`], never by its hash or amount; hashes only say which locks a preimage opens.
//! - One incoming lock is passed on by one outgoing lock at most: the request that carries it has one key for ever.
//! - An incoming lock is given back only if nothing was ever proposed for it, or what was is gone for good: cancelled in
//!   a round that is over on both sides, or settled by the chain without its preimage.
//! - A preimage is kept until no lock with its hash is left.
//!
//! **Invariant:** no clock, entropy, file, socket or thread; it sees no channel and no chain, only what it is told.
//!
//! Spec: protocol, sections 4 and 10.

mod book;
mod event;
mod judge;
mod key;
mod limits;
mod lock;
mod policy;
mod round;

pub use book::{Deadlines, PaymentBook, Showing};
pub use event::PaymentEvent;
pub use judge::{Channels, Verdict, judge};
pub use key::{LockKey, ParseLockKeyError};
pub use lock::{
    EndedLock, Incoming, IncomingState, LockTerms, Origin, Outcome, Outgoing, OutgoingState,
};
pub use policy::{Forwarding, LockPolicy};
pub use strait_onchain::payment_hash_of;

#[cfg(test)]
mod tests;
