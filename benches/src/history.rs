//! A channel's life in the log: the opening, and many rounds, as the payer and as the payee have them.

use strait_channel::ChannelEvent;
use strait_engine::{Event, NodeState};
use strait_log::Record;
use strait_primitives::{ChannelId, EventSeq, Timestamp};

use crate::duo::{Duo, Log};

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It proposes: each round is `Proposed` and `Revoked`, and its requests go into the book.
    Payer,
    /// It accepts: each round is `Accepted` and `Finalized`.
    Payee,
}

/// One node's log of one channel.
#[derive(Debug)]
pub struct History {
    /// The fold of the opening.
    pub opened: NodeState,
    /// The events of all rounds after it.
    pub events: Vec<Event>,
    /// The same events in their envelopes.
    pub records: Vec<Record>,
}

impl History {
    /// Runs `rounds` rounds of `payments` payments each; gives the payer's log and the payee's.
    #[must_use]
    pub fn of_rounds(rounds: u64, payments: u64) -> [Self; 2] {
        let (mut duo, opening) = Duo::open();
        let mut log = Log::default();
        for _ in 0..rounds {
            let requests = duo.requests(payments);
            let Log { mut payer, mut payee } = duo.round(requests);
            log.payer.append(&mut payer);
            log.payee.append(&mut payee);
        }
        let id = duo.id();
        [Self::new(id, opening.payer, log.payer), Self::new(id, opening.payee, log.payee)]
    }

    fn new(channel: ChannelId, opening: Vec<ChannelEvent>, rounds: Vec<ChannelEvent>) -> Self {
        let mut opened = NodeState::default();
        for event in opening {
            opened.apply(&Event::Channel { channel, event });
        }
        let events: Vec<Event> =
            rounds.into_iter().map(|event| Event::Channel { channel, event }).collect();
        let at = Timestamp::from_unix_ms(1_700_000_000_000);
        let records =
            events.iter().zip(1..).map(|(e, n)| strait_store::encode(e, EventSeq::new(n), at));
        let records = records.collect();
        Self { opened, events, records }
    }

    /// Folds all rounds on top of the opening.
    #[must_use]
    pub fn apply(&self, mut state: NodeState) -> NodeState {
        for event in &self.events {
            state.apply(event);
        }
        state
    }

    /// Reads all rounds out of their envelopes and folds them: what a start does with the tail of the log.
    ///
    /// # Panics
    /// Never: the records were encoded here.
    #[must_use]
    pub fn decode_and_apply(&self, mut state: NodeState) -> NodeState {
        for record in &self.records {
            state.apply(&strait_store::decode(record).expect("encoded here"));
        }
        state
    }

    /// Bytes of all payloads.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.records.iter().map(|record| record.payload.len()).sum()
    }
}
