//! Locks in use: users' commands, what becomes of locks that arrive, and how one is passed on.
//!
//! What is decided is in the log as [`PaymentEvent`]s; what rounds do to locks follows from the channels' own events. An
//! onward lock is a request like any other, under a key that follows from the lock it passes on, and is queued again
//! after a restart until a proposal carries it. Claims and cancellations are no requests: a channel proposes them as long
//! as their lock is there ([`strait_payment::PaymentBook::settlements`]).

use std::collections::BTreeMap;

use bitcoin::Transaction;
use strait_channel::{Channel, ChannelEvent, DUST_LIMIT, Funded, Link, Live, RequestError};
use strait_payment::{
    Channels, IncomingState, LockKey, LockTerms, Outcome, PaymentEvent, Showing, Verdict, judge,
    payment_hash_of,
};
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, LockId, MilliSats, NodeId, Preimage, RequestKey, Sats, Side,
};
use strait_watcher::preimages_in;
use strait_wire::{CancelReason, Operation, Propose, Route};

use crate::answer::{Answer, CommandError};
use crate::command::CommandId;
use crate::engine::{Engine, Step};
use crate::event::Event;
use crate::input::TipStanding;
use crate::payments::{About, Asked, digest_of, reply};
use crate::state::note_locks;

/// What a restart forgets of locks.
#[derive(Debug)]
pub(crate) struct LockDesk {
    /// Something may have changed since all locks were last looked at.
    stirred: bool,
    /// Locks whose onward request waits in a channel's queue, and in which.
    queued: BTreeMap<LockKey, ChannelId>,
    /// What the tip is worth: no new lock counts on a stale one, and no preimage is shown.
    tip: TipStanding,
}

impl Default for LockDesk {
    /// After a start everything is looked at.
    fn default() -> Self {
        Self { stirred: true, queued: BTreeMap::new(), tip: TipStanding::Stale }
    }
}

/// What the judge of locks may ask about channels.
pub(crate) struct LockChannels<'a>(pub(crate) &'a Engine);

impl LockChannels<'_> {
    fn live(&self, channel: &ChannelId) -> Option<&Live> {
        self.0.channels.get(channel)?.state().live()
    }
}

impl Channels for LockChannels<'_> {
    fn peer(&self, channel: &ChannelId) -> Option<NodeId> {
        self.0.channels.get(channel).map(Channel::peer)
    }

    fn delay(&self, channel: &ChannelId) -> BlockDelta {
        let live = self.live(channel);
        live.map_or(BlockDelta::new(0), |live| live.setup.delay_of(live.setup.party))
    }

    fn is_open(&self, channel: &ChannelId) -> bool {
        self.live(channel).is_some_and(is_open)
    }

    fn way(&self, to: &NodeId, amount: MilliSats) -> Option<ChannelId> {
        let tip = self.0.tip().height;
        let ways = self.0.channels.values().filter_map(|channel| {
            let live = channel.state().live()?;
            let (ledger, rules) = (&live.rounds.ledger, live.setup.rules());
            let own = live.setup.party;
            let spendable = ledger.spendable(own, &rules);
            let offered = ledger.locks().filter(|(offerer, ..)| *offerer == own).count();
            let carries = channel.peer() == *to
                && channel.link() == Link::Up
                && is_open(live)
                && live.is_deep(tip)
                && spendable >= amount
                && rules.lock_min <= amount
                && offered < usize::from(rules.locks_max);
            carries.then_some((spendable, channel.id()))
        });
        ways.max().map(|(_, channel)| channel)
    }
}

/// True while rounds may run.
pub(crate) fn is_open(live: &Live) -> bool {
    live.is_running() && !matches!(live.funded, Funded::Spent { .. })
}

