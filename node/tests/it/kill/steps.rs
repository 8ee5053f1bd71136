//! How far an opening has come, by what a node has on disk.

use std::path::Path;

use strait_channel::ChannelEvent;
use strait_engine::Event;
use strait_log::StoreError;
use strait_primitives::EventSeq;
use strait_store::decode;
use strait_store_sqlite::Reader;

/// Events looked at in one go; an opening writes few, blocks and coins among them.
const LOOK_MAX: usize = 1_000;

/// A node's part in an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It asks.
    Opener,
    /// It answers.
    Acceptor,
}

/// The last event of an opening that a node has on disk, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Nothing,
    Offered,
    Answered,
    OpeningSigned,
    Opened,
}

/// Every step at which a node may die, with whose it is.
pub(super) const STEPS: [(Role, Step); 7] = [
    (Role::Opener, Step::Nothing),
    (Role::Opener, Step::Offered),
    (Role::Opener, Step::OpeningSigned),
    (Role::Opener, Step::Opened),
    (Role::Acceptor, Step::Nothing),
    (Role::Acceptor, Step::Answered),
    (Role::Acceptor, Step::Opened),
];

/// What a node writes from some moment on, read beside it or after its death.
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

    /// How far the opening has come on disk by now.
    pub(super) fn look(&mut self) -> Result<Step, StoreError> {
        for record in self.reader.read_from(self.from, LOOK_MAX)? {
            self.from = record.seq.next();
            let event = decode(&record).expect("a node writes what it can read");
            let Event::Channel { event, .. } = event else { continue };
            let step = match event {
                ChannelEvent::Offered { .. } => Step::Offered,
                ChannelEvent::Answered { .. } => Step::Answered,
                ChannelEvent::OpeningSigned { .. } => Step::OpeningSigned,
                ChannelEvent::Opened { .. } => Step::Opened,
                ChannelEvent::Abandoned { .. }
                | ChannelEvent::FundingConfirmed { .. }
                | ChannelEvent::FundingUnconfirmed
                | ChannelEvent::Proposed { .. }
                | ChannelEvent::Accepted { .. }
                | ChannelEvent::Revoked { .. }
                | ChannelEvent::Finalized { .. }
                | ChannelEvent::ContractOffered { .. }
                | ChannelEvent::ContractAgreed { .. }
                | ChannelEvent::ContractRefused { .. }
                | ChannelEvent::ShutdownSent { .. }
                | ChannelEvent::ShutdownReceived { .. }
                | ChannelEvent::CloseAgreed { .. }
                | ChannelEvent::ForceClosed { .. }
                | ChannelEvent::DataLost { .. }
                | ChannelEvent::RecoveryChosen { .. }
                | ChannelEvent::Spent { .. }
                | ChannelEvent::Unspent
                | ChannelEvent::Resolved { .. } => continue,
            };
            self.step = self.step.max(step);
        }
        Ok(self.step)
    }
}
