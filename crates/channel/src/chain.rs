//! What the chain tells a channel: its funding output is mined, spent, or neither any more.
//!
//! The engine reads blocks; what happens to a spent funding output is the watcher's business.

use strait_primitives::{BlockHeight, Digest, Timestamp};

use crate::channel::Channel;
use crate::decision::{Decision, Notice};
use crate::event::{AbandonReason, ChannelEvent, Spender};
use crate::limits::UNFUNDED_BLOCKS;
use crate::state::Funded;

impl Channel {
    /// The funding output was mined.
    ///
    /// # Panics
    /// If the channel is not live.
    pub fn handle_funding_mined(&mut self, height: BlockHeight, out: &mut Decision) {
        if self.live().funded == Funded::Waiting {
            self.record(ChannelEvent::FundingConfirmed { height }, out);
        }
    }

    /// The funding output was spent by a mined transaction.
    ///
    /// # Panics
    /// If the channel is not live.
    pub fn handle_spent(
        &mut self,
        txid: Digest,
        height: BlockHeight,
        by: Spender,
        out: &mut Decision,
    ) {
        self.record(ChannelEvent::Spent { txid, height, by }, out);
        self.refuse_queue("closed", out);
    }

    /// The best chain lost its block at this height.
    pub fn handle_block_disconnected(&mut self, height: BlockHeight, out: &mut Decision) {
        let funded = self.state.live().map(|live| live.funded);
        if let Some(Funded::Spent { height: spent, .. }) = funded
            && spent == height
        {
            self.record(ChannelEvent::Unspent, out);
        }
        let funded = self.state.live().map(|live| live.funded);
        if funded == Some(Funded::Mined(height)) {
            self.record(ChannelEvent::FundingUnconfirmed, out);
        }
    }

    /// After a restart: an opening that nobody goes on with ends some time.
    pub fn start_clock(&mut self, now: Timestamp) {
        if self.state.live().is_none() {
            self.volatile.opening_since.get_or_insert(now);
        }
    }

    /// Everything on chain is settled, at depth.
    pub fn resolve(&mut self, out: &mut Decision) {
        let by = match self.state.live().map(|live| live.funded) {
            Some(Funded::Spent { by, .. }) => by,
            Some(Funded::Waiting | Funded::Mined(_)) | None => Spender::Unknown,
        };
        self.record(ChannelEvent::Resolved { by }, out);
    }

    /// True if the funding output has been waited for long enough: the channel may be forgotten, and holds nothing of
    /// this node.
    #[must_use]
    pub fn is_overdue(&self, tip: BlockHeight) -> bool {
        self.state.live().is_some_and(|live| {
            live.is_unfunded_guest() && tip >= live.signed_at.saturating_add(UNFUNDED_BLOCKS)
        })
    }

    /// Forgets a signed channel that was never funded and in which this node has nothing; says nothing about others.
    pub fn forsake(&mut self, reason: AbandonReason, out: &mut Decision) {
        if self.may_forsake(reason) {
            self.record(ChannelEvent::Abandoned { reason }, out);
            self.refuse_queue("abandoned", out);
            out.notice(Notice::Abandoned);
        }
    }

    /// True if the channel may be forgotten for this reason: one restored from a backup only because its time is over.
    #[must_use]
    pub fn may_forsake(&self, reason: AbandonReason) -> bool {
        self.state.live().is_some_and(|live| match reason {
            AbandonReason::Expired => live.is_unfunded_guest(),
            AbandonReason::Peer | AbandonReason::Operator | AbandonReason::Conflicted => {
                live.is_forsakable()
            }
        })
    }

    /// Forgets a channel whose funding transaction can never be mined: the caller has seen its coins spent by another, at
    /// depth. Says nothing about a channel whose funding output is or was on chain.
    pub fn give_up_funding(&mut self, out: &mut Decision) {
        if self.state.live().is_some_and(|live| live.funded == Funded::Waiting) {
            self.record(ChannelEvent::Abandoned { reason: AbandonReason::Conflicted }, out);
            self.refuse_queue("abandoned", out);
            out.notice(Notice::Abandoned);
        }
    }

    /// Gives an opening up; says nothing about a channel that lives.
    pub fn give_up(&mut self, reason: AbandonReason, out: &mut Decision) {
        self.abandon(reason, out);
    }
}
