//! Does a node keep to what it agreed with its peers, and to what its operator set? The bounds of both, written down a
//! second time and much simpler, and held against every event on the disk of a node that plays fair.
//!
//! The engine keeps these rules by refusing what others ask for. Here nobody refuses anything: what stands on the disk has
//! been agreed to.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, Txid};
use strait_channel::{ChannelEvent, Closing, DUST_LIMIT, Funded, Live, Pair, Spender, txid_of};
use strait_engine::{EngineConfig, Event, LockKey, NodeState, PaymentEvent};
use strait_payment::{Incoming, IncomingState, Origin};
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, FeeRate, MilliSats, NodeId, Party, Side,
};
use strait_watcher::{ClaimPlan, WatchEvent};
use strait_wire::{Operation, Operations, Parameters};

/// One part in so many of a channel stays with whoever has had it.
const RESERVE_PART: u64 = 100;
/// Blocks by which a lock may lead its ledger.
const LEAD_BLOCKS: u32 = 2_016;
/// The deepest reorganisation that a node is built for.
const DEEPEST: BlockDelta = BlockDelta::new(6);

/// What of the past the bounds need to know.
#[derive(Debug, Default)]
pub(crate) struct Bargain {
    /// Who has ever had its reserve.
    reached: BTreeSet<(ChannelId, Party)>,
    /// Channels that a block has ever funded.
    funded: BTreeSet<ChannelId>,
    /// What claims pay, by what they spend.
    claims: BTreeMap<Vec<OutPoint>, FeeRate>,
    /// Revoked commitments on chain, and whose channel they are of.
    pub(crate) cheats: BTreeMap<ChannelId, Txid>,
    /// Channels of a store that was restored, which may have gone on after its backup.
    doubtful: BTreeSet<ChannelId>,
}

