//! The largest message of a round.

use strait_primitives::{ChannelId, CommitmentNumber, SchnorrSignature};
use strait_wire::{Message, Operations, Propose};

use crate::duo::payment;

/// A proposal of so many payments.
///
/// # Panics
/// If a round does not carry as many.
#[must_use]
pub fn proposal(payments: u64) -> Message {
    let operations = Operations::new((0..payments).map(payment).collect());
    Message::Propose(Propose {
        channel: ChannelId::from_bytes([1; 32]),
        number: CommitmentNumber::new(1_000).expect("small enough"),
        operations: operations.expect("a round carries as many"),
        signature: SchnorrSignature::from_bytes([2; 64]),
    })
}
