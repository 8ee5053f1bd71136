//! The machine: blocks in, events out; a tip in, claims out.

use std::collections::BTreeSet;

use bitcoin::{OutPoint, Transaction, Txid};
use strait_onchain::{LockSpec, Role};
use strait_primitives::{BlockDelta, BlockHeight, FeeRate, PaymentHash, Side};

use crate::child::{ChildRequest, child_rate};
use crate::event::WatchEvent;
use crate::facts::ChannelFacts;
use crate::limits::LEFT_BLOCKS;
use crate::lock_end::{LockEnd, lock_end};
use crate::output::{OutputSpend, SpendPath, TrackedOutput, preimages_in};
use crate::plan::{Plan, PollRequest, plan};
use crate::prospect::{Prospect, prospect};
use crate::spend::{BlockSpends, FundingSpend, SpendKind, Standing};
use crate::state::WatcherState;

/// Follows one channel's money on chain.
///
/// | state | what is known |
/// |---|---|
/// | funding output unspent | nothing; [`Watcher::standing`] is `None` |
/// | spent | what by, each output, its end or what this node plans for it |
/// | resolved | every output ended for good: [`Watcher::is_resolved`] |
///
/// Call order: each block in the chain's order through [`Watcher::handle_block`], each block lost through
/// [`Watcher::handle_block_disconnected`], highest first; after every batch [`Watcher::poll`]. All events returned are
/// folded in already and must be logged before anything else of the answer is acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watcher {
    /// All that it knows: the fold of its events.
    state: WatcherState,
}

impl Watcher {
    /// A watcher of a channel whose funding output is unspent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The watcher that wrote this state.
    #[must_use]
    pub const fn load(state: WatcherState) -> Self {
        Self { state }
    }

    /// All that it knows.
    #[must_use]
    pub const fn state(&self) -> &WatcherState {
        &self.state
    }

    /// Folds in an event from the log.
    pub fn apply(&mut self, event: &WatchEvent) {
        self.state.apply(event);
    }

