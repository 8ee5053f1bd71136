//! What this node may take of an output: by which path, from which block on, and against whom.
//!
//! Heights here are those of blocks that may hold the claim. A relative lock of `delay` on an output mined at `c` opens
//! in block `c + delay`; a locktime of `expiry` opens in the block after `expiry`.

use strait_onchain::{Claim, ClaimKey, Coin, LockSpec, Role};
use strait_primitives::{BlockDelta, BlockHeight, Side};

use crate::facts::ChannelFacts;
use crate::limits::REFUND_MARGIN;
use crate::output::{OutputContent, TrackedOutput};
use crate::spend::{FundingSpend, SpendKind, Standing};

/// One block.
const ONE: BlockDelta = BlockDelta::new(1);

/// By when a claim should be mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// The last good block.
    pub(crate) at: BlockHeight,
    /// Blocks from the claim's first to that.
    pub(crate) window: BlockDelta,
}

impl Deadline {
    /// The block before a rival's first.
    fn before(rival: BlockHeight, opens: BlockHeight) -> Self {
        let window = rival.to_u32().saturating_sub(opens.to_u32());
        Self { at: rival.saturating_sub(ONE), window: BlockDelta::new(window) }
    }
}

/// A claim that this node has, now or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnClaim {
    /// How it is made.
    pub(crate) claim: Claim,
    /// The first block that may hold it.
    pub(crate) opens: BlockHeight,
    /// By when it should be mined, if that matters.
    pub(crate) deadline: Option<Deadline>,
    /// The first block in which the other side could take the output instead.
    pub(crate) contested: Option<BlockHeight>,
}

impl OwnClaim {
    /// True if it takes an output of a commitment that the counterparty had revoked.
    pub(crate) fn is_penalty(&self) -> bool {
        self.claim.key() == ClaimKey::Penalty
    }

    /// True once the next block may hold it.
    pub(crate) fn is_open(&self, tip: BlockHeight) -> bool {
        self.opens <= tip.saturating_add(ONE)
    }

    /// True once the next block may hold the other side's claim.
    pub(crate) fn is_contested(&self, tip: BlockHeight) -> bool {
        self.contested.is_some_and(|from| from <= tip.saturating_add(ONE))
    }
}

/// What an output promises this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// Nothing, or nothing that is not in its wallet already.
    Nothing,
    /// A lock offered to it whose preimage it does not know; from the expiry on it is lost.
    AwaitsPreimage {
        /// The lock's expiry.
        expiry: BlockHeight,
    },
    /// A claim.
    Claim(Box<OwnClaim>),
}

/// What an output of a confirmed commitment promises this node.
pub(crate) fn prospect(
    spend: &FundingSpend,
    output: &TrackedOutput,
    facts: &dyn ChannelFacts,
) -> Prospect {
    let SpendKind::Commitment { broadcaster, revocation_hash, .. } = spend.kind else {
        return Prospect::Nothing;
    };
    let context = facts.context(broadcaster);
    let coin = Coin { outpoint: spend.outpoint(output.vout), value: output.value };
    let matures = spend.height.saturating_add(context.terms().delay);
    let own = match broadcaster {
        Side::Holder => Role::Broadcaster,
        Side::Counterparty => Role::Countersignatory,
    };
    if let Some(secret) = spend.secret(facts) {
        let claim = match &output.content {
            OutputContent::Broadcaster => context.punish_balance(coin, &secret),
            OutputContent::Lock(lock) => context.punish_lock(coin, lock, &secret),
            OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized => return Prospect::Nothing,
        };
        return Prospect::Claim(Box::new(OwnClaim {
            claim,
            opens: spend.height,
            deadline: Some(Deadline::before(matures, spend.height)),
            contested: Some(matures),
        }));
    }
    match (&output.content, own) {
        (OutputContent::Broadcaster, Role::Broadcaster) => {
            let is_revoked = spend.standing(facts) == Standing::HolderRevoked;
            Prospect::Claim(Box::new(OwnClaim {
                claim: context.claim_balance(coin, &revocation_hash),
                opens: matures,
                deadline: None,
                contested: is_revoked.then_some(spend.height),
            }))
        }
        (OutputContent::Lock(lock), _) if lock.offered_by == own => {
            let claim = context.refund_lock(coin, &revocation_hash, lock);
            refund(claim, lock, own, Times { mined: spend.height, matures })
        }
        (OutputContent::Lock(lock), _) => match facts.preimage(&lock.payment_hash) {
            None => Prospect::AwaitsPreimage { expiry: lock.expiry },
            Some(preimage) => {
                let claim = context
                    .claim_lock(coin, &revocation_hash, lock, &preimage)
                    .expect("the facts give the preimage of the hash asked for");
                receipt(claim, lock, own, Times { mined: spend.height, matures })
            }
        },
        (OutputContent::Broadcaster, Role::Countersignatory)
        | (
            OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized,
            _,
        ) => Prospect::Nothing,
    }
}

/// The heights that all paths of a commitment count from.
#[derive(Clone, Copy)]
struct Times {
    /// Its block.
    mined: BlockHeight,
    /// The first block that may hold a claim of its broadcaster.
    matures: BlockHeight,
}

/// A lock that this node offered: it comes back from its expiry on, and the receiver may come with the preimage until
/// it has.
fn refund(claim: Claim, lock: &LockSpec, own: Role, times: Times) -> Prospect {
    let expired = lock.expiry.saturating_add(ONE);
    let (opens, contested) = match own {
        Role::Broadcaster => (expired.max(times.matures), times.mined),
        Role::Countersignatory => (expired, times.matures),
    };
    let at = opens.saturating_add(REFUND_MARGIN);
    Prospect::Claim(Box::new(OwnClaim {
        claim,
        opens,
        deadline: Some(Deadline { at, window: REFUND_MARGIN }),
        contested: Some(contested),
    }))
}

/// A lock offered to this node whose preimage it knows: it must be taken before the offerer can take it back.
fn receipt(claim: Claim, lock: &LockSpec, own: Role, times: Times) -> Prospect {
    let expired = lock.expiry.saturating_add(ONE);
    let (opens, rival) = match own {
        Role::Broadcaster => (times.matures, expired),
        Role::Countersignatory => (times.mined, expired.max(times.matures)),
    };
    Prospect::Claim(Box::new(OwnClaim {
        claim,
        opens,
        deadline: Some(Deadline::before(rival, opens)),
        contested: Some(rival),
    }))
}
