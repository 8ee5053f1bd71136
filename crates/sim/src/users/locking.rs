//! Locks that users offer, to a peer or through one, and what payees do with those that their nodes hold.

use bitcoin::hashes::{Hash, sha256};
use strait_engine::{ChannelStage, ChannelView, Command, CommandId, LockStage, LockView};
use strait_primitives::{BlockDelta, BlockHeight, MilliSats, NodeId, PaymentHash, Preimage};
use strait_wire::{Hop, Route};

use super::asking::{Sight, new_request};
use super::{Purpose, Users};
use crate::choices::Choices;

/// The smallest lock that all nodes here take, in thousandths of a satoshi.
const LOCK_MIN_MSAT: u64 = 1_000_000;
/// Blocks by which users' locks may end later than they must.
const SLACK_BLOCKS: u64 = 12;

impl Users {
    /// A new lock through an open channel: for the peer, or for somebody beyond it.
    pub(super) fn lock(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let command = self.lock_command(sight, choices)?;
        let Command::OfferLock { key, .. } = command else { panic!("an offer") };
        Some(self.begin(new_request(sight.place, key, command, Purpose::Lock, Vec::new())))
    }

    /// The offer of such a lock.
    pub(super) fn lock_command(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<Command> {
        let view = sight.channel(choices)?;
        let most = view.spendable.to_msat() / 4;
        if view.stage != ChannelStage::Open || most < 2 * LOCK_MIN_MSAT {
            return None;
        }
        let last_amount = msat(choices.between(LOCK_MIN_MSAT, most));
        let last_expiry = self.last_expiry(sight, choices);
        let beyond: Vec<NodeId> = sight
            .beyond
            .iter()
            .filter(|(hop, _)| *hop == view.peer)
            .map(|(_, node)| *node)
            .collect();
        let goes_on = !beyond.is_empty() && choices.chance(600);
        let (amount, expiry, hops) = if goes_on {
            let node = *choices.pick(&beyond);
            let hop = Hop { node, amount: last_amount, expiry: last_expiry };
            let (amount, expiry) = before_hop(sight, &view, hop, choices);
            (amount, expiry, vec![hop])
        } else {
            (last_amount, last_expiry, Vec::new())
        };
        let key = self.fresh_key();
        let payment_hash = self.fresh_hash(choices);
        let route = Route::new(hops).expect("one hop is few");
        let channel = view.channel;
        Some(Command::OfferLock { key, channel, amount, payment_hash, expiry, route })
    }

    /// A lock that the node holds for its user is claimed as a rule, or given back.
    pub(super) fn unlock(
        &mut self,
        sight: Sight<'_>,
        choices: &mut Choices,
    ) -> Option<(CommandId, Command)> {
        let views = sight.engine.lock_views().into_iter();
        let held: Vec<LockView> = views.filter(|view| view.stage == LockStage::Held).collect();
        if held.is_empty() {
            return None;
        }
        let view = choices.pick(&held);
        let (key, lock) = (self.fresh_key(), view.lock);
        let preimage = self.preimages.get(&view.payment_hash).copied();
        let command = match preimage.filter(|_| !choices.chance(250)) {
            Some(preimage) => {
                self.shown.insert(view.payment_hash);
                Command::ClaimLock { key, lock, preimage }
            }
            None => Command::CancelLock { key, lock },
        };
        Some(self.begin(new_request(sight.place, key, command, Purpose::Lock, Vec::new())))
    }

    fn last_expiry(&self, sight: Sight<'_>, choices: &mut Choices) -> BlockHeight {
        let config = sight.engine.config();
        let needed = config.locks.needed(config.opening.parameters.delay);
        let least = sight.engine.tip().height.saturating_add(needed);
        // One that comes too late to be of use goes back.
        if choices.chance(30) {
            return least.saturating_sub(BlockDelta::new(1)).saturating_sub(slack(choices));
        }
        least.saturating_add(slack(choices))
    }

    /// The hash of something new, or now and then of something known: locks are not told apart by their hashes.
    fn fresh_hash(&mut self, choices: &mut Choices) -> PaymentHash {
        if choices.chance(100)
            && let Some((known, _)) = self.preimages.last_key_value()
        {
            return *known;
        }
        let reference = self.fresh_reference();
        let preimage = sha256::Hash::hash(reference.as_bytes()).to_byte_array();
        let hash = PaymentHash::from_bytes(sha256::Hash::hash(&preimage).to_byte_array());
        self.preimages.insert(hash, Preimage::from_bytes(preimage));
        hash
    }
}

/// What a lock must be for its receiver to pass it on so.
fn before_hop(
    sight: Sight<'_>,
    view: &ChannelView,
    hop: Hop,
    choices: &mut Choices,
) -> (MilliSats, BlockHeight) {
    let config = sight.engine.config();
    let fee = config.locks.fee(hop.amount);
    let amount = hop.amount.checked_add(fee).unwrap_or(view.spendable);
    // All nodes here want the same delay.
    let between = config.locks.needed(config.opening.parameters.delay).to_u32() * 2;
    let expiry = hop.expiry.saturating_add(BlockDelta::new(between));
    match choices.below(16) {
        // Whoever passes these on would pay for it, with money or with time: nobody may.
        0 => (short_of(amount, fee, choices), expiry),
        1 => {
            // One margin at each end is more than what is due.
            let spare = config.locks.margin.to_u32() * 2 + 1;
            (amount, expiry.saturating_sub(BlockDelta::new(spare)).saturating_sub(slack(choices)))
        }
        _ => (amount, expiry.saturating_add(slack(choices))),
    }
}

/// Less than what is due, by up to twice the fee.
fn short_of(due: MilliSats, fee: MilliSats, choices: &mut Choices) -> MilliSats {
    let short = choices.between(1, fee.to_msat().saturating_mul(2).max(1));
    due.saturating_sub(msat(short))
}

fn slack(choices: &mut Choices) -> BlockDelta {
    let blocks = choices.below(SLACK_BLOCKS);
    BlockDelta::new(u32::try_from(blocks).expect("a few blocks"))
}

fn msat(msat: u64) -> MilliSats {
    MilliSats::new(msat).expect("below a capacity")
}
