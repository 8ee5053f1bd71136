//! How the locks of a channel that the chain has settled ended: by what became of each lock's own output.
//!
//! Asked by the deadlines of locks, which want to know what came back for good, and once more before a channel is
//! forgotten. Locks may share a hash, so that a preimage is known tells nothing about any one of them; locks alike in
//! all of their terms have outputs alike, and each is given one of those. What goes back upstream is decided in
//! `lock_deadlines`, by all outputs that a lock might have (protocol sections 4 and 10).

use strait_channel::{Live, Outstanding};
use strait_onchain::{LockSpec, Role};
use strait_payment::{LockKey, LockTerms, Outcome, PaymentEvent};
use strait_primitives::{BlockHeight, ChannelId, CommitmentNumber, Side};
use strait_watcher::{FundingSpend, OutputContent, SpendKind, SpendPath, Standing, TrackedOutput};

use crate::engine::{Engine, Step};
use crate::on_chain::Facts;

/// The commitment that settles a channel, as one that this node can read.
pub(crate) struct SettledBy<'a> {
    spend: &'a FundingSpend,
    /// Whose it is.
    broadcaster: Side,
    /// Its number.
    number: CommitmentNumber,
    live: &'a Live,
}

impl<'a> SettledBy<'a> {
    /// The outputs that locks of these terms have in it, in its order.
    pub(crate) fn outputs_of(
        &self,
        offerer: Side,
        terms: &LockTerms,
    ) -> impl Iterator<Item = &'a TrackedOutput> + use<'a> {
        let offered_by =
            if offerer == self.broadcaster { Role::Broadcaster } else { Role::Countersignatory };
        let LockTerms { amount, payment_hash, expiry } = *terms;
        self.spend.outputs.iter().filter(move |output| match output.content {
            OutputContent::Lock(spec) => {
                spec == LockSpec { id: spec.id, offered_by, amount, payment_hash, expiry }
            }
            OutputContent::Broadcaster
            | OutputContent::Countersignatory
            | OutputContent::Anchor
            | OutputContent::LedgerHash
            | OutputContent::Unrecognized => false,
        })
    }

    /// Where it was mined.
    pub(crate) const fn height(&self) -> BlockHeight {
        self.spend.height
    }

    /// True if it is the commitment that the round under way leads to.
    fn is_of_round_under_way(&self) -> bool {
        match &self.live.rounds.outstanding {
            Some(Outstanding::Proposed { number, .. }) => *number == self.number,
            Some(Outstanding::Accepted { .. }) => self.live.rounds.number == self.number,
            None => false,
        }
    }
}

impl Engine {
    /// The commitment that settles a channel. Nothing for a cooperative close, which holds no locks, and for a spend
    /// that this node cannot read, which may hold any.
    pub(crate) fn settled_by(&self, id: &ChannelId) -> Option<SettledBy<'_>> {
        let channel = self.channels.get(id)?;
        let live = channel.state().live()?;
        let watcher = self.watchers.get(id)?;
        let spend = watcher.state().spend()?;
        match watcher.standing(&Facts { channel, payments: &self.payments })? {
            Standing::HolderCurrent
            | Standing::HolderRevoked
            | Standing::CounterpartyCurrent
            | Standing::CounterpartyProposed
            | Standing::CounterpartyRevoked => {}
            Standing::Cooperative | Standing::Ahead { .. } | Standing::Unknown => return None,
        }
        let SpendKind::Commitment { broadcaster, number, .. } = spend.kind else { return None };
        Some(SettledBy { spend, broadcaster, number, live })
    }

    /// How the round under way ended a lock, if the commitment on chain is the one that this round leads to.
    pub(crate) fn ended_by_round(&self, by: &SettledBy<'_>, key: &LockKey) -> Option<Outcome> {
        self.payments.round_end(key).filter(|_| by.is_of_round_under_way())
    }

    /// Notes how each lock of a channel ended that is about to be forgotten.
    pub(crate) fn note_lock_ends(&mut self, id: ChannelId, out: &mut Step) {
        let Some(by) = self.settled_by(&id) else { return };
        let incoming = self.payments.incoming().map(|(key, lock)| (*key, lock.terms));
        let outgoing = self.payments.outgoing().map(|(key, lock)| (*key, lock.terms));
        let all = incoming.chain(outgoing).filter(|(key, _)| key.channel == id);
        let locks: Vec<(LockKey, LockTerms)> = all.collect();
        let mut ends = Vec::new();
        // Those before it that are alike, and have taken the first of the outputs.
        let mut standing: Vec<(Side, LockTerms)> = Vec::new();
        for (lock, terms) in locks {
            if let Some(outcome) = self.ended_by_round(&by, &lock) {
                ends.push((lock, outcome));
                continue;
            }
            let place = standing.iter().filter(|other| **other == (lock.offerer, terms)).count();
            standing.push((lock.offerer, terms));
            let output = by.outputs_of(lock.offerer, &terms).nth(place);
            ends.extend(output.and_then(|o| end_of(lock.offerer, o)).map(|end| (lock, end)));
        }
        for (lock, outcome) in ends {
            self.record_payment(PaymentEvent::EndedOnChain { lock, outcome }, out);
        }
    }
}

/// How a lock ended with this output; nothing where that does not tell.
///
/// What this node offered and nobody took may be claimed yet: it is not called returned, and so nothing is failed
/// upstream by it. A penalty gives the money of a lock to the one who was cheated, whatever its hash: if that is its
/// receiver, what is known of the preimage decides.
fn end_of(offerer: Side, output: &TrackedOutput) -> Option<Outcome> {
    match (offerer, output.spend.map(|end| end.path)) {
        (_, Some(SpendPath::Claimed(_))) => Some(Outcome::Claimed),
        (_, Some(SpendPath::Refunded | SpendPath::Delayed)) => Some(Outcome::Expired),
        (Side::Holder, Some(SpendPath::Penalty)) => Some(Outcome::Expired),
        (Side::Counterparty, Some(SpendPath::Penalty)) | (Side::Holder, None) => None,
        (Side::Counterparty, None) => Some(Outcome::Expired),
    }
}
