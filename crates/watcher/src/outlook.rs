//! What is still to come of a commitment on chain, and by when: for who watches the node.
//!
//! Cheaper than a plan: no claim is built, so that it may be asked twice a second of every channel.

use strait_onchain::Role;
use strait_primitives::{BlockDelta, BlockHeight, Side};

use crate::facts::ChannelFacts;
use crate::output::OutputContent;
use crate::spend::{SpendKind, Standing};
use crate::watcher::Watcher;

/// What is still to come of one channel on chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Outputs that are followed and that no block spends.
    pub unspent: usize,
    /// The last block before the thief may take an output of a commitment that it had revoked.
    pub penalty: Option<BlockHeight>,
    /// The last block before the offerer may take a lock back whose preimage this node knows.
    pub claim: Option<BlockHeight>,
}

impl Watcher {
    /// What is still to come of the channel, by the blocks so far.
    #[must_use]
    pub fn outlook(&self, facts: &dyn ChannelFacts) -> Outlook {
        let mut outlook = Outlook::default();
        let Some(spend) = self.state().spend() else { return outlook };
        let SpendKind::Commitment { broadcaster, .. } = spend.kind else { return outlook };
        let matures = spend.height.saturating_add(facts.context(broadcaster).terms().delay);
        let before_theirs = matures.saturating_sub(BlockDelta::new(1));
        let is_revoked = spend.standing(facts) == Standing::CounterpartyRevoked;
        let own = match broadcaster {
            Side::Holder => Role::Broadcaster,
            Side::Counterparty => Role::Countersignatory,
        };
        let waiting =
            |output: &&crate::TrackedOutput| output.is_followed() && output.spend.is_none();
        for output in spend.outputs.iter().filter(waiting) {
            outlook.unspent += 1;
            let OutputContent::Lock(lock) = &output.content else {
                if is_revoked {
                    outlook.penalty = Some(before_theirs);
                }
                continue;
            };
            if is_revoked {
                outlook.penalty = Some(before_theirs);
            } else if lock.offered_by != own && facts.preimage(&lock.payment_hash).is_some() {
                let last = match own {
                    Role::Broadcaster => lock.expiry,
                    Role::Countersignatory => lock.expiry.max(before_theirs),
                };
                outlook.claim = Some(outlook.claim.map_or(last, |nearest| nearest.min(last)));
            }
        }
        outlook
    }
}
