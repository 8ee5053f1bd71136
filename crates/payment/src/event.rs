//! What the machine writes to the log: its decisions, and what it learned elsewhere than in a round.
//!
//! Indices are the storage format and never reused (`docs/storage-format.md`).

use strait_primitives::{ChannelId, Preimage};
use strait_wire::CancelReason;

use crate::key::LockKey;
use crate::lock::Outcome;

/// One event. Told twice it changes nothing the second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum PaymentEvent {
    /// A lock that arrived is for this node, and its user decides.
    #[n(0)]
    Held {
        /// Which.
        #[n(0)]
        lock: LockKey,
    },
    /// A lock that arrived is passed on.
    #[n(1)]
    Forwarding {
        /// Which.
        #[n(0)]
        lock: LockKey,
        /// Through which channel.
        #[n(1)]
        channel: ChannelId,
    },
    /// The user claims a lock that is held for it.
    #[n(2)]
    Claiming {
        /// Which.
        #[n(0)]
        lock: LockKey,
        /// With what.
        #[n(1)]
        preimage: Preimage,
    },
    /// A lock goes back: for it nothing was ever proposed.
    #[n(3)]
    Cancelling {
        /// Which.
        #[n(0)]
        lock: LockKey,
        /// Why.
        #[n(1)]
        reason: CancelReason,
    },
    /// Someone showed the preimage of a lock that this node offered. A reorganisation does not undo that.
    #[n(4)]
    PreimageLearned {
        /// The preimage.
        #[n(0)]
        preimage: Preimage,
    },
    /// The chain settled a lock that this node offered, without its preimage and at final depth.
    #[n(5)]
    OutgoingGone {
        /// Which.
        #[n(0)]
        lock: LockKey,
    },
    /// The chain settled a lock for good: this is what became of its own output, whatever is known of its hash.
    #[n(6)]
    EndedOnChain {
        /// Which.
        #[n(0)]
        lock: LockKey,
        /// How.
        #[n(1)]
        outcome: Outcome,
    },
}
