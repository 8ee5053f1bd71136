//! The two-party channel machine: two nodes, one ledger, one signature each way per round.
//!
//! ```text
//! handle_* (the world acts on the channel) ──▶ Decision { events, effects } ◀── poll (the channel acts)
//!                                                 │
//!                       ChannelState::apply ◀─────┘  (the fold; replay runs the same code)
//! ```
//!
//! A [`Channel`] is its durable [`ChannelState`] (a fold of [`ChannelEvent`]s), the secrets that belong to it, and what
//! a restart may forget: queued requests, the state of the connection, nonces of a close. Every `handle_*` records its
//! events into the state at once and returns them with effects that must wait until the events are saved; the engine
//! sees to that. After each batch of inputs the engine calls [`Channel::poll`], which proposes a round if there is
//! something to propose.
//!
//! One file per mechanism: `opening`, `round`, `agreement` (contracts), `reestablish`, `closing`, `recovery`. The law of the ledger
//! is in `ledger`, the fold in `state`.
//!
//! **Invariant:** nothing here reads a clock, makes entropy, or knows of blocks, sockets and disks. What the peer sends
//! is an error to be returned; what this node promised itself is an assertion.

mod agreement;
mod chain;
mod channel;
mod closing;
mod commitments;
mod decision;
mod draft;
mod event;
mod ledger;
mod limits;
mod opening;
mod party;
mod recovery;
mod reestablish;
mod round;
mod setup;
mod state;

pub use agreement::ContractPolicy;
pub use channel::{Channel, Link, Request};
pub use commitments::{Commitments, txid_digest, txid_of};
pub use decision::{
    ChannelEffect, ContractAnswer, Decision, Moment, Notice, Reaction, RequestError, TipStanding,
    Violation,
};
pub use event::{AbandonReason, CarriedRequest, ChannelEvent, ForceReason, Signed, Spender};
pub use ledger::{
    Agreement, Agreements, ContractChange, Contracts, DUST_LIMIT, LOCKS_MAX, Ledger, LedgerError,
    LiveContract, Lock, LockedOutput, RoundContext, Rules,
};
pub use opening::{Answer, Offer, OpeningPolicy, channel_id};
pub use party::{Pair, channel_party, contract_party};
pub use recovery::{Recovery, RecoveryError};
pub use setup::{FundingOutput, Setup};
pub use state::{
    Answered as AnsweredState, ChannelState, Closing, Ended, Ending, Funded, Live, LockHistory,
    LockSpan, Offered, OpeningSigned, Outstanding, Phase, Rounds,
};
