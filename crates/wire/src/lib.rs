//! Peer messages to bytes and back: total, bounded, versioned.
//!
//! A frame is a two-byte big-endian message type followed by the CBOR body; the four-byte length in front of it on the
//! stream belongs to `strait-net`. [`Message::from_frame`] is a gate: what passes has every length, count and range
//! checked, but nothing verified against a channel. Whether a message fits the moment is the channel machine's question.
//!
//! Versions: fields are indexed and unknown ones are skipped; unknown message types from `0x8000` on are ignored, below
//! they are an error (`docs/protocol`, section 12).
//!
//! **Invariant:** decoding allocates in proportion to the frame, never to a number written inside it, and never panics.

mod bounded;
mod closing;
mod contract;
mod frame;
pub mod limits;
mod opening;
mod operation;
mod reestablish;
mod round;
mod route;
mod session;

pub use bounded::{ContractBytes, Note, Reference, ScriptBytes};
pub use closing::{CloseOffer, CloseSign, CloseTerms, Shutdown};
pub use contract::{AgreeContract, OfferContract, RefuseContract};
pub use frame::{FrameError, Message};
pub use opening::{
    AcceptChannel, ChannelKeys, Contribution, FundingInput, OpenChannel, Parameters, SignOpening,
};
pub use operation::{CancelReason, Operation, Operations, OperationsError};
pub use reestablish::{OutstandingRound, Reestablish, RoundRole, StoreState};
pub use round::{Accept, Finalize, Propose, RequestTurn, TurnMove, TurnWish};
pub use route::{Hop, Route};
pub use session::{Fault, FaultCode, Hello};

#[cfg(test)]
mod tests;