    /// Reads a block that joined the best chain: a spend of the funding output, and spends of that transaction's outputs.
    #[must_use = "events must reach the log"]
    pub fn handle_block(
        &mut self,
        spends: &BlockSpends<'_>,
        height: BlockHeight,
        facts: &dyn ChannelFacts,
    ) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        if self.state.spend().is_none() {
            let funding = facts.context(Side::Holder).terms().funding_outpoint;
            if let Some((transaction, _)) = spends.of(&funding) {
                events = self.handle_funding_spend(transaction, height, facts);
            }
        }
        let ends = self.ends_in(spends, height);
        ends.iter().for_each(|event| self.state.apply(event));
        events.extend(ends);
        events
    }

    /// Notes a transaction in the best chain that spends the funding output. Nothing happens if it was noted before.
    ///
    /// # Panics
    /// If the transaction does not spend the funding output, or another one is already noted: the caller must say first
    /// that its block is gone.
    #[must_use = "events must reach the log"]
    pub fn handle_funding_spend(
        &mut self,
        transaction: &Transaction,
        height: BlockHeight,
        facts: &dyn ChannelFacts,
    ) -> Vec<WatchEvent> {
        let funding = facts.context(Side::Holder).terms().funding_outpoint;
        let is_spend = transaction.input.iter().any(|input| input.previous_output == funding);
        assert!(is_spend, "the transaction spends {funding}");
        if let Some(known) = self.state.spend() {
            assert_eq!(known.txid, transaction.compute_txid(), "{funding} is spent once");
            return Vec::new();
        }
        let event = WatchEvent::FundingSpent(FundingSpend::classify(transaction, height, facts));
        self.state.apply(&event);
        vec![event]
    }

    /// Forgets what this block and all above it did: they left the best chain.
    #[must_use = "events must reach the log"]
    pub fn handle_block_disconnected(&mut self, height: BlockHeight) -> Vec<WatchEvent> {
        if !self.state.is_touched_from(height) {
            return Vec::new();
        }
        let event = WatchEvent::BlockDisconnected { height };
        self.state.apply(&event);
        vec![event]
    }

    /// Plans what is to be broadcast at this tip. Asked again it answers the same, without events, so that every claim
    /// is broadcast each block until it is mined.
    pub fn poll(&mut self, request: &PollRequest, facts: &dyn ChannelFacts) -> Plan {
        let seen = self.state.spend().map(|spend| spend.height);
        assert!(seen <= Some(request.tip), "the tip {} is behind {seen:?}", request.tip);
        let plan = plan(&self.state, request, facts);
        plan.events.iter().for_each(|event| self.state.apply(event));
        plan
    }

    /// Reads a transaction that waits for a block: the preimages it shows of locks in this channel, of the commitment on
    /// chain and of those that could still get there. A preimage is what its hash says wherever it stands, so every lock
    /// with that hash may be claimed by it. Those that the channel knows, or that were told before, are no news.
    #[must_use = "events must reach the log"]
    pub fn handle_mempool(
        &mut self,
        transaction: &Transaction,
        facts: &dyn ChannelFacts,
    ) -> Vec<WatchEvent> {
        let hashes = self.awaited_hashes(facts);
        if hashes.is_empty() {
            return Vec::new();
        }
        let mut events = Vec::new();
        for (hash, preimage) in preimages_in(transaction) {
            if hashes.contains(&hash) && !self.state.is_seen(&hash) {
                let event = WatchEvent::PreimageSeen { hash, preimage };
                self.state.apply(&event);
                events.push(event);
            }
        }
        events
    }

    /// The outputs whose spends should be looked for among waiting transactions: locks on chain that this node offered.
    #[must_use]
    pub fn awaited_spends(&self) -> Vec<OutPoint> {
        let own = match self.state.spend().map(|spend| spend.kind) {
            Some(SpendKind::Commitment { broadcaster: Side::Holder, .. }) => Role::Broadcaster,
            Some(SpendKind::Commitment { broadcaster: Side::Counterparty, .. }) => {
                Role::Countersignatory
            }
            Some(SpendKind::Cooperative | SpendKind::Unknown { .. }) | None => return Vec::new(),
        };
        let offered = self.state.open_locks().filter(|(_, lock)| lock.offered_by == own);
        offered.map(|(outpoint, _)| outpoint).collect()
    }

    /// True if this transaction is what spent the funding output.
    #[must_use]
    pub fn is_spent_by(&self, txid: Txid) -> bool {
        self.state.spend().is_some_and(|spend| spend.txid == txid)
    }

    /// The hashes of locks whose preimage would be news.
    fn awaited_hashes(&self, facts: &dyn ChannelFacts) -> BTreeSet<PaymentHash> {
        let mut hashes: BTreeSet<PaymentHash> =
            self.state.open_locks().map(|(_, lock)| lock.payment_hash).collect();
        if self.state.spend().is_none() {
            let (number, lowest) = (facts.holder_number(), facts.counterparty_lowest());
            let standing = [
                (Side::Holder, number),
                (Side::Counterparty, lowest),
                (Side::Counterparty, facts.counterparty_highest()),
            ];
            for (broadcaster, number) in standing {
                let locks = facts.locks(broadcaster, number);
                hashes.extend(locks.iter().map(|lock| lock.payment_hash));
            }
        }
        hashes.retain(|hash| facts.preimage(hash).is_none());
        hashes
    }

    /// The rate to which this node's own commitment and its child are to be lifted at this tip, while no block spends
    /// the funding output: see [`ChildRequest`]. Nothing is noted yet, for the wallet may not have as much.
    #[must_use]
    pub fn child_rate(&self, request: &ChildRequest, facts: &dyn ChannelFacts) -> FeeRate {
        child_rate(self.state.child(), request, facts)
    }

    /// Notes that a child leaves which lifts its package to this rate. A rate no higher than one before is no news.
    #[must_use = "events must reach the log"]
    pub fn note_child(&mut self, tip: BlockHeight, fee_rate: FeeRate) -> Option<WatchEvent> {
        if self.state.child().is_some_and(|last| last.fee_rate >= fee_rate) {
            return None;
        }
        let event = WatchEvent::ChildPlanned { tip, fee_rate };
        self.state.apply(&event);
        Some(event)
    }

    /// Notes that even the cheapest child would cost more than this node's commitment brings it.
    #[must_use = "events must reach the log"]
    pub fn note_close_left(&mut self, tip: BlockHeight) -> Option<WatchEvent> {
        if self.state.close_left().is_some() {
            return None;
        }
        let event = WatchEvent::CloseLeft { since: tip };
        self.state.apply(&event);
        Some(event)
    }

    /// True if this node's close has not been worth its child for so long that the channel may be forgotten: about a
    /// week, so that no single spell of high fees decides.
    #[must_use]
    pub fn is_close_given_up(&self, tip: BlockHeight) -> bool {
        let since = self.state.close_left();
        self.state.spend().is_none()
            && since.is_some_and(|since| since.depth_at(tip) >= LEFT_BLOCKS)
    }

    /// What the spend of the funding output means, by what is known now; `None` while it is unspent.
    #[must_use]
    pub fn standing(&self, facts: &dyn ChannelFacts) -> Option<Standing> {
        self.state.spend().map(|spend| spend.standing(facts))
    }

    /// What became of a lock of this channel, known by its terms as the commitment that was mined has them: its number
    /// is not looked at, for the chain does not know it. Only [`LockEnd::Returned`] allows to fail it upstream.
    #[must_use]
    pub fn lock_end(&self, terms: &LockSpec, tip: BlockHeight, depth: BlockDelta) -> LockEnd {
        lock_end(self.state.spend(), terms, tip, depth)
    }

    /// True once the spend of the funding output is `depth` blocks deep: which commitment settles the channel, if one
    /// does, is beyond doubt.
    #[must_use]
    pub fn is_spend_final(&self, tip: BlockHeight, depth: BlockDelta) -> bool {
        self.state.spend().is_some_and(|spend| spend.height.depth_at(tip) >= depth)
    }

    /// True once everything is over and `depth` blocks deep, so that the channel may be forgotten: each output is spent,
    /// or is nothing to this node, or has long cost more than it holds.
    #[must_use]
    pub fn is_resolved(
        &self,
        tip: BlockHeight,
        depth: BlockDelta,
        facts: &dyn ChannelFacts,
    ) -> bool {
        let is_final = |height: BlockHeight| height.depth_at(tip) >= depth;
        let Some(spend) = self.state.spend().filter(|spend| is_final(spend.height)) else {
            return false;
        };
        spend.outputs.iter().filter(|output| output.is_followed()).all(|output| {
            match output.spend {
                Some(end) => is_final(end.height),
                None => match prospect(spend, output, facts) {
                    Prospect::Nothing => true,
                    // The offerer may take it back, and until it has this node may still learn the preimage.
                    Prospect::AwaitsPreimage { expiry } => {
                        expiry.depth_at(tip) >= LEFT_BLOCKS.max(depth)
                    }
                    Prospect::Claim(_) => {
                        let since = self.state.left_since(&spend.outpoint(output.vout));
                        since.is_some_and(|since| since.depth_at(tip) >= LEFT_BLOCKS.max(depth))
                    }
                },
            }
        })
    }

    /// The ends that a block brings to outputs that had none.
    fn ends_in(&self, spends: &BlockSpends<'_>, height: BlockHeight) -> Vec<WatchEvent> {
        let Some(spend) = self.state.spend() else { return Vec::new() };
        let SpendKind::Commitment { revocation_hash, .. } = spend.kind else { return Vec::new() };
        let end = |output: &TrackedOutput| {
            let (transaction, witness) = spends.of(&spend.outpoint(output.vout))?;
            let path = SpendPath::read(witness, &output.content, &revocation_hash)?;
            let (vout, txid) = (output.vout, transaction.compute_txid());
            let end = OutputSpend { vout, txid, height, path };
            Some(WatchEvent::OutputSpent { content: output.content, spend: end })
        };
        let unspent = spend.outputs.iter().filter(|output| output.spend.is_none());
        unspent.filter_map(end).collect()
    }
}