impl Bargain {
    /// Judges an event that has just been folded into `state`; the error says what was broken.
    pub(crate) fn judge(
        &mut self,
        state: &NodeState,
        event: &Event,
        config: &EngineConfig,
    ) -> Result<(), &'static str> {
        match event {
            Event::Channel { channel, event } => self.judge_channel(state, *channel, event, config),
            Event::Payment(event) => judge_lock(state, event, config),
            Event::Watch { channel: _, event: WatchEvent::ClaimPlanned(plan) } => {
                self.judge_claim(plan)
            }
            Event::Watch { .. }
            | Event::Wallet(_)
            | Event::BlockConnected { .. }
            | Event::BlockDisconnected { .. }
            | Event::PeerKnown { .. }
            | Event::ModuleAdded { .. }
            | Event::Token(_)
            | Event::RequestBegun { .. }
            | Event::RequestsFailed { .. }
            | Event::Restored { .. }
            | Event::ClockNoted { .. } => Ok(()),
        }
    }

    /// Judges an event by what binds whoever was restored: its engine keeps to it also where the node's messages are
    /// tampered with on their way.
    pub(crate) fn judge_restored(
        &mut self,
        state: &NodeState,
        event: &Event,
    ) -> Result<(), &'static str> {
        if matches!(event, Event::Restored { .. }) {
            let runs = |live: &Live| matches!(live.closing, Closing::Running);
            let live =
                state.channels.iter().filter(|(_, channel)| channel.live().is_some_and(runs));
            self.doubtful.extend(live.map(|(id, _)| *id));
        }
        let Event::Channel { channel, event } = event else { return Ok(()) };
        let goes_on = matches!(
            event,
            ChannelEvent::Proposed { .. }
                | ChannelEvent::Accepted { .. }
                | ChannelEvent::Revoked { .. }
                | ChannelEvent::ForceClosed { .. }
                | ChannelEvent::CloseAgreed { .. }
        );
        if goes_on && self.doubtful.contains(channel) {
            return Err("a channel from a backup goes on, and nobody said that it may");
        }
        Ok(())
    }

    fn judge_channel(
        &mut self,
        state: &NodeState,
        channel: ChannelId,
        event: &ChannelEvent,
        config: &EngineConfig,
    ) -> Result<(), &'static str> {
        match event {
            ChannelEvent::Answered { .. } => self.check_room(state, channel, config),
            ChannelEvent::FundingConfirmed { .. } => {
                self.funded.insert(channel);
                Ok(())
            }
            ChannelEvent::Spent { txid, by: Spender::Cheater, .. } => {
                self.cheats.insert(channel, txid_of(*txid));
                Ok(())
            }
            ChannelEvent::Unspent => {
                self.cheats.remove(&channel);
                Ok(())
            }
            ChannelEvent::Opened { .. } => self.check_ledger(channel, live_of(state, &channel)?),
            ChannelEvent::Proposed { .. } => {
                check_depth(state, live_of(state, &channel)?)?;
                check_passed_on(state, channel, config)
            }
            ChannelEvent::Accepted { operations, .. } => {
                let live = live_of(state, &channel)?;
                check_depth(state, live)?;
                check_heights(state, operations)?;
                self.check_ledger(channel, live)
            }
            ChannelEvent::Revoked { .. } => self.check_ledger(channel, live_of(state, &channel)?),
            ChannelEvent::Offered { .. }
            | ChannelEvent::OpeningSigned { .. }
            | ChannelEvent::Abandoned { .. }
            | ChannelEvent::FundingUnconfirmed
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
            | ChannelEvent::Resolved { .. } => Ok(()),
        }
    }

    /// A peer's opening has been answered: there was room for it.
    fn check_room(
        &self,
        state: &NodeState,
        channel: ChannelId,
        config: &EngineConfig,
    ) -> Result<(), &'static str> {
        let peer = state.channels.get(&channel).map(|channel| channel.peer);
        let with_peer = state.channels.values().filter(|channel| Some(channel.peer) == peer);
        let unfunded = state
            .channels
            .iter()
            .filter(|(id, channel)| channel.party == Party::Acceptor && !self.funded.contains(*id));
        if unfunded.count() > config.unfunded_max {
            return Err("it has more channels that no block has funded than its operator allows");
        }
        if with_peer.count() > config.channels_per_peer_max
            || state.channels.len() > config.channels_max
        {
            return Err("it has more channels than its operator allows");
        }
        Ok(())
    }

    /// A ledger keeps the bounds that both agreed on.
    fn check_ledger(&mut self, channel: ChannelId, live: &Live) -> Result<(), &'static str> {
        let (ledger, setup) = (&live.rounds.ledger, &live.setup);
        let Pair { opener, acceptor } = &setup.parameters;
        let part = ledger.capacity().to_msat() / RESERVE_PART;
        let reserve = part.max(DUST_LIMIT.to_millisats().to_msat());
        for party in [Party::Opener, Party::Acceptor] {
            if ledger.balance(party).to_msat() >= reserve {
                self.reached.insert((channel, party));
            } else if self.reached.contains(&(channel, party)) {
                return Err("a party has less than its reserve");
            }
            let offered = ledger.locks().filter(|(offerer, ..)| *offerer == party).count();
            if offered > usize::from(opener.locks_max.min(acceptor.locks_max)) {
                return Err("more locks stand than was agreed");
            }
        }
        let least = opener.lock_min.max(acceptor.lock_min);
        let last = ledger.height().saturating_add(BlockDelta::new(LEAD_BLOCKS));
        for (_, _, lock) in ledger.locks() {
            if lock.amount < least {
                return Err("a lock is smaller than was agreed");
            }
            if lock.expiry > last || lock.expiry == BlockHeight::default() {
                return Err("a lock ends when none may");
            }
        }
        let dust = ledger.locks().map(|(_, _, lock)| lock.amount);
        let dust: u64 = dust.filter(|a| a.floor_sats() < DUST_LIMIT).map(MilliSats::to_msat).sum();
        let most = opener.dust_exposure_max.min(acceptor.dust_exposure_max);
        if dust > most.to_msat() {
            return Err("more is in dust than was agreed");
        }
        Ok(())
    }

    /// What a claim pays never falls, whatever the chain does: nodes would keep the one that pays more.
    fn judge_claim(&mut self, plan: &ClaimPlan) -> Result<(), &'static str> {
        let before = self.claims.insert(plan.inputs.clone(), plan.fee_rate);
        if before.is_some_and(|before| plan.fee_rate < before) {
            return Err("a claim pays less than before");
        }
        Ok(())
    }
}

fn live_of<'a>(state: &'a NodeState, channel: &ChannelId) -> Result<&'a Live, &'static str> {
    let live = state.channels.get(channel).and_then(|channel| channel.live());
    live.ok_or("rounds run where no channel lives")
}

fn tip_of(state: &NodeState) -> BlockHeight {
    state.book.tip().map_or_else(BlockHeight::default, |tip| tip.height)
}

/// Rounds begin when the funding output is as deep as the more careful of the two wants it.
fn check_depth(state: &NodeState, live: &Live) -> Result<(), &'static str> {
    let Pair { opener, acceptor } = &live.setup.parameters;
    let of = |parameters: &Parameters| parameters.depth;
    let depth = match live.funded {
        Funded::Waiting | Funded::Spent { .. } => BlockDelta::new(0),
        Funded::Mined(height) => height.depth_at(tip_of(state)),
    };
    if depth >= of(opener).max(of(acceptor)) {
        Ok(())
    } else {
        Err("a round runs on a funding output that is not as deep as was agreed")
    }
}

