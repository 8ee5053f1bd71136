//! What a watcher remembers: the fold of its events.

use bitcoin::OutPoint;
use strait_onchain::LockSpec;
use strait_primitives::{BlockHeight, FeeRate, PaymentHash};

use crate::event::{ClaimPlan, WatchEvent};
use crate::output::{OutputContent, OutputSpend};
use crate::spend::FundingSpend;

/// An output that costs more than it holds.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct Left {
    /// The output.
    #[cbor(n(0), with = "strait_onchain::cbor::consensus")]
    pub(crate) outpoint: OutPoint,
    /// The tip at which it first did, without a break.
    #[n(1)]
    pub(crate) since: BlockHeight,
}

/// The durable state of one channel's watcher. The default is that of a channel whose funding output is unspent.
#[derive(Debug, Clone, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct WatcherState {
    /// What spent the funding output, while that block stands.
    #[n(0)]
    spend: Option<FundingSpend>,
    /// Claims as they were planned, the latest last; none whose every input a later one took over. They outlive
    /// reorganisations, for what was broadcast is not unsent.
    #[n(1)]
    plans: Vec<ClaimPlan>,
    /// Outputs that are not worth their claim, while that tip stands and until one is planned.
    #[n(2)]
    left: Vec<Left>,
    /// Hashes of locks whose preimage was seen before a block held it: nothing is told twice.
    #[n(3)]
    seen: Option<Vec<PaymentHash>>,
    /// The child of this node's own commitment, as it was last planned.
    #[n(4)]
    child: Option<ChildPlan>,
    /// Since when the close is not worth its child, without a break.
    #[n(5)]
    close_left: Option<BlockHeight>,
}

/// The child that pays for this node's commitment, over all its replacements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct ChildPlan {
    /// The tip at which the first was planned.
    #[n(0)]
    pub(crate) since: BlockHeight,
    /// What the last one and its parent pay for their sizes.
    #[n(1)]
    pub(crate) fee_rate: FeeRate,
}

impl WatcherState {
    /// What spent the funding output.
    #[must_use]
    pub const fn spend(&self) -> Option<&FundingSpend> {
        self.spend.as_ref()
    }

    /// The claims as they were last planned.
    #[must_use]
    pub fn plans(&self) -> &[ClaimPlan] {
        &self.plans
    }

    /// The plan that last took in this output.
    pub(crate) fn plan_of(&self, outpoint: &OutPoint) -> Option<&ClaimPlan> {
        self.plans.iter().rev().find(|plan| plan.inputs.contains(outpoint))
    }

    /// Since when this output has cost more than it holds.
    pub(crate) fn left_since(&self, outpoint: &OutPoint) -> Option<BlockHeight> {
        self.left.iter().find(|left| left.outpoint == *outpoint).map(|left| left.since)
    }

    /// True if a block at or above this height did something that this state holds.
    pub(crate) fn is_touched_from(&self, height: BlockHeight) -> bool {
        let spends = self.spend.iter();
        spends.clone().any(|spend| spend.height >= height)
            || spends
                .flat_map(|spend| &spend.outputs)
                .filter_map(|output| output.spend)
                .any(|spend| spend.height >= height)
            || self.left.iter().any(|left| left.since >= height)
            || self.close_left.is_some_and(|since| since >= height)
    }

    /// Folds one event in. Total over events that a watcher wrote; its promises are asserted again.
    pub fn apply(&mut self, event: &WatchEvent) {
        match event {
            WatchEvent::FundingSpent(spend) => {
                assert!(self.spend.is_none(), "a funding output is spent once");
                assert!(spend.outputs.iter().all(|output| output.spend.is_none()), "it is news");
                spend.assert_conserved();
                self.spend = Some(spend.clone());
            }
            WatchEvent::OutputSpent { content, spend } => self.end_output(content, spend),
            WatchEvent::BlockDisconnected { height } => self.disconnect(*height),
            WatchEvent::ClaimPlanned(plan) => self.note_plan(plan),
            WatchEvent::OutputLeft { outpoint, since } => {
                assert!(self.left_since(outpoint).is_none(), "{outpoint} is left once");
                self.left.push(Left { outpoint: *outpoint, since: *since });
            }
            WatchEvent::PreimageSeen { hash, .. } => {
                assert!(!self.is_seen(hash), "a preimage is news once");
                self.seen.get_or_insert_default().push(*hash);
            }
            WatchEvent::ChildPlanned { tip, fee_rate } => self.note_child(*tip, *fee_rate),
            WatchEvent::CloseLeft { since } => {
                assert!(self.close_left.is_none(), "a close is left once");
                self.close_left = Some(*since);
            }
        }
    }

