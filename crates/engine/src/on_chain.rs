//! Watchers: the guards of channels whose funding output was spent.
//!
//! A watcher borrows facts from its channel and decides by itself; here its claims are signed and sent.

use bitcoin::{OutPoint, Script, Transaction};
use strait_channel::{Channel, Outstanding, Spender};
use strait_onchain::{CommitmentContext, LockSpec, Role, WalletScript};
use strait_payment::PaymentBook;
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, LockId, PaymentHash, Preimage,
    RequestKey, Sats, Side,
};
use strait_watcher::{
    BlockSpends, ChannelFacts, PollRequest, Revocation, Standing, WatchEvent, Watcher, preimages_in,
};

use crate::answer::{Answer, CommandError};
use crate::effect::{Effect, Report};
use crate::engine::{Engine, Moment, Step};
use crate::event::Event;
use crate::requests::RequestFate;
use crate::state::placed;

/// A live channel's facts, borrowed.
pub(crate) struct Facts<'a> {
    pub(crate) channel: &'a Channel,
    pub(crate) payments: &'a PaymentBook,
}

impl Facts<'_> {
    fn rounds(&self) -> &strait_channel::Rounds {
        &self.live().rounds
    }

    fn live(&self) -> &strait_channel::Live {
        self.channel.state().live().expect("only live channels are watched")
    }
}

impl ChannelFacts for Facts<'_> {
    fn context(&self, broadcaster: Side) -> &CommitmentContext {
        self.channel.commitments().expect("a live channel builds commitments").of(broadcaster)
    }

    fn holder_number(&self) -> CommitmentNumber {
        self.rounds().number
    }

    fn counterparty_lowest(&self) -> CommitmentNumber {
        self.rounds().counterparty_lowest()
    }

    fn counterparty_highest(&self) -> CommitmentNumber {
        match &self.rounds().outstanding {
            Some(Outstanding::Proposed { number, .. }) => *number,
            Some(Outstanding::Accepted { .. }) | None => self.rounds().number,
        }
    }

    fn revocation(&self, broadcaster: Side, number: CommitmentNumber) -> Option<Revocation> {
        match broadcaster {
            Side::Holder => Some(Revocation::Hash(self.channel.signer().revocation_hash(number))),
            Side::Counterparty => {
                let rounds = self.rounds();
                let lowest = rounds.counterparty_lowest();
                let [first, second] = rounds.counterparty_hashes;
                if number == lowest {
                    Some(Revocation::Hash(first))
                } else if Some(number) == lowest.next() {
                    Some(Revocation::Hash(second))
                } else {
                    rounds.secrets.secret(number).map(Revocation::Secret)
                }
            }
        }
    }

    fn locks(&self, broadcaster: Side, number: CommitmentNumber) -> Vec<LockSpec> {
        let live = self.live();
        let party = live.setup.party.on(broadcaster);
        let spans = live.history.at(number).zip(0_u64..);
        let spec = |(span, id): (&strait_channel::LockSpan, u64)| LockSpec {
            id: LockId(id),
            offered_by: if span.offerer == party {
                Role::Broadcaster
            } else {
                Role::Countersignatory
            },
            amount: span.amount,
            payment_hash: span.payment_hash,
            expiry: span.expiry,
        };
        spans.map(spec).collect()
    }

    fn preimage(&self, hash: &PaymentHash) -> Option<Preimage> {
        self.payments.preimage_in(&self.channel.id(), hash)
    }
}

