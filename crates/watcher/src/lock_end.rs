//! What became of a lock, as far as the chain can tell: the one question that whoever waits for it upstream may ask.
//!
//! A lock is called returned only once no commitment that could still be mined holds it. Until the spend of the funding
//! output is final any of them could take its place, and until the end of the lock's own output is, its receiver could
//! still claim it.

use strait_onchain::LockSpec;
use strait_primitives::{BlockDelta, BlockHeight, Preimage};

use crate::output::{OutputContent, SpendPath, TrackedOutput};
use crate::spend::{FundingSpend, SpendKind};

/// What became of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockEnd {
    /// Its receiver may still claim it: nobody may be told that it failed.
    Open,
    /// Its receiver showed the preimage, in whichever block: knowledge is not undone.
    Claimed(Preimage),
    /// Its offerer has it back for good, or the transaction that settled the channel never held it.
    Returned,
}

/// What became of a lock with these terms. Locks alike in all of them are alike on chain: as long as one may be claimed,
/// none is returned, for what opens one opens all.
pub(crate) fn lock_end(
    spend: Option<&FundingSpend>,
    terms: &LockSpec,
    tip: BlockHeight,
    depth: BlockDelta,
) -> LockEnd {
    let Some(spend) = spend else { return LockEnd::Open };
    let is_final = |height: BlockHeight| height.depth_at(tip) >= depth;
    let is_alike = |output: &&TrackedOutput| match &output.content {
        OutputContent::Lock(lock) => LockSpec { id: terms.id, ..*lock } == *terms,
        OutputContent::Broadcaster
        | OutputContent::Countersignatory
        | OutputContent::Anchor
        | OutputContent::LedgerHash
        | OutputContent::Unrecognized => false,
    };
    let mut is_over = is_final(spend.height) && !matches!(spend.kind, SpendKind::Unknown { .. });
    for output in spend.outputs.iter().filter(is_alike) {
        match output.spend {
            Some(end) => match end.path {
                SpendPath::Claimed(preimage) => return LockEnd::Claimed(preimage),
                SpendPath::Penalty | SpendPath::Delayed | SpendPath::Refunded => {
                    is_over &= is_final(end.height);
                }
            },
            None => is_over = false,
        }
    }
    if is_over { LockEnd::Returned } else { LockEnd::Open }
}
