//! Blocks: what each does to the wallet, to channels, and to their watchers.

use std::collections::BTreeSet;

use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, Transaction, Txid};
use strait_channel::{AbandonReason, Channel, Funded};
use strait_primitives::{BlockHeight, ChannelId, Party};
use strait_watcher::BlockSpends;

use crate::effect::{Effect, Report};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::input::TipStanding;
use crate::limits::CLOCK_EVERY;

impl Engine {
    /// A block joined the best chain.
    ///
    /// # Panics
    /// If it does not follow the last one told: the follower of the chain promises that.
    pub(crate) fn handle_block(
        &mut self,
        height: BlockHeight,
        block: &Block,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let hash = block.block_hash();
        let change = self
            .wallet
            .connect_block(block, height)
            .expect("the chain's follower tells blocks in order");
        if !change.is_empty() {
            self.record(Event::Wallet(change), out);
        }
        self.record(Event::BlockConnected { height, hash }, out);
        block.txdata.iter().for_each(|transaction| self.learn_from_chain(transaction, out));
        self.find_fundings(height, block, moment, out);
        self.forsake_overdue(height, moment, out);
        self.watch_block(height, &BlockSpends::new(block), moment, out);
        self.dirty.extend(self.channels.keys());
        // Before channels are let go of: with a channel goes all knowledge of how its locks ended.
        self.note_gone(out);
        self.resolve_settled(moment, out);
        self.forget_left_closes(moment, out);
        self.give_up_conflicted(moment, out);
    }

    /// The chain is known as far as it can be for now: claims what is to be claimed, and brings everything on its way
    /// again. That cannot wait for a tip that is current; what counts on time being left does.
    pub(crate) fn handle_blocks_told(
        &mut self,
        tip: TipStanding,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        self.note_tip(tip);
        self.meet_lock_deadlines(moment, out);
        self.claim(out);
        self.rebroadcast(out);
        self.look_for_preimages(out);
    }

