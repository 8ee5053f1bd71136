//! What peers' contracts may cost this node's one thread.
//!
//! A proposal is judged in the engine's own step, and what its contracts burn is time that every other channel waits. One
//! round may burn two seconds' worth, and a peer may propose one after the other. So what a peer's proposals burn is earned
//! back over time, by each peer and by all of them together; a proposal that calls contracts before that waits, unanswered,
//! as long as other peers have something to say. Whoever is alone may take all there is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use strait_contract::{
    Action, Call, CallError, Collateral, ContractRuntime, LoadError, Metered, Outcome, Params,
    Party, State,
};
use strait_primitives::{BlockHeight, ChannelId, Fuel, Millis, ModuleHash, NodeId, Timestamp};
use strait_wire::{Operation, Propose};

use crate::effect::Effect;
use crate::engine::{Engine, Moment, Step};
use crate::limits::{
    FUEL_AHEAD_OF_ALL, FUEL_AHEAD_OF_PEER, FUEL_OF_ALL_PER_MS, FUEL_OF_PEER_PER_MS, SILENT_AFTER,
};
use crate::low_disk::NoRoom;

/// What peers' contracts have burnt and not earned back, and whose proposals wait for that.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// When each peer will have earned back all that its proposals burnt.
    even_at: BTreeMap<NodeId, Timestamp>,
    /// When all of them will have.
    all_even_at: Timestamp,
    /// One proposal for each channel: its peer may have no other before this one is answered.
    waiting: BTreeMap<ChannelId, Propose>,
}

impl Work {
    /// True if a peer's proposals may burn fuel now. One that owes nothing always may.
    fn may_burn(&self, peer: NodeId, now: Timestamp) -> bool {
        let Some(even_at) = self.even_at.get(&peer) else { return true };
        let (own, all) = (even_at.since(now), self.all_even_at.since(now));
        own == Millis(0) || (own <= FUEL_AHEAD_OF_PEER && all <= FUEL_AHEAD_OF_ALL)
    }

    /// The clock was set back: what is owed stays what it costs.
    pub(crate) fn set_back(&mut self, by: Millis) {
        for even_at in self.even_at.values_mut() {
            *even_at = even_at.before(by);
        }
        self.all_even_at = self.all_even_at.before(by);
    }

    fn charge(&mut self, peer: NodeId, burnt: Fuel, now: Timestamp) {
        self.even_at.retain(|_, even_at| *even_at > now);
        if burnt.0 == 0 {
            return;
        }
        let even_at = self.even_at.entry(peer).or_insert(now);
        *even_at = (*even_at).max(now).after(Millis(burnt.0.div_ceil(FUEL_OF_PEER_PER_MS)));
        let all = self.all_even_at.max(now);
        self.all_even_at = all.after(Millis(burnt.0.div_ceil(FUEL_OF_ALL_PER_MS)));
    }
}

impl Engine {
    /// Judges a peer's proposal, now or as soon as it may cost what it costs.
    pub(crate) fn weigh_proposal(
        &mut self,
        peer: NodeId,
        propose: Propose,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let id = propose.channel;
        if let Err(NoRoom) = self.admit_round(&propose) {
            out.effects.push(Effect::Disconnect(peer));
            return;
        }
        if calls_contracts(&propose)
            && !self.work.may_burn(peer, moment.now)
            && self.is_anybody_else_here(peer, moment.now)
        {
            self.work.waiting.insert(id, propose);
            return;
        }
        let meter = Meter { inner: moment.contracts, burnt: AtomicU64::new(0) };
        let metered = Moment { contracts: &meter, ..*moment };
        self.pass_on(peer, id, propose.into(), &metered, out);
        let burnt = Fuel(meter.burnt.load(Ordering::Relaxed));
        self.work.charge(peer, burnt, moment.now);
    }

    /// Time has passed: judges what may cost something again.
    pub(crate) fn weigh_waiting(&mut self, moment: &Moment<'_>, out: &mut Step) {
        let ids: Vec<ChannelId> = self.work.waiting.keys().copied().collect();
        for id in ids {
            let peer = self.channels.get(&id).map(strait_channel::Channel::peer);
            if let (Some(propose), Some(peer)) = (self.work.waiting.remove(&id), peer) {
                self.weigh_proposal(peer, propose, moment, out);
                self.dirty.insert(id);
            }
        }
    }

