//! What the child of this node's own commitment should pay: what is usual, more as a lock's deadline nears or the close
//! waits, and never more than half of what the close saves.
//!
//! The package must win against whatever else stands in mempools: a stranger's child on the same anchor, the peer's child
//! on its own output, the peer's own commitment. A version-3 parent has one child; the new one takes its place if it pays
//! more, so a rate that goes on rising gets past whatever does not pay enough to be mined itself.

use strait_onchain::Role;
use strait_primitives::{BlockDelta, BlockHeight, FeeRate, Sats, Side, VBytes};

use crate::facts::ChannelFacts;
use crate::fee::{Budget, Burden, doublings, hurried, raised};
use crate::limits::{DOUBLINGS, PATIENCE, REFUND_MARGIN, RISE_BLOCKS_MAX};
use crate::prospect::Deadline;
use crate::state::ChildPlan;

/// What a watcher is asked about the child of this node's own commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildRequest {
    /// The best chain's height.
    pub tip: BlockHeight,
    /// What a transaction pays that is in no hurry.
    pub fee_rate: FeeRate,
    /// The commitment and a child of one coin together.
    pub size: VBytes,
    /// What the commitment brings this node.
    pub stake: Sats,
}

/// The rate that commitment and child should pay; never lower than before.
pub(crate) fn child_rate(
    last: Option<ChildPlan>,
    request: &ChildRequest,
    facts: &dyn ChannelFacts,
) -> FeeRate {
    let usual = request.fee_rate.max(FeeRate::RELAY_FLOOR);
    let waited = last.map_or(0, |last| {
        request.tip.to_u32().saturating_sub(last.since.to_u32()) / PATIENCE.to_u32()
    });
    let hurry = deadlines(facts).map(|deadline| doublings(deadline, request.tip)).max();
    let doublings = waited.min(DOUBLINGS).max(hurry.unwrap_or(0));
    let burden = Burden { value: request.stake, size: request.size, budget: Budget::Half };
    let wanted = hurried(usual, doublings, burden);
    last.map_or(wanted, |last| raised(last.fee_rate, wanted).unwrap_or(last.fee_rate))
}

/// By when the locks of this node's commitment want it mined: a lock offered to this node whose preimage it knows, so
/// long before its expiry that the delay is over by then; a lock that this node offered, from its expiry on.
fn deadlines(facts: &dyn ChannelFacts) -> impl Iterator<Item = Deadline> {
    let delay = facts.context(Side::Holder).terms().delay;
    let locks = facts.locks(Side::Holder, facts.holder_number());
    locks.into_iter().filter_map(move |lock| match lock.offered_by {
        Role::Broadcaster => {
            let at = lock.expiry.saturating_add(REFUND_MARGIN);
            Some(Deadline { at, window: REFUND_MARGIN })
        }
        Role::Countersignatory => facts.preimage(&lock.payment_hash).map(|_| {
            let at = lock.expiry.saturating_sub(delay);
            Deadline { at, window: BlockDelta::new(2 * RISE_BLOCKS_MAX.to_u32()) }
        }),
    })
}
