//! What of the log before a stream's beginning its story cannot do without: which party this node is in a channel, and
//! which module a contract runs.
//!
//! The story looks here the first time it meets what began before its stream did. The newest snapshot before that moment
//! and the events after it know all that stood then. Where every snapshot is newer, all of them are asked, which know what
//! stands still and which channels have ended, and then a bounded part of the log before.
//!
//! **Invariant:** nothing here writes.

use std::collections::BTreeMap;

use strait_channel::{ChannelEvent, Live};
use strait_engine::{Event, NodeState};
use strait_log::StoreError;
use strait_primitives::{ChannelId, ContractId, EventSeq, ModuleHash, Party};
use strait_store::{decode, decode_snapshot};
use strait_store_sqlite::Reader;

use super::story::{LOOK_BACK, StoryError};

/// Records read at a time.
const PAGE: u64 = 1_024;

/// Channels and contracts that began before a stream did.
#[derive(Debug)]
pub(super) struct Past {
    /// Which party this node is.
    parties: BTreeMap<ChannelId, Party>,
    /// What contracts run that were agreed to.
    modules: BTreeMap<ContractId, ModuleHash>,
}

impl Past {
    /// Nothing is known yet.
    pub(super) const fn new() -> Self {
        Self { parties: BTreeMap::new(), modules: BTreeMap::new() }
    }

    /// Which party this node is in a channel.
    pub(super) fn party(&self, channel: &ChannelId) -> Option<Party> {
        self.parties.get(channel).copied()
    }

    /// What a contract runs.
    pub(super) fn module(&self, contract: &ContractId) -> Option<ModuleHash> {
        self.modules.get(contract).copied()
    }

    /// Adds what was known before to what came since.
    pub(super) fn add(&mut self, before: Self) {
        for (channel, party) in before.parties {
            self.parties.entry(channel).or_insert(party);
        }
        for (contract, module) in before.modules {
            self.modules.entry(contract).or_insert(module);
        }
    }

    /// What the log knows of what stood before the event at `place`.
    pub(super) fn before(reader: &Reader, place: EventSeq) -> Result<Self, StoryError> {
        let mut past = Self::new();
        let mut from = EventSeq::new(place.to_u64().saturating_sub(LOOK_BACK));
        for snapshot in reader.snapshots()? {
            past.note_state(&decode_snapshot(&snapshot)?);
            if snapshot.seq < place {
                from = snapshot.seq.next();
                break;
            }
        }
        past.note_events(reader, from.max(reader.oldest()?), place)?;
        Ok(past)
    }

    fn note_state(&mut self, state: &NodeState) {
        for channel in state.channels.values() {
            self.parties.insert(channel.id, channel.party);
            if let Some(live) = channel.live() {
                self.note_contracts(live);
            }
        }
        let ended = state.book.ended.iter();
        self.parties.extend(ended.map(|channel| (channel.id, channel.party)));
    }

    fn note_contracts(&mut self, live: &Live) {
        let agreed = live.agreements.iter().chain(&live.offers);
        let agreed = agreed.map(|(contract, agreement)| (*contract, agreement.terms.module));
        let open = live.rounds.ledger.contracts();
        let open = open.map(|(contract, live)| (contract, live.terms.module));
        self.modules.extend(agreed.chain(open));
    }

    fn note_events(
        &mut self,
        reader: &Reader,
        from: EventSeq,
        place: EventSeq,
    ) -> Result<(), StoryError> {
        let mut next = from;
        while next < place {
            let left = place.to_u64().saturating_sub(next.to_u64()).min(PAGE);
            let limit = usize::try_from(left).unwrap_or(usize::MAX);
            let records = match reader.read_from(next, limit) {
                // It was removed since the last look, because snapshots know what it left.
                Err(StoreError::Compacted { removed, .. }) if removed >= next => {
                    next = removed.next();
                    continue;
                }
                read => read?,
            };
            let Some(last) = records.last() else { return Ok(()) };
            next = last.seq.next();
            for record in &records {
                if let Event::Channel { channel, event } = decode(record)? {
                    self.note_event(channel, &event);
                }
            }
        }
        Ok(())
    }

    /// Something happened to a channel.
    pub(super) fn note_event(&mut self, channel: ChannelId, event: &ChannelEvent) {
        if let ChannelEvent::Offered { .. } = event {
            self.parties.insert(channel, Party::Opener);
        } else if let ChannelEvent::Answered { .. } = event {
            self.parties.insert(channel, Party::Acceptor);
        } else if let ChannelEvent::ContractOffered { contract, agreement }
        | ChannelEvent::ContractAgreed { contract, agreement } = event
        {
            self.modules.insert(*contract, agreement.terms.module);
        }
    }
}