impl Engine {
    /// Shows a block to every watcher, and begins one where a funding output was spent.
    pub(crate) fn watch_block(
        &mut self,
        height: BlockHeight,
        spends: &BlockSpends<'_>,
        moment: &Moment<'_>,
        out: &mut Step,
    ) {
        let ids: Vec<ChannelId> = self.funding_outputs.values().copied().collect();
        for id in ids {
            let Some(channel) = self.channels.get(&id) else { continue };
            let known = self.watchers.contains_key(&id);
            let watcher = self.watchers.entry(id).or_default();
            let was_spent = watcher.state().spend().is_some();
            let events =
                watcher.handle_block(spends, height, &Facts { channel, payments: &self.payments });
            let spent = watcher.state().spend().map(|spend| spend.txid);
            let standing = watcher.standing(&Facts { channel, payments: &self.payments });
            let by = spender(standing);
            if events.is_empty() && !known {
                // A watcher exists from its first event on, in the log as here.
                self.watchers.remove(&id);
                continue;
            }
            self.log_watch(id, events, out);
            if let (false, Some(txid)) = (was_spent, spent) {
                let report =
                    standing.map(|standing| Report::FundingSpent { channel: id, standing });
                out.effects.extend(report.map(Effect::Report));
                let txid = crate::blocks::digest_of(txid);
                self.with_channel(id, moment, out, |channel, _, decision| {
                    channel.handle_spent(txid, height, by, decision);
                });
                self.tell_closing(id, out);
            }
        }
    }

    /// Shows every watcher a transaction that no block holds yet: it may show the preimage of a lock.
    pub(crate) fn watch_mempool(&mut self, transaction: &Transaction, out: &mut Step) {
        if preimages_in(transaction).next().is_none() {
            return;
        }
        for (id, channel) in &self.channels {
            if channel.state().live().is_none() {
                continue;
            }
            let facts = Facts { channel, payments: &self.payments };
            let known = self.watchers.contains_key(id);
            let watcher = self.watchers.entry(*id).or_default();
            let events = watcher.handle_mempool(transaction, &facts);
            if events.is_empty() && !known {
                self.watchers.remove(id);
            }
            out.events.extend(events.into_iter().map(|event| Event::Watch { channel: *id, event }));
        }
    }

    /// True if it spends an output of a commitment on chain.
    pub(crate) fn takes_from_commitment(&self, transaction: &Transaction) -> bool {
        let spent = |txid| self.watchers.values().any(|watcher| watcher.is_spent_by(txid));
        transaction.input.iter().any(|input| spent(input.previous_output.txid))
    }

    /// Asks for waiting transactions that may show the preimages of locks this node offered.
    pub(crate) fn look_for_preimages(&mut self, out: &mut Step) {
        let all: Vec<OutPoint> = self.watchers.values().flat_map(Watcher::awaited_spends).collect();
        if all != self.looked_for {
            self.looked_for.clone_from(&all);
            out.effects.push(Effect::LookFor(all));
        }
    }

    pub(crate) fn unwatch_block(&mut self, height: BlockHeight, out: &mut Step) {
        let mut all = Vec::new();
        for (id, watcher) in &mut self.watchers {
            all.push((*id, watcher.handle_block_disconnected(height)));
        }
        for (id, events) in all {
            self.log_watch(id, events, out);
        }
    }

    pub(crate) fn log_watch(
        &self,
        id: ChannelId,
        events: impl IntoIterator<Item = WatchEvent>,
        out: &mut Step,
    ) {
        out.events.extend(events.into_iter().map(|event| Event::Watch { channel: id, event }));
    }

    /// Signs and sends what watchers want claimed now.
    pub(crate) fn claim(&mut self, out: &mut Step) {
        let (tip, fee_rate) = (self.tip().height, self.fee_rate());
        let mut planned = Vec::new();
        for (id, watcher) in &mut self.watchers {
            let Some(channel) = self.channels.get(id) else { continue };
            let Some(destination) = destination(channel) else { continue };
            let request = PollRequest { tip, fee_rate, destination };
            planned
                .push((*id, watcher.poll(&request, &Facts { channel, payments: &self.payments })));
        }
        for (id, plan) in planned {
            self.log_watch(id, plan.events, out);
            let Some(channel) = self.channels.get(&id) else { continue };
            for claim in plan.claims {
                let signatures = channel.signer().sign_claims(&claim.transaction);
                let transaction = claim.transaction.finalize(&signatures);
                out.effects.push(Effect::Broadcast(vec![transaction]));
            }
        }
    }

