//! What of the log before a stream's beginning its story cannot do without: which party this node is in a channel, and
//! which module a contract runs.
//!
//! The story looks here when it meets what began before its stream did. The newest snapshot before that moment and the
//! events after it know all that stood then. Where every snapshot is newer, all of them are asked, which know what
//! stands still and which channels have ended, and then a bounded part of the log before.
//!
//! A snapshot is the whole node, so all streams of a node share one past: it reads no snapshot and no event twice, and it
//! reads for one stream at a time. However many ask at once, one snapshot is in memory at most, and the others wait for
//! what it tells.
//!
//! **Invariant:** nothing here writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use strait_channel::{ChannelEvent, Live};
use strait_engine::{Event, NodeState};
use strait_log::StoreError;
use strait_primitives::{ChannelId, ContractId, EventSeq, ModuleHash, Party};
use strait_store::{decode, decode_snapshot};
use strait_store_sqlite::Reader;

use super::story::{LOOK_BACK, StoryError};

/// Records read at a time.
const PAGE: u64 = 256;
/// How many facts are kept beside those that one look finds, at a hundred bytes each.
const FACTS_MAX: usize = 65_536;

/// What matters of channels and contracts to the story that meets them later.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Which party this node is.
    parties: BTreeMap<ChannelId, Party>,
    /// What contracts run that were agreed to.
    modules: BTreeMap<ContractId, ModuleHash>,
}

/// One thing to know.
enum Fact {
    Party(ChannelId, Party),
    Module(ContractId, ModuleHash),
}

impl Known {
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

    /// Something happened to a channel.
    pub(super) fn note_event(&mut self, channel: ChannelId, event: &ChannelEvent) {
        match fact_of(channel, event) {
            Some(Fact::Party(channel, party)) => {
                self.parties.insert(channel, party);
            }
            Some(Fact::Module(contract, module)) => {
                self.modules.insert(contract, module);
            }
            None => {}
        }
    }
}

/// What an event tells that matters later.
const fn fact_of(channel: ChannelId, event: &ChannelEvent) -> Option<Fact> {
    if let ChannelEvent::Offered { .. } = event {
        Some(Fact::Party(channel, Party::Opener))
    } else if let ChannelEvent::Answered { .. } = event {
        Some(Fact::Party(channel, Party::Acceptor))
    } else if let ChannelEvent::ContractOffered { contract, agreement }
    | ChannelEvent::ContractAgreed { contract, agreement } = event
    {
        Some(Fact::Module(*contract, agreement.terms.module))
    } else {
        None
    }
}

/// What all streams of a node have had to look up.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<Found>);

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    /// Which party this node is: a channel's name is a hash of who opened it.
    parties: BTreeMap<ChannelId, Party>,
    /// What a contract runs from this place on: a peer may give a name of its own to two contracts, one after the other.
    modules: BTreeMap<(ContractId, EventSeq), ModuleHash>,
    /// Snapshots that were read.
    snapshots: BTreeSet<EventSeq>,
    /// Events that were read: from the first to before the last.
    ranges: BTreeMap<EventSeq, EventSeq>,
    /// How many facts the first look found since all was forgotten.
    floor: Option<usize>,
    /// How many snapshots were decoded.
    #[cfg(test)]
    decoded: u64,
}

impl Past {
    /// What the log knows of a channel, and of these contracts of it, that stood before the event at `place`.
    pub(super) fn before(
        &self,
        reader: &Reader,
        place: EventSeq,
        channel: ChannelId,
        contracts: &[ContractId],
    ) -> Result<Known, StoryError> {
        // A panicking holder leaves facts that are still true.
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.look(reader, place)?;
        Ok(found.known(place, channel, contracts))
    }

    /// How many snapshots were decoded, and in how many pieces the log was read that do not touch.
    #[cfg(test)]
    pub(super) fn work(&self) -> (u64, usize) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (found.decoded, found.ranges.len())
    }
}

impl Found {
    fn known(&self, place: EventSeq, channel: ChannelId, contracts: &[ContractId]) -> Known {
        let mut known = Known::new();
        known.parties.extend(self.parties.get(&channel).map(|party| (channel, *party)));
        let module = |contract: &ContractId| Some((*contract, self.module(*contract, place)?));
        known.modules.extend(contracts.iter().filter_map(module));
        known
    }

    /// What a contract ran before a place; if only a newer snapshot knows, what it says.
    fn module(&self, contract: ContractId, place: EventSeq) -> Option<ModuleHash> {
        let (first, last) = (EventSeq::ZERO, EventSeq::new(u64::MAX));
        let mut before = self.modules.range((contract, first)..(contract, place));
        let mut after = self.modules.range((contract, place)..=(contract, last));
        before.next_back().or_else(|| after.next()).map(|(_, module)| *module)
    }