    /// What waited was said on a connection that is gone; its peer says it again on the next.
    pub(crate) fn forget_waiting(&mut self, id: ChannelId) {
        self.work.waiting.remove(&id);
    }

    /// True if another peer has spoken of late, and so has to wait for what this one does.
    fn is_anybody_else_here(&self, peer: NodeId, now: Timestamp) -> bool {
        let others = self.connected.iter().filter(|(other, _)| **other != peer);
        others.into_iter().any(|(_, connection)| now.since(connection.heard_at()) < SILENT_AFTER)
    }
}

fn calls_contracts(propose: &Propose) -> bool {
    propose.operations.as_slice().iter().any(|operation| match operation {
        Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => true,
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::RaiseHeight { .. } => false,
    })
}

/// A contract runtime that adds up what its calls burn.
struct Meter<'a> {
    inner: &'a dyn ContractRuntime,
    burnt: AtomicU64,
}

impl Meter<'_> {
    /// A call that failed is taken to have burnt all that it might.
    fn count<T>(
        &self,
        call: Call<'_>,
        answer: Result<Metered<T>, CallError>,
    ) -> Result<Metered<T>, CallError> {
        let burnt = match &answer {
            Ok(metered) => metered.used,
            Err(CallError::Failed(_)) => call.fuel,
            Err(CallError::Local(_)) => Fuel(0),
        };
        self.burnt.fetch_add(burnt.0, Ordering::Relaxed);
        answer
    }
}

impl ContractRuntime for Meter<'_> {
    fn load(&self, wasm: &[u8]) -> Result<ModuleHash, LoadError> {
        self.inner.load(wasm)
    }

    fn is_loaded(&self, module: &ModuleHash) -> bool {
        self.inner.is_loaded(module)
    }

    fn init(
        &self,
        call: Call<'_>,
        collateral: &Collateral,
        params: &Params,
    ) -> Result<Metered<State>, CallError> {
        self.count(call, self.inner.init(call, collateral, params))
    }

    fn apply(
        &self,
        call: Call<'_>,
        state: &State,
        who: Party,
        action: &Action,
        height: BlockHeight,
    ) -> Result<Metered<State>, CallError> {
        self.count(call, self.inner.apply(call, state, who, action, height))
    }

    fn outcome(&self, call: Call<'_>, state: &State) -> Result<Metered<Outcome>, CallError> {
        self.count(call, self.inner.outcome(call, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_700_000_000_000 + ms)
    }

    const fn peer(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 33])
    }

    #[test]
    fn what_is_burnt_is_earned_back() {
        let mut work = Work::default();
        let whole = Fuel(FUEL_OF_PEER_PER_MS * 10_000);
        assert!(work.may_burn(peer(1), at(0)));
        work.charge(peer(1), whole, at(0));
        assert!(!work.may_burn(peer(1), at(0)));
        assert!(!work.may_burn(peer(1), at(10_000 - FUEL_AHEAD_OF_PEER.0 - 1)));
        assert!(work.may_burn(peer(1), at(10_000 - FUEL_AHEAD_OF_PEER.0)));
        work.charge(peer(1), Fuel(1), at(60_000));
        assert_eq!(work.even_at.get(&peer(1)), Some(&at(60_001)), "nothing is saved up");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer_than_the_work_costs() {
        const DAY_MS: u64 = 86_400_000;
        let mut work = Work::default();
        work.charge(peer(1), Fuel(FUEL_OF_PEER_PER_MS * 10_000), at(DAY_MS));
        work.set_back(Millis(DAY_MS));
        assert!(!work.may_burn(peer(1), at(0)), "nothing is forgiven");
        assert!(work.may_burn(peer(1), at(10_000 - FUEL_AHEAD_OF_PEER.0)));
        work.charge(peer(2), Fuel(1), at(10_000));
        assert!(!work.even_at.contains_key(&peer(1)));
    }

    #[test]
    fn many_that_burn_a_little_do_not_keep_out_who_burns_nothing() {
        let mut work = Work::default();
        let each = Fuel(FUEL_OF_PEER_PER_MS * FUEL_AHEAD_OF_PEER.0);
        for byte in 1..=20 {
            work.charge(peer(byte), each, at(0));
        }
        assert!(!work.may_burn(peer(1), at(0)), "all together have had their share");
        assert!(work.may_burn(peer(99), at(0)), "who owes nothing comes first");
    }
}