    fn find_fundings(
        &mut self,
        height: BlockHeight,
        block: &Block,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let waiting: Vec<(Txid, ChannelId)> = self
            .funding_outputs
            .iter()
            .filter(|(_, id)| self.funded(id) == Some(Funded::Waiting))
            .map(|(outpoint, id)| (outpoint.txid, *id))
            .collect();
        if waiting.is_empty() {
            return;
        }
        let mined: BTreeSet<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        for (_, id) in waiting.into_iter().filter(|(txid, _)| mined.contains(txid)) {
            self.answered_openings.retain(|(_, _, opened)| *opened != id);
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.handle_funding_mined(height, decision);
            });
        }
    }

    /// Forgets what openers never brought on chain: a stranger's empty promise takes no place for ever.
    fn forsake_overdue(&mut self, height: BlockHeight, moment: &Moment<'_>, out: &mut Step) {
        let overdue = self.channels.values().filter(|channel| channel.is_overdue(height));
        for id in overdue.map(Channel::id).collect::<Vec<_>>() {
            self.forsake(id, AbandonReason::Expired, moment, out);
        }
    }

    /// Gives up what this node opened and nobody can mine any more: another transaction spends the coins of its funding,
    /// so deep that no reorganisation brings them back.
    fn give_up_conflicted(&mut self, moment: &Moment<'_>, out: &mut Step) {
        let tip = self.tip().height;
        let is_void = |channel: &&Channel| {
            let Some(live) = channel.state().live() else { return false };
            let depth = self.config.forget_depth(live.setup.funding.value);
            let txid = live.setup.funding.outpoint().txid;
            live.funded == Funded::Waiting
                && live.setup.party == Party::Opener
                && self.wallet.rival_of(txid).is_some_and(|at| at.depth_at(tip) >= depth)
        };
        let ids: Vec<ChannelId> = self.channels.values().filter(is_void).map(Channel::id).collect();
        for id in ids {
            let peer = self.channels.get(&id).map(Channel::peer);
            self.tell_closing(id, out);
            self.free_bump_coins(id, out);
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.give_up_funding(decision);
            });
            // Who is not connected asks for the channel at the next connection, and hears of it then.
            if let Some(peer) = peer {
                self.tell_given_up(peer, id, "the coins of the funding went elsewhere", out);
            }
        }
    }

    pub(crate) fn funded(&self, id: &ChannelId) -> Option<Funded> {
        Some(self.channels.get(id)?.state().live()?.funded)
    }

    /// The best chain lost its last block.
    ///
    /// # Panics
    /// If it is not the last one told: the follower of the chain promises that.
    pub(crate) fn handle_block_disconnected(
        &mut self,
        height: BlockHeight,
        hash: BlockHash,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let tip = self.tip();
        assert_eq!((tip.height, tip.hash), (height, hash), "blocks leave from the tip");
        let change = self
            .wallet
            .disconnect_block(height)
            .expect("a block that was connected can be disconnected");
        if !change.is_empty() {
            self.record(Event::Wallet(change), out);
        }
        self.record(Event::BlockDisconnected { height, hash }, out);
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            self.with_channel(id, moment, out, |channel, _, decision| {
                channel.handle_block_disconnected(height, decision);
            });
        }
        self.unwatch_block(height, out);
    }

    /// A transaction that is not in a block yet: the wallet looks for coins in it, watchers for preimages.
    pub(crate) fn handle_mempool(
        &mut self,
        transaction: &Transaction,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        // A claim of this node's own is its watcher's to replace; the wallet hears of it when it is mined.
        if !self.takes_from_commitment(transaction) {
            self.note_own(transaction, moment, out);
        }
        self.watch_mempool(transaction, out);
        self.learn_from_chain(transaction, out);
    }

    pub(crate) fn handle_tick(&mut self, moment: &Moment<'_>, out: &mut Step) {
        self.note_clock(moment.now);
        self.note_time(moment, out);
        self.credit_forgotten(out);
        self.weigh_waiting(moment, out);
        let overview = Report::Overview(Box::new(self.overview()));
        out.effects.push(Effect::Report(overview));
        let due = |channel: &&Channel| channel.deadline().is_some_and(|at| at <= moment.now);
        let ids: Vec<ChannelId> = self.channels.values().filter(due).map(Channel::id).collect();
        for id in ids {
            let peer = self.channels.get(&id).map(Channel::peer);
            self.with_channel(id, moment, out, |channel, moment, decision| {
                channel.handle_time(moment.now, decision);
            });
            if let Some(peer) = peer.filter(|_| !self.channels.contains_key(&id)) {
                self.tell_given_up(peer, id, "the opening took too long", out);
            }
        }
    }

    /// Tells the log the time, so that what is known of requests ages there as here.
    fn note_time(&mut self, moment: &Moment<'_>, out: &mut Step) {
        let now = moment.now;
        let is_due = self.clock_noted.is_none_or(|last| now.since(last) >= CLOCK_EVERY);
        if is_due && self.book.requests.wants_time() {
            self.clock_noted = Some(now);
            self.record(Event::ClockNoted { now }, out);
        }
    }

    /// Brings everything of this node that is not mined on its way again: nothing accepted once stays for sure.
    pub(crate) fn rebroadcast(&mut self, out: &mut Step) {
        for transaction in self.wallet.unconfirmed() {
            out.effects.push(Effect::Broadcast(vec![transaction.as_ref().clone()]));
        }
        let closes = self.by_urgency();
        for id in &closes {
            self.free_void_child(*id, out);
        }
        for id in closes {
            self.rebroadcast_close(id, out);
        }
    }
}

/// A block as the log names it.
pub(crate) fn digest_of(txid: Txid) -> strait_primitives::Digest {
    strait_primitives::Digest::from_bytes(txid.to_byte_array())
}

#[cfg(test)]
mod tests;