/// Nobody agrees to have seen a block that it has not seen.
fn check_heights(state: &NodeState, operations: &Operations) -> Result<(), &'static str> {
    let tip = tip_of(state);
    let is_ahead = |operation: &Operation| match operation {
        Operation::RaiseHeight { height } => *height > tip,
        Operation::Pay { .. }
        | Operation::AddLock { .. }
        | Operation::ClaimLock { .. }
        | Operation::CancelLock { .. }
        | Operation::OpenContract { .. }
        | Operation::Act { .. }
        | Operation::SettleContract { .. } => false,
    };
    if operations.as_slice().iter().any(is_ahead) {
        return Err("a height is agreed on that the node has not seen");
    }
    Ok(())
}

/// What a lock's passing on leaves its forwarder: the fee, and time.
fn check_passed_on(
    state: &NodeState,
    channel: ChannelId,
    config: &EngineConfig,
) -> Result<(), &'static str> {
    let policy = &config.locks;
    for (key, lock) in state.payments.outgoing() {
        let Origin::Forward(from) = lock.origin else { continue };
        let Some(source) = state.payments.find_incoming(&from) else { continue };
        if key.channel != channel {
            continue;
        }
        let fee = u128::from(lock.terms.amount.to_msat()) * u128::from(policy.fee_millionths);
        let fee = fee.div_ceil(1_000_000) + u128::from(policy.fee_base.to_msat());
        let due = u128::from(lock.terms.amount.to_msat()) + fee;
        if u128::from(source.terms.amount.to_msat()) < due {
            return Err("more is passed on than came in, less the fee");
        }
        let delays = [delay_of(state, &from.channel), delay_of(state, &channel)];
        let needed = delays.into_iter().sum::<u32>() + 2 * policy.margin.to_u32();
        let until = lock.terms.expiry.saturating_add(BlockDelta::new(needed));
        if source.terms.expiry < until {
            return Err("what is passed on leaves too little time");
        }
    }
    Ok(())
}

/// Blocks that the node waits for its own money after a close of its own.
fn delay_of(state: &NodeState, channel: &ChannelId) -> u32 {
    let live = state.channels.get(channel).and_then(|channel| channel.live());
    live.map_or(0, |live| live.setup.delay_of(live.setup.party).to_u32())
}

fn judge_lock(
    state: &NodeState,
    event: &PaymentEvent,
    config: &EngineConfig,
) -> Result<(), &'static str> {
    match event {
        PaymentEvent::Held { lock } | PaymentEvent::Forwarding { lock, .. } => {
            check_taken(state, lock, config)
        }
        PaymentEvent::OutgoingGone { lock } | PaymentEvent::EndedOnChain { lock, .. } => {
            let spend = state.watchers.get(&lock.channel).and_then(|watcher| watcher.spend());
            let depth = spend.map(|spend| spend.height.depth_at(tip_of(state)));
            let needed = config.final_depth.max(DEEPEST);
            if depth.is_some_and(|depth| depth > needed) {
                Ok(())
            } else {
                Err("a lock counts as gone while the chain may give it back")
            }
        }
        PaymentEvent::Claiming { .. }
        | PaymentEvent::Cancelling { .. }
        | PaymentEvent::PreimageLearned { .. } => Ok(()),
    }
}

/// A lock that the node keeps leaves it time, and takes no more of it than its peer may have.
fn check_taken(
    state: &NodeState,
    key: &LockKey,
    config: &EngineConfig,
) -> Result<(), &'static str> {
    let policy = &config.locks;
    let Some(lock) = state.payments.find_incoming(key) else { return Ok(()) };
    let needed = delay_of(state, &key.channel) + 2 * policy.margin.to_u32();
    if lock.terms.expiry < tip_of(state).saturating_add(BlockDelta::new(needed)) {
        return Err("a lock is kept that leaves too little time");
    }
    let peer_of = |id: &ChannelId| state.channels.get(id).map(|channel| channel.peer);
    let Some(peer) = peer_of(&key.channel) else { return Ok(()) };
    let taken = taken_by(state, peer, peer_of);
    let value: u64 = taken.iter().map(|amount| amount.to_msat()).sum();
    if taken.len() > policy.peer_locks_max || value > policy.peer_value_max.to_msat() {
        return Err("a peer has more in locks than the operator allows");
    }
    Ok(())
}

/// What is in locks of a peer that do not go back.
fn taken_by(
    state: &NodeState,
    peer: NodeId,
    peer_of: impl Fn(&ChannelId) -> Option<NodeId>,
) -> Vec<MilliSats> {
    let is_kept = |lock: &Incoming| match lock.state {
        IncomingState::Held | IncomingState::Forwarding { .. } | IncomingState::Claiming => true,
        IncomingState::Arrived | IncomingState::Cancelling { .. } => false,
    };
    let kept = state.payments.incoming().filter(|(key, lock)| {
        key.offerer == Side::Counterparty && peer_of(&key.channel) == Some(peer) && is_kept(lock)
    });
    kept.map(|(_, lock)| lock.terms.amount).collect()
}