    fn note_child(&mut self, tip: BlockHeight, fee_rate: FeeRate) {
        let since = self.child.map_or(tip, |last| {
            assert!(last.fee_rate < fee_rate, "a child's fee only rises");
            last.since
        });
        self.child = Some(ChildPlan { since, fee_rate });
        self.close_left = None;
    }

    /// True if the preimage of this hash was told before.
    pub(crate) fn is_seen(&self, hash: &PaymentHash) -> bool {
        self.seen.iter().flatten().any(|seen| seen == hash)
    }

    /// The child of this node's own commitment, as it was last planned.
    pub(crate) const fn child(&self) -> Option<ChildPlan> {
        self.child
    }

    /// Since when this node's close has not been worth its child.
    #[must_use]
    pub const fn close_left(&self) -> Option<BlockHeight> {
        self.close_left
    }

    fn end_output(&mut self, content: &OutputContent, end: &OutputSpend) {
        let spend = self.spend.as_mut().expect("outputs are spent after the funding output");
        assert!(end.height >= spend.height, "nothing is spent before it is there");
        let outpoint = spend.outpoint(end.vout);
        let output = spend.outputs.iter_mut().find(|output| output.vout == end.vout);
        let output = output.expect("only outputs that are there are spent");
        assert!(output.is_followed(), "{outpoint} is followed");
        assert_eq!(output.content, *content, "the event names what the output holds");
        assert!(output.spend.is_none(), "{outpoint} is spent once");
        output.spend = Some(*end);
    }

    fn disconnect(&mut self, height: BlockHeight) {
        self.left.retain(|left| left.since < height);
        self.close_left = self.close_left.filter(|since| *since < height);
        if self.spend.as_ref().is_some_and(|spend| spend.height >= height) {
            self.spend = None;
        }
        for output in self.spend.iter_mut().flat_map(|spend| &mut spend.outputs) {
            output.spend = output.spend.filter(|spend| spend.height < height);
        }
        assert!(!self.is_touched_from(height), "nothing of block {height} is left");
    }

    fn note_plan(&mut self, plan: &ClaimPlan) {
        assert!(!plan.inputs.is_empty(), "a claim takes something");
        for outpoint in &plan.inputs {
            assert!(!self.is_spent(outpoint), "{outpoint} is spent and not to be claimed");
        }
        self.left.retain(|left| !plan.inputs.contains(&left.outpoint));
        self.plans.push(plan.clone());
        let plans = core::mem::take(&mut self.plans);
        for (index, older) in plans.iter().enumerate() {
            let later = plans.get(index.saturating_add(1)..).unwrap_or_default();
            let is_taken = |outpoint| later.iter().any(|plan| plan.inputs.contains(outpoint));
            if !older.inputs.iter().all(is_taken) {
                self.plans.push(older.clone());
            }
        }
        assert_eq!(self.plans.last(), Some(plan), "the latest plan is last");
    }

    /// True if a block spent this output.
    pub(crate) fn is_spent(&self, outpoint: &OutPoint) -> bool {
        self.spend.as_ref().is_some_and(|spend| {
            let place = |vout| spend.outpoint(vout);
            spend.outputs.iter().any(|o| o.spend.is_some() && place(o.vout) == *outpoint)
        })
    }

    /// The lowest rate at which an output may be claimed again.
    pub(crate) fn floor_of(&self, outpoint: &OutPoint) -> Option<FeeRate> {
        self.plan_of(outpoint).map(|plan| plan.fee_rate)
    }

    /// Each lock output of the commitment on chain that no block spends.
    pub(crate) fn open_locks(&self) -> impl Iterator<Item = (OutPoint, &LockSpec)> {
        self.spend.iter().flat_map(|spend| {
            spend.outputs.iter().filter_map(|output| match &output.content {
                OutputContent::Lock(lock) if output.spend.is_none() => {
                    Some((spend.outpoint(output.vout), lock))
                }
                OutputContent::Lock(_)
                | OutputContent::Broadcaster
                | OutputContent::Countersignatory
                | OutputContent::Anchor
                | OutputContent::LedgerHash
                | OutputContent::Unrecognized => None,
            })
        })
    }
}
