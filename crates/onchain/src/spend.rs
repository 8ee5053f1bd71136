//! What becomes of a commitment on chain: claims of its outputs once it has confirmed, and the child that pays for it
//! before.
//!
//! A [`Claim`] knows how one output is spent by one path; a [`ClaimTransaction`] sweeps any number of them, of any
//! channels, into one wallet. The watcher decides which and when; the signer signs the messages asked for.
//!
//! Spec: protocol, sections 3 and 4.

mod anchor_child;
mod claim;
mod claim_transaction;

pub use anchor_child::{AnchorChild, AnchorChildError};
pub use claim::{Claim, ClaimError, ClaimKey, Coin};
pub use claim_transaction::{ClaimTransaction, SignatureRequest, SpendError};

#[cfg(test)]
mod tests;