impl Engine {
    pub(crate) fn command_offer_lock(
        &mut self,
        id: CommandId,
        key: RequestKey,
        channel: ChannelId,
        terms: LockTerms,
        route: Route,
        out: &mut Step,
    ) {
        let is_known = self.book.requests.find(&key).is_some() || self.waiters.has_request(&key);
        if !is_known {
            let outputs = u64::from(terms.amount.floor_sats() >= DUST_LIMIT);
            let checked = self.check_offer(&terms);
            if let Err(error) = checked.and_then(|()| self.check_lock_reserve(outputs)) {
                return reply(id, Err(error), out);
            }
        }
        let asked = Asked { id, key, channel, about: About::Lock };
        self.ask(asked, vec![offer(terms, route)], out);
    }

    fn check_offer(&self, terms: &LockTerms) -> Result<(), CommandError> {
        if terms.amount == MilliSats::ZERO {
            return Err(CommandError::Zero { index: 0 });
        }
        if self.locks.tip == TipStanding::Stale {
            return Err(CommandError::ChainBehind);
        }
        let (tip, policy) = (self.tip().height, &self.config.locks);
        let min = tip.saturating_add(policy.margin).saturating_add(BlockDelta::new(1));
        let max = tip.saturating_add(policy.lead_max);
        if terms.expiry < min || terms.expiry > max {
            return Err(CommandError::LockExpiry { actual: terms.expiry, min, max });
        }
        Ok(())
    }

    pub(crate) fn command_claim_lock(
        &mut self,
        id: CommandId,
        lock: LockKey,
        preimage: Preimage,
        out: &mut Step,
    ) {
        let Some(incoming) = self.payments.find_incoming(&lock) else {
            let is_claimed = |outcome| matches!(outcome, Outcome::Claimed);
            return reply(id, self.ended_answer(&lock, is_claimed), out);
        };
        if payment_hash_of(&preimage) != incoming.terms.payment_hash {
            return reply(id, Err(CommandError::WrongPreimage(lock)), out);
        }
        let is_late = self.is_late(&lock, incoming.terms.expiry);
        match incoming.state {
            // A preimage is released only while there is time to enforce it.
            IncomingState::Held if self.locks.tip == TipStanding::Stale => {
                return reply(id, Err(CommandError::ChainBehind), out);
            }
            IncomingState::Held if is_late => {
                let reason = CancelReason::Expired;
                self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
                return reply(id, Err(CommandError::NotHeld(lock)), out);
            }
            IncomingState::Held => {
                self.record_payment(PaymentEvent::Claiming { lock, preimage }, out);
            }
            IncomingState::Claiming => {}
            IncomingState::Arrived
            | IncomingState::Forwarding { .. }
            | IncomingState::Cancelling { .. } => {
                return reply(id, Err(CommandError::NotHeld(lock)), out);
            }
        }
        self.waiters.locks.entry(lock).or_default().push(id);
    }

    /// True if a preimage that is shown now might be shown in vain: no time is left to enforce the lock. What is in doubt
    /// goes through no round, but to the chain alone, once the peer has closed: there it may be claimed to the end.
    fn is_late(&self, lock: &LockKey, expiry: BlockHeight) -> bool {
        let channels = LockChannels(self);
        let within = if self.is_lock_in_doubt(lock) {
            BlockDelta::new(0)
        } else {
            self.config.locks.settle_within(channels.delay(&lock.channel))
        };
        self.tip().height >= expiry.saturating_sub(within)
    }

    pub(crate) fn command_cancel_lock(&mut self, id: CommandId, lock: LockKey, out: &mut Step) {
        let Some(incoming) = self.payments.find_incoming(&lock) else {
            let is_cancelled = |outcome| matches!(outcome, Outcome::Cancelled { .. });
            return reply(id, self.ended_answer(&lock, is_cancelled), out);
        };
        match incoming.state {
            IncomingState::Held => {
                let reason = CancelReason::Declined;
                self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
            }
            IncomingState::Cancelling { .. } => {}
            IncomingState::Arrived | IncomingState::Forwarding { .. } | IncomingState::Claiming => {
                return reply(id, Err(CommandError::NotHeld(lock)), out);
            }
        }
        self.waiters.locks.entry(lock).or_default().push(id);
    }

