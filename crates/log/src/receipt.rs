//! The proof that a prefix of the log is durable.

use strait_primitives::EventSeq;

use crate::Epoch;

/// Proof that every event up to and including [`Receipt::durable`] survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a receipt opens the effects that wait for it"]
pub struct Receipt {
    epoch: Epoch,
    durable: EventSeq,
}

impl Receipt {
    /// Made by [`crate::Writer::append`] alone, after the store has answered.
    pub(crate) const fn mint(epoch: Epoch, durable: EventSeq) -> Self {
        Self { epoch, durable }
    }

    /// The last durable event.
    #[must_use]
    pub const fn durable(&self) -> EventSeq {
        self.durable
    }

    /// The writer that made it durable.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
}
