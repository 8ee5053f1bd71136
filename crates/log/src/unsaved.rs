//! Decisions that wait for the disk.

use strait_primitives::EventSeq;

use crate::Receipt;

/// Events decided but not yet durable, and the effects that may happen once they are.
///
/// `E` is the machine's event, `F` its effect. The events have already been folded into the machine (the next
/// decision builds on them); the effects are sealed until [`Unsaved::saved`].
#[derive(Debug)]
#[must_use = "events must reach the log, and effects wait for it"]
pub struct Unsaved<E, F> {
    first: EventSeq,
    events: Vec<E>,
    effects: Vec<F>,
}

impl<E, F> Unsaved<E, F> {
    /// Seals `effects` behind `events`, the first of which takes the place `first` in the log.
    ///
    /// With no events the effects still wait for all that was decided before `first`: an answer must not tell what
    /// a power cut could take back.
    pub const fn new(first: EventSeq, events: Vec<E>, effects: Vec<F>) -> Self {
        Self { first, events, effects }
    }

    /// The place of the first event.
    #[must_use]
    pub const fn first(&self) -> EventSeq {
        self.first
    }

    /// The last event that must be durable before the effects may happen.
    #[must_use]
    pub fn waits_for(&self) -> EventSeq {
        let before_first = self.first.to_u64().saturating_sub(1);
        EventSeq::new(before_first).advanced(self.events.len() as u64)
    }

    /// The events, to be encoded and stored.
    #[must_use]
    pub fn events(&self) -> &[E] {
        &self.events
    }

    /// True if there is nothing to store and nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty()
    }

    /// Opens the effects, in the order they were decided.
    ///
    /// # Panics
    /// If the receipt does not reach [`Unsaved::waits_for`]: someone tried to act before the disk had it, and a node
    /// that would do so must stop.
    #[must_use = "the effects are what the decision was for"]
    pub fn saved(self, receipt: &Receipt) -> Vec<F> {
        assert!(
            receipt.durable() >= self.waits_for(),
            "effects of event {} were asked for when only {} was durable",
            self.waits_for(),
            receipt.durable(),
        );
        self.effects
    }
}