    /// The answer about a lock that is over, if it ended as was asked.
    fn ended_answer(
        &self,
        lock: &LockKey,
        as_asked: impl Fn(Outcome) -> bool,
    ) -> Result<Answer, CommandError> {
        if self.payments.find_outgoing(lock).is_some() {
            return Err(CommandError::NotHeld(*lock));
        }
        let ended = self.payments.ended().find(|ended| ended.key == *lock);
        let ended = ended.ok_or(CommandError::UnknownLock(*lock))?;
        let is_as_asked = lock.offerer == Side::Counterparty && as_asked(ended.outcome);
        let view = self.lock_view(lock).filter(|_| is_as_asked);
        view.map(|view| Answer::Lock(Box::new(view))).ok_or(CommandError::NotHeld(*lock))
    }

    /// Folds something about locks in, and hands it out to be saved.
    pub(crate) fn record_payment(&mut self, event: PaymentEvent, out: &mut Step) {
        self.payments.apply(&event);
        self.locks.stirred = true;
        out.events.push(Event::Payment(event));
    }

    /// A channel's event may say something about locks.
    pub(crate) fn note_lock_event(&mut self, channel: ChannelId, event: &ChannelEvent) {
        let was_idle = self.payments.is_idle();
        note_locks(&mut self.payments, channel, event);
        if !was_idle || !self.payments.is_idle() {
            self.locks.stirred = true;
        }
    }

    /// A peer's proposal shows preimages of locks that it claims: known before the round is.
    pub(crate) fn learn_from(&mut self, channel: ChannelId, propose: &Propose, out: &mut Step) {
        if self.payments.wants_no_preimage() {
            return;
        }
        for operation in propose.operations.as_slice() {
            let Operation::ClaimLock { lock, preimage } = operation else { continue };
            let key = LockKey { channel, offerer: Side::Holder, id: *lock };
            let hash = self.payments.find_outgoing(&key).map(|lock| lock.terms.payment_hash);
            if hash == Some(payment_hash_of(preimage)) {
                self.learn(*preimage, out);
            }
        }
    }

    /// A transaction, mined or not, may show a preimage: in its witness, whatever it spends.
    pub(crate) fn learn_from_chain(&mut self, transaction: &Transaction, out: &mut Step) {
        if self.payments.wants_no_preimage() {
            return;
        }
        for (_, preimage) in preimages_in(transaction) {
            self.learn(preimage, out);
        }
    }

    fn learn(&mut self, preimage: Preimage, out: &mut Step) {
        if self.payments.wants_preimage(&payment_hash_of(&preimage)) {
            self.record_payment(PaymentEvent::PreimageLearned { preimage }, out);
        }
    }

    /// What outputs of a channel's latest commitment bring this node, with the locks whose preimages it knows.
    pub(crate) fn stake_with_locks(&self, live: &Live, channel: &ChannelId) -> Sats {
        let claimed = self
            .payments
            .incoming()
            .filter(|(key, lock)| key.channel == *channel && lock.state == IncomingState::Claiming);
        let values = claimed.map(|(_, lock)| lock.terms.amount.floor_sats());
        let values = values.filter(|value| *value >= DUST_LIMIT).chain([live.stake()]);
        Sats::checked_sum(values).unwrap_or(live.setup.funding.value)
    }

    /// From here on new locks may count on the tip, or may not any more.
    pub(crate) const fn note_tip(&mut self, tip: TipStanding) {
        self.locks.tip = tip;
        self.locks.stirred = true;
    }

    /// What the best block is worth.
    pub(crate) const fn tip_standing(&self) -> TipStanding {
        self.locks.tip
    }

    /// Whether a preimage may be shown: not while nobody knows how much time is left to enforce its lock.
    pub(crate) const fn showing(&self) -> Showing {
        match self.locks.tip {
            TipStanding::Current => Showing::Allowed,
            TipStanding::Stale => Showing::Waits,
        }
    }