    /// Lets go of channels whose every output is settled at depth. What hangs on the funding output alone is settled as
    /// soon as its spend is that deep, however long the last lock takes.
    pub(crate) fn resolve_settled(&mut self, moment: &Moment<'_>, out: &mut Step) {
        let tip = self.tip().height;
        for id in self.watchers.keys().copied().collect::<Vec<_>>() {
            let depth = self.forget_depth(&id);
            let is_final =
                self.watchers.get(&id).is_some_and(|watcher| watcher.is_spend_final(tip, depth));
            if !is_final {
                self.last_rounds_told.remove(&id);
            } else if self.last_rounds_told.insert(id) {
                self.tell_last_round(id, out);
                self.free_bump_coins(id, out);
            }
        }
        let settled = |(id, watcher): (&ChannelId, &Watcher)| {
            let channel = self.channels.get(id)?;
            let facts = Facts { channel, payments: &self.payments };
            watcher.is_resolved(tip, self.forget_depth(id), &facts).then_some(*id)
        };
        let ids: Vec<ChannelId> = self.watchers.iter().filter_map(settled).collect();
        for id in ids {
            self.note_lock_ends(id, out);
            self.with_channel(id, moment, out, |channel, _, decision| channel.resolve(decision));
        }
    }

    /// How deep the end of a channel must be before it is forgotten: deeper the more it held.
    fn forget_depth(&self, id: &ChannelId) -> BlockDelta {
        let live = self.channels.get(id).and_then(|channel| channel.state().live());
        self.config.forget_depth(live.map_or(Sats::ZERO, |live| live.setup.funding.value))
    }

    /// A round that was proposed and never accepted ends with what the chain says: only now may it be called failed.
    fn tell_last_round(&mut self, id: ChannelId, out: &mut Step) {
        let Some(channel) = self.channels.get(&id) else { return };
        let Some(watcher) = self.watchers.get(&id) else { return };
        let rounds = channel.state().live().map(|live| &live.rounds);
        let Some(Outstanding::Proposed { number, operations, requests, .. }) =
            rounds.and_then(|r| r.outstanding.as_ref())
        else {
            return;
        };
        let (number, operations, requests) =
            (*number, operations.as_slice().len(), requests.clone());
        let standing = watcher.standing(&Facts { channel, payments: &self.payments });
        if standing == Some(Standing::CounterpartyProposed) {
            self.tell_irrevocable(id, number, placed(operations, &requests), out);
            return;
        }
        if requests.is_empty() {
            return;
        }
        // Whoever asks again must not be told that it was done. After a restart the log knows already.
        let is_told = |key: &RequestKey| {
            let fate = self.book.requests.find(key).map(|known| known.fate);
            fate == Some(RequestFate::Failed(id))
        };
        let keys: Vec<_> =
            requests.iter().map(|request| request.key).filter(|key| !is_told(key)).collect();
        if !keys.is_empty() {
            self.record(Event::RequestsFailed { channel: id, keys }, out);
        }
        for request in requests {
            for command in self.waiters.take(&request.key) {
                let answer: Result<Answer, CommandError> = Err(CommandError::ChannelClosed(id));
                crate::payments::reply(command, answer, out);
            }
        }
    }
}

/// Whose transaction spent a funding output.
const fn spender(standing: Option<Standing>) -> Spender {
    match standing {
        Some(Standing::Cooperative) => Spender::Both,
        Some(
            Standing::HolderCurrent
            | Standing::HolderRevoked
            | Standing::Ahead { broadcaster: Side::Holder },
        ) => Spender::Holder,
        Some(
            Standing::CounterpartyCurrent
            | Standing::CounterpartyProposed
            | Standing::Ahead { broadcaster: Side::Counterparty },
        ) => Spender::Counterparty,
        Some(Standing::CounterpartyRevoked) => Spender::Cheater,
        Some(Standing::Unknown) | None => Spender::Unknown,
    }
}

/// Where a channel's claims go: the wallet address that this node named at opening.
fn destination(channel: &Channel) -> Option<WalletScript> {
    let live = channel.state().live()?;
    let script = live.setup.wallet_scripts.get(live.setup.party);
    WalletScript::try_from(Script::from_bytes(script.as_bytes())).ok()
}

#[cfg(test)]
mod old_states;
#[cfg(test)]
mod tests;
