//! The reserve of coins that every channel can be closed with (protocol section 3).
//!
//! A child of a commitment spends mined coins only, so what counts is what is mined when a close may be needed. Before a
//! channel is funded nothing of it can be closed; and the change of its own funding transaction is mined with it.
//!
//! Each lock makes a commitment larger, up to thirty times as large as one without. To keep coins for the most that each
//! channel could ever hold would cost an operator of a hundred channels millions of satoshis for locks that hardly ever
//! stand. So each close is reckoned with the locks that stand and room for [`LOCK_ROOM`] more; and no lock is offered, and
//! none is kept that a peer offers, where the coins there are would not pay for it as well. The room is what may come
//! before this node has a say: a peer may add a lock, and a queue may hold several. A peer that adds all it may at once
//! and then goes silent makes one close dearer by what the locks it pays for take, at most
//! the rest of its own commitment's size; the reserves of the other channels stand in for that.

use strait_channel::{Channel, Funded, Live, txid_of};
use strait_primitives::{Party, Sats, VBytes};
use strait_wallet::{COMMITMENT_VBYTES, FeeReserve, bump_reserve};

use crate::answer::CommandError;
use crate::config::ReserveRule;
use crate::engine::Engine;
use crate::limits::LOCK_ROOM;

/// One lock's output in a commitment: a P2WSH output.
const LOCK_OUTPUT_VBYTES: u64 = 43;

impl Engine {
    /// What closing every channel at once would need that this node would pay for.
    pub(crate) fn fee_reserve(&self) -> FeeReserve {
        self.reserve_for(self.commitments(has_part), 0)
    }

    /// What must stay when one more channel is opened.
    pub(crate) fn reserve_of_one_more(&self) -> FeeReserve {
        self.reserve_for(self.commitments(has_part), self.count_opening() + 1)
    }

    /// Says no if the coins would not close every channel that is funded, with so many more locks in them.
    pub(crate) fn check_lock_reserve(&mut self, more: u64) -> Result<(), CommandError> {
        match self.config.accept_reserve {
            ReserveRule::Waived => return Ok(()),
            ReserveRule::Demanded => {}
        }
        let now = self.commitments(|live| has_part(live) && live.funded != Funded::Waiting);
        let FeeReserve { amount, coins, coin_min, fee_rate } = self.reserve_for(now, 0);
        let more = fee_rate.fee(VBytes(more.saturating_mul(LOCK_OUTPUT_VBYTES)));
        let amount = amount.checked_add(more).unwrap_or(Sats::MAX);
        let wallet = &self.wallet;
        let funds = self.reserve_funds.get_or_insert_with(|| wallet.reserve_funds(fee_rate));
        if *funds < amount {
            return Err(CommandError::Reserve { amount, coins, coin_min });
        }
        Ok(())
    }

    /// Says no if the coins, once an opening has taken its own and `change` has come back, would not close every channel:
    /// those that are funded now, and all with the new one.
    pub(crate) fn check_reserve(&self, change: Option<Sats>) -> Result<(), CommandError> {
        let now = |live: &Live| has_part(live) && live.funded != Funded::Waiting;
        let now = self.reserve_for(self.commitments(now), 0);
        let then = self.reserve_of_one_more();
        let mut coming = self.coming_change();
        coming.extend(change);
        for (reserve, coming) in [(now, &[][..]), (then, coming.as_slice())] {
            if !self.wallet.covers(&reserve, coming) {
                let FeeReserve { amount, coins, coin_min, fee_rate: _ } = reserve;
                return Err(CommandError::Reserve { amount, coins, coin_min });
            }
        }
        Ok(())
    }

    /// Why no peer may open a channel now: each may become one that this node has to close.
    pub(crate) fn refuse_for_reserve(&self) -> Option<String> {
        match self.config.accept_reserve {
            ReserveRule::Waived => return None,
            ReserveRule::Demanded => {}
        }
        let own = self.commitments(|live| {
            live.funded != Funded::Waiting || live.setup.party == Party::Opener
        });
        let reserve = self.reserve_for(own, self.count_opening() + 1);
        (!self.wallet.covers(&reserve, &self.coming_change()))
            .then(|| "this node's wallet could not pay for the close of another channel".into())
    }

    /// The reserve for closing these commitments and so many that are not there yet.
    fn reserve_for(&self, mut commitments: Vec<VBytes>, coming: usize) -> FeeReserve {
        let all = commitments.len().saturating_add(coming);
        commitments.resize(all, with_locks(LOCK_ROOM));
        bump_reserve(&commitments, self.config.reserve_fee_rate)
    }

    /// The sizes of the commitments that this node may have to bring on chain, of the channels that count.
    fn commitments(&self, counts: impl Fn(&Live) -> bool) -> Vec<VBytes> {
        let live = self.channels.values().filter_map(|channel| channel.state().live());
        let unspent = live.filter(|live| !matches!(live.funded, Funded::Spent { .. }));
        unspent.filter(|live| counts(live)).map(commitment_size).collect()
    }

    /// Openings of this node's own that are not signed yet.
    fn count_opening(&self) -> usize {
        let is_opening = |channel: &&Channel| {
            let state = channel.state();
            state.party == Party::Opener && state.live().is_none() && !state.is_over()
        };
        self.channels.values().filter(is_opening).count()
    }

    /// The change of this node's own fundings: mined with the channels that need it.
    fn coming_change(&self) -> Vec<Sats> {
        let live = self.channels.values().filter_map(|channel| channel.state().live());
        let own =
            live.filter(|live| live.funded == Funded::Waiting && live.setup.party == Party::Opener);
        own.flat_map(|live| self.wallet.coming_from(txid_of(live.setup.funding.txid))).collect()
    }
}

/// True for a channel whose close may bring this node something: its balance, or a lock that the peer offered.
fn has_part(live: &Live) -> bool {
    let own = live.setup.party;
    live.stake() > Sats::ZERO
        || live.rounds.ledger.outputs_locked().iter().any(|lock| lock.offerer != own)
}

/// What a channel's commitment takes, with the locks that stand and room for more.
fn commitment_size(live: &Live) -> VBytes {
    let rules = live.setup.rules();
    let most = 2 * u64::from(rules.locks_max) + u64::from(rules.contract_locks_max);
    let locks = u64::try_from(live.rounds.ledger.outputs_locked().len()).expect("a few hundred");
    with_locks(locks.saturating_add(LOCK_ROOM.min(most.saturating_sub(locks))))
}

fn with_locks(locks: u64) -> VBytes {
    VBytes(COMMITMENT_VBYTES.0.saturating_add(locks.saturating_mul(LOCK_OUTPUT_VBYTES)))
}

#[cfg(test)]
mod tests;