    /// Looks at all locks: decides about those that have arrived, has others passed on, lets channels settle, and tells
    /// who waits.
    pub(crate) fn review_locks(&mut self, out: &mut Step) {
        if !core::mem::take(&mut self.locks.stirred) {
            return;
        }
        self.withdraw_needless();
        match self.locks.tip {
            TipStanding::Stale => {}
            TipStanding::Current => {
                self.judge_arrived(out);
                self.queue_onward(out);
            }
        }
        let settling = self.payments.incoming().filter(|(_, lock)| {
            matches!(lock.state, IncomingState::Claiming | IncomingState::Cancelling { .. })
        });
        self.dirty.extend(settling.map(|(key, _)| key.channel));
        self.tell_lock_waiters(out);
        self.locks.stirred = false;
    }

    fn judge_arrived(&mut self, out: &mut Step) {
        let arrived = self.payments.incoming();
        let arrived = arrived.filter(|(key, lock)| {
            lock.state == IncomingState::Arrived && !self.is_in_doubt(&key.channel)
        });
        for key in arrived.map(|(key, _)| *key).collect::<Vec<_>>() {
            let is_covered = self.check_lock_reserve(0).is_ok();
            let (tip, policy) = (self.tip().height, &self.config.locks);
            let lock = self.payments.find_incoming(&key).expect("it was just seen");
            let has_output = lock.terms.amount.floor_sats() >= DUST_LIMIT;
            let channel = self.channels.get(&key.channel);
            let has_own_hash =
                channel.is_some_and(|c| c.is_revocation_hash(&lock.terms.payment_hash));
            let is_unwanted = has_own_hash || (has_output && !is_covered);
            let verdict = if is_unwanted {
                Verdict::Cancel(CancelReason::Unwanted)
            } else {
                judge(&self.payments, &key, lock, tip, policy, &LockChannels(self))
            };
            let verdict = self.as_room_allows(verdict);
            let event = match verdict {
                Verdict::Hold => PaymentEvent::Held { lock: key },
                Verdict::Forward(channel) => PaymentEvent::Forwarding { lock: key, channel },
                Verdict::Cancel(reason) => PaymentEvent::Cancelling { lock: key, reason },
            };
            self.record_payment(event, out);
        }
    }

    /// True for a channel of a restored store: what was decided about its locks after the backup is not known, so nothing
    /// is decided about them any more.
    pub(crate) fn is_in_doubt(&self, channel: &ChannelId) -> bool {
        let live = self.channels.get(channel).and_then(|channel| channel.state().live());
        live.is_some_and(Live::is_quarantined)
    }

    /// The same for one lock, which a channel of this store may have been asked to pass on since.
    pub(crate) fn is_lock_in_doubt(&self, lock: &LockKey) -> bool {
        let state = self.payments.find_incoming(lock).map(|incoming| incoming.state);
        let onward = match state {
            Some(IncomingState::Forwarding { channel }) => Some(channel),
            Some(
                IncomingState::Arrived
                | IncomingState::Held
                | IncomingState::Claiming
                | IncomingState::Cancelling { .. },
            )
            | None => None,
        };
        self.is_in_doubt(&lock.channel) || onward.is_some_and(|channel| self.is_in_doubt(&channel))
    }

    /// True for a lock that is to be passed on and that no proposal has carried yet.
    fn waits_to_go_on(&self, lock: &LockKey) -> bool {
        self.payments.find_incoming(lock).is_some_and(|lock| {
            lock.onward.is_none() && matches!(lock.state, IncomingState::Forwarding { .. })
        })
    }

    /// Takes back onward requests of locks that are not to be passed on any more.
    fn withdraw_needless(&mut self) {
        let queued: Vec<_> = self.locks.queued.iter().map(|(key, at)| (*key, *at)).collect();
        for (key, channel) in queued {
            if !self.waits_to_go_on(&key) {
                self.withdraw_onward(&key, channel);
            }
        }
    }

