//! How far a node in the middle has come with a lock that it passes on, by what it has on disk.

use std::path::Path;

use strait_channel::ChannelEvent;
use strait_engine::Event;
use strait_log::StoreError;
use strait_payment::PaymentEvent;
use strait_primitives::EventSeq;
use strait_store::decode;
use strait_store_sqlite::Reader;
use strait_wire::Operation;

/// Events looked at in one go.
const LOOK_MAX: usize = 1_000;

/// What the node in the middle writes for a lock that it passes on, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Nothing yet.
    Nothing,
    /// It accepted the round that adds the lock.
    Accepted,
    /// It decided to pass it on.
    Forwarding,
    /// It proposed the lock that passes it on.
    Proposed,
    /// The next node accepted that.
    Standing,
    /// It was shown the preimage.
    Learned,
    /// It proposed to claim the lock.
    Claiming,
    /// The claim is final.
    Claimed,
}

/// Every step, in order.
pub(super) const STEPS: [Step; 8] = [
    Step::Nothing,
    Step::Accepted,
    Step::Forwarding,
    Step::Proposed,
    Step::Standing,
    Step::Learned,
    Step::Claiming,
    Step::Claimed,
];

/// What a node writes from some moment on.
pub(super) struct Witness {
    reader: Reader,
    from: EventSeq,
    step: Step,
}

impl Witness {
    /// Of a node that has nothing to write now.
    pub(super) fn of(data_dir: &Path) -> Self {
        let reader = Reader::new(data_dir);
        let from = reader.head().unwrap().next();
        Self { reader, from, step: Step::Nothing }
    }

    /// How far it has come by now.
    pub(super) fn look(&mut self) -> Result<Step, StoreError> {
        for record in self.reader.read_from(self.from, LOOK_MAX)? {
            self.from = record.seq.next();
            let event = decode(&record).expect("a node writes what it can read");
            if let Some(step) = step_of(&event, self.step) {
                self.step = self.step.max(step);
            }
        }
        Ok(self.step)
    }
}

fn step_of(event: &Event, before: Step) -> Option<Step> {
    if let Event::Payment(decision) = event {
        return match decision {
            PaymentEvent::Forwarding { .. } => Some(Step::Forwarding),
            PaymentEvent::PreimageLearned { .. } => Some(Step::Learned),
            PaymentEvent::Held { .. }
            | PaymentEvent::Claiming { .. }
            | PaymentEvent::Cancelling { .. }
            | PaymentEvent::OutgoingGone { .. }
            | PaymentEvent::EndedOnChain { .. } => None,
        };
    }
    let Event::Channel { event, .. } = event else { return None };
    step_of_round(event, before)
}

fn step_of_round(event: &ChannelEvent, before: Step) -> Option<Step> {
    if let ChannelEvent::Accepted { operations, .. } = event {
        return operations.as_slice().iter().any(adds).then_some(Step::Accepted);
    }
    if let ChannelEvent::Proposed { operations, .. } = event {
        let operations = operations.as_slice();
        let added = operations.iter().any(adds).then_some(Step::Proposed);
        return added.or_else(|| operations.iter().any(claims).then_some(Step::Claiming));
    }
    let is_over = matches!(event, ChannelEvent::Revoked { .. });
    match before {
        Step::Proposed if is_over => Some(Step::Standing),
        Step::Claiming if is_over => Some(Step::Claimed),
        Step::Nothing
        | Step::Accepted
        | Step::Forwarding
        | Step::Proposed
        | Step::Standing
        | Step::Learned
        | Step::Claiming
        | Step::Claimed => None,
    }
}

const fn adds(operation: &Operation) -> bool {
    matches!(operation, Operation::AddLock { .. })
}

const fn claims(operation: &Operation) -> bool {
    matches!(operation, Operation::ClaimLock { .. })
}