    /// Reads what was not read yet of all that knows what stood before a place.
    fn look(&mut self, reader: &Reader, place: EventSeq) -> Result<(), StoryError> {
        if self.floor.is_some_and(|floor| self.facts() > floor.saturating_add(FACTS_MAX)) {
            self.forget();
        }
        let mut from = EventSeq::new(place.to_u64().saturating_sub(LOOK_BACK));
        let places = reader.snapshot_places()?;
        self.snapshots.retain(|seq| places.contains(seq));
        for seq in places {
            if !self.snapshots.contains(&seq) && !self.read_snapshot(reader, seq)? {
                continue;
            }
            if seq < place {
                from = seq.next();
                break;
            }
        }
        self.read_range(reader, from.max(reader.oldest()?), place)?;
        self.floor = self.floor.or_else(|| Some(self.facts()));
        Ok(())
    }

    fn facts(&self) -> usize {
        self.parties.len().saturating_add(self.modules.len())
    }

    /// Begins anew: what is asked for is read again.
    fn forget(&mut self) {
        self.parties.clear();
        self.modules.clear();
        self.snapshots.clear();
        self.ranges.clear();
        self.floor = None;
    }

    /// Reads a snapshot; false if it is damaged or gone.
    fn read_snapshot(&mut self, reader: &Reader, seq: EventSeq) -> Result<bool, StoryError> {
        let Some(snapshot) = reader.snapshot(seq)? else { return Ok(false) };
        #[cfg(test)]
        {
            self.decoded += 1;
        }
        self.note_state(&decode_snapshot(&snapshot)?, seq);
        self.snapshots.insert(seq);
        Ok(true)
    }

    fn note_state(&mut self, state: &NodeState, seq: EventSeq) {
        for channel in state.channels.values() {
            self.parties.insert(channel.id, channel.party);
            if let Some(live) = channel.live() {
                self.note_contracts(live, seq);
            }
        }
        let ended = state.book.ended.iter();
        self.parties.extend(ended.map(|channel| (channel.id, channel.party)));
    }

    fn note_contracts(&mut self, live: &Live, seq: EventSeq) {
        let agreed = live.agreements.iter().chain(&live.offers);
        let agreed = agreed.map(|(contract, agreement)| (*contract, agreement.terms.module));
        let open = live.rounds.ledger.contracts();
        let open = open.map(|(contract, live)| (contract, live.terms.module));
        for (contract, module) in agreed.chain(open) {
            self.modules.insert((contract, seq), module);
        }
    }

    /// Reads the events of a range that were not read yet.
    fn read_range(
        &mut self,
        reader: &Reader,
        from: EventSeq,
        place: EventSeq,
    ) -> Result<(), StoryError> {
        let mut next = from;
        while next < place {
            let before = self.ranges.range(..=next).next_back().map(|(from, to)| (*from, *to));
            if let Some((_, to)) = before
                && to > next
            {
                next = to;
                continue;
            }
            let after = self.ranges.range(next..).next().map(|(from, _)| *from);
            let stop = after.map_or(place, |from| from.min(place));
            self.note_events(reader, next, stop)?;
            // One range with those that it lies between.
            let begin = before.filter(|(_, to)| *to == next).map_or(next, |(from, _)| from);
            let end = self.ranges.remove(&stop).unwrap_or(stop);
            self.ranges.insert(begin, end);
            next = stop;
        }
        Ok(())
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
                    self.note_event(record.seq, channel, &event);
                }
            }
        }
        Ok(())
    }

    fn note_event(&mut self, seq: EventSeq, channel: ChannelId, event: &ChannelEvent) {
        match fact_of(channel, event) {
            Some(Fact::Party(channel, party)) => {
                self.parties.insert(channel, party);
            }
            Some(Fact::Module(contract, module)) => {
                self.modules.insert((contract, seq), module);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_given_twice_is_the_contract_of_its_time() {
        let contract = ContractId::from_bytes([1; 32]);
        let [first, second] = [[2; 32], [3; 32]].map(ModuleHash::from_bytes);
        let mut found = Found::default();
        for (seq, module) in [(20, second), (10, first)] {
            found.modules.insert((contract, EventSeq::new(seq)), module);
        }
        for (place, module) in [(5, first), (10, first), (11, first), (20, first), (21, second)] {
            assert_eq!(found.module(contract, EventSeq::new(place)), Some(module), "at {place}");
        }
        assert_eq!(found.module(ContractId::from_bytes([4; 32]), EventSeq::new(21)), None);
    }
}