    /// Takes an onward request back; nothing happens if a round has taken it.
    pub(crate) fn withdraw_onward(&mut self, key: &LockKey, channel: ChannelId) {
        self.locks.queued.remove(key);
        if let Some(channel) = self.channels.get_mut(&channel) {
            let _ = channel.withdraw(&key.forward_request());
        }
    }

    fn queue_onward(&mut self, out: &mut Step) {
        let mut waiting = Vec::new();
        for (key, lock) in self.payments.incoming() {
            if let IncomingState::Forwarding { channel } = lock.state
                && lock.onward.is_none()
                && !self.locks.queued.contains_key(key)
            {
                let (hop, rest) = lock.route.next().expect("only a lock with a way is passed on");
                let payment_hash = lock.terms.payment_hash;
                let terms = LockTerms { amount: hop.amount, payment_hash, expiry: hop.expiry };
                waiting.push((*key, channel, offer(terms, rest)));
            }
        }
        for (lock, channel, operation) in waiting {
            if self.book.requests.find(&lock.forward_request()).is_some() {
                // A channel of this name was here before, and passed on a lock of this number.
                let reason = CancelReason::NoRoute;
                self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
                continue;
            }
            let operations = vec![operation];
            let digest = digest_of(channel, &operations);
            match self.enqueue(channel, lock.forward_request(), digest, operations) {
                Ok(()) => {
                    self.locks.queued.insert(lock, channel);
                    self.dirty.insert(channel);
                }
                // What was proposed after the backup is not known: it may have been passed on, and be claimed yet.
                Err(CommandError::Channel { source: RequestError::Quarantined, .. }) => {}
                Err(_) => {
                    let reason = CancelReason::NoRoute;
                    self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
                }
            }
        }
    }

    /// A request cannot be proposed any more: if it was to pass a lock on, that one goes back.
    pub(crate) fn note_not_forwarded(&mut self, request: &RequestKey, out: &mut Step) {
        let mut queued = self.locks.queued.keys();
        let Some(lock) = queued.find(|lock| lock.forward_request() == *request).copied() else {
            return;
        };
        self.locks.queued.remove(&lock);
        if self.waits_to_go_on(&lock) {
            let reason = CancelReason::NoRoute;
            self.record_payment(PaymentEvent::Cancelling { lock, reason }, out);
        }
    }

    /// Whether an onward request of this lock waits in a channel's queue, and in which.
    pub(crate) fn queued_onward(&self, lock: &LockKey) -> Option<ChannelId> {
        self.locks.queued.get(lock).copied()
    }

    /// Locks that wait to be passed on to peers who are not connected. What a proposal has carried stands in the queue
    /// until all locks are looked at again, and waits no more.
    pub(crate) fn queued_in_vain(&self) -> Vec<LockKey> {
        let is_down = |id: &ChannelId| {
            self.channels.get(id).is_none_or(|channel| channel.link() == Link::Down)
        };
        let queued = self.locks.queued.iter();
        let queued = queued.filter(|(lock, onto)| is_down(onto) && self.waits_to_go_on(lock));
        queued.map(|(lock, _)| *lock).collect()
    }

    fn tell_lock_waiters(&mut self, out: &mut Step) {
        let waiting: Vec<LockKey> = self.waiters.locks.keys().copied().collect();
        for lock in waiting {
            if self.payments.find_incoming(&lock).is_some() {
                continue;
            }
            for id in self.waiters.locks.remove(&lock).unwrap_or_default() {
                let view = self.lock_view(&lock).ok_or(CommandError::UnknownLock(lock));
                reply(id, view.map(|view| Answer::Lock(Box::new(view))), out);
            }
        }
    }
}

/// The operation that offers a lock; the round numbers it.
fn offer(terms: LockTerms, route: Route) -> Operation {
    let LockTerms { amount, payment_hash, expiry } = terms;
    Operation::AddLock { lock: LockId(0), amount, payment_hash, expiry, route }
}
