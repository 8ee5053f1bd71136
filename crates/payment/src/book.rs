//! All locks in use: the fold, and what is to be done about them.

use std::collections::{BTreeMap, VecDeque};

use strait_onchain::limits::DUST_LIMIT;
use strait_onchain::payment_hash_of;
use strait_primitives::{BlockHeight, ChannelId, PaymentHash, Preimage, RequestKey, Side};
use strait_wire::{CancelReason, Operation};

use crate::event::PaymentEvent;
use crate::judge::Channels;
use crate::key::LockKey;
use crate::limits::ENDED_LOCKS_MAX;
use crate::lock::{EndedLock, Incoming, IncomingState, Origin, Outcome, Outgoing};
use crate::policy::LockPolicy;
use crate::round::LockRound;

/// Every lock that is not over, and the last ones that are.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct PaymentBook {
    /// Locks that peers offered.
    #[n(0)]
    pub(crate) incoming: BTreeMap<LockKey, Incoming>,
    /// Locks that this node offers.
    #[n(1)]
    pub(crate) outgoing: BTreeMap<LockKey, Outgoing>,
    /// Preimages of locks above, none other.
    #[n(2)]
    preimages: BTreeMap<PaymentHash, Preimage>,
    /// What rounds under way do to locks; nothing for those that do nothing to them.
    #[n(3)]
    pub(crate) rounds: BTreeMap<ChannelId, LockRound>,
    /// Locks that are over, oldest first.
    #[n(4)]
    ended: VecDeque<EndedLock>,
}

/// What the height of the chain asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deadlines {
    /// Channels to be closed without the peer, each with a lock that cannot wait.
    pub close: Vec<(ChannelId, LockKey)>,
    /// Locks that are held and go back, because nobody claimed them in time.
    pub cancel: Vec<LockKey>,
    /// Locks that wait to be passed on, and cannot be any more.
    pub withdraw: Vec<LockKey>,
}

/// Whether preimages of this node's own may be shown to those who owe for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// They may: there is time to enforce what they open.
    Allowed,
    /// They wait: how much time is left, nobody knows.
    Waits,
}

impl PaymentBook {
    /// Folds a decision in. Told twice it changes nothing the second time.
    ///
    /// # Panics
    /// If the event cannot follow this state: this node did not write this log.
    pub fn apply(&mut self, event: &PaymentEvent) {
        match *event {
            PaymentEvent::Held { lock } => self.decide(&lock, IncomingState::Held),
            PaymentEvent::Forwarding { lock, channel } => self.forward(&lock, channel),
            PaymentEvent::Claiming { lock, preimage } => self.claim(lock, preimage),
            PaymentEvent::Cancelling { lock, reason } => self.cancel(lock, reason),
            PaymentEvent::PreimageLearned { preimage } => self.learn(preimage),
            PaymentEvent::OutgoingGone { lock } => {
                if self.outgoing.contains_key(&lock) {
                    self.fail(lock, Outcome::Expired);
                }
            }
            PaymentEvent::EndedOnChain { lock, outcome } => self.end(lock, outcome),
        }
    }

    fn decide(&mut self, lock: &LockKey, to: IncomingState) {
        if let Some(incoming) = self.incoming.get_mut(lock)
            && incoming.state == IncomingState::Arrived
        {
            incoming.state = to;
        }
    }

    /// A lock whose preimage is known already has nothing to wait for.
    fn forward(&mut self, lock: &LockKey, channel: ChannelId) {
        let hash = self.incoming.get(lock).map(|incoming| incoming.terms.payment_hash);
        let is_open = hash.is_some_and(|hash| self.preimages.contains_key(&hash));
        let to = IncomingState::Forwarding { channel };
        self.decide(lock, if is_open { IncomingState::Claiming } else { to });
    }

    fn claim(&mut self, lock: LockKey, preimage: Preimage) {
        let Some(incoming) = self.incoming.get_mut(&lock) else { return };
        if incoming.state == IncomingState::Held {
            let hash = incoming.terms.payment_hash;
            assert_eq!(payment_hash_of(&preimage), hash, "a lock is claimed with its preimage");
            incoming.state = IncomingState::Claiming;
            self.know(hash, preimage);
        }
    }

    fn cancel(&mut self, lock: LockKey, reason: CancelReason) {
        let Some(incoming) = self.incoming.get_mut(&lock) else { return };
        match incoming.state {
            IncomingState::Arrived | IncomingState::Held => {}
            IncomingState::Forwarding { .. } => {
                assert_eq!(incoming.onward, None, "{lock} was passed on and may be claimed yet");
            }
            IncomingState::Claiming | IncomingState::Cancelling { .. } => return,
        }
        incoming.state = IncomingState::Cancelling { reason };
    }

    /// Someone showed a preimage: every lock with its hash that is passed on is to be claimed.
    pub(crate) fn learn(&mut self, preimage: Preimage) {
        let hash = payment_hash_of(&preimage);
        if self.waits_for(&hash) {
            self.know(hash, preimage);
        }
    }

    /// Whoever it comes from, a preimage that is known claims all that is passed on under its hash: nobody asks again.
    fn know(&mut self, hash: PaymentHash, preimage: Preimage) {
        self.preimages.insert(hash, preimage);
        for incoming in self.incoming.values_mut() {
            if incoming.terms.payment_hash == hash && is_to_pass_on(incoming) {
                incoming.state = IncomingState::Claiming;
            }
        }
    }

    /// A lock that this node offered is gone for good, and its receiver does not have it: the one that it passes on may
    /// go back.
    pub(crate) fn fail(&mut self, key: LockKey, outcome: Outcome) {
        let origin = self.outgoing.get(&key).map(|lock| lock.origin);
        if let Some(Origin::Forward(from)) = origin
            && let Some(incoming) = self.incoming.get_mut(&from)
        {
            assert_eq!(incoming.onward, Some(key), "the two know each other");
            match incoming.state {
                IncomingState::Forwarding { .. } => {
                    incoming.state = IncomingState::Cancelling { reason: CancelReason::Downstream };
                }
                // Its preimage came by another lock of the same hash.
                IncomingState::Claiming => {}
                IncomingState::Arrived | IncomingState::Held | IncomingState::Cancelling { .. } => {
                    panic!("{from} is passed on")
                }
            }
        }
        self.remove(key, outcome);
    }

    /// Forgets a lock but for those who ask, and its preimage if it was the last of its hash.
    pub(crate) fn remove(&mut self, key: LockKey, outcome: Outcome) {
        let (terms, route, origin, onward) = match key.offerer {
            Side::Holder => {
                let Some(lock) = self.outgoing.remove(&key) else { return };
                (lock.terms, lock.route, Some(lock.origin), None)
            }
            Side::Counterparty => {
                let Some(lock) = self.incoming.remove(&key) else { return };
                (lock.terms, lock.route, None, lock.onward)
            }
        };
        let hash = terms.payment_hash;
        let preimage = match outcome {
            Outcome::Claimed => self.preimages.get(&hash).copied(),
            Outcome::Cancelled { .. } | Outcome::Expired => None,
        };
        self.ended.push_back(EndedLock { key, terms, route, origin, onward, outcome, preimage });
        while self.ended.len() > ENDED_LOCKS_MAX {
            self.ended.pop_front();
        }
        let mut left = self.incoming.values().map(|lock| lock.terms.payment_hash);
        let mut offered = self.outgoing.values().map(|lock| lock.terms.payment_hash);
        if !left.any(|other| other == hash) && !offered.any(|other| other == hash) {
            self.preimages.remove(&hash);
        }
    }

    /// True if no lock is in use.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.is_empty() && self.rounds.is_empty()
    }

    /// Locks that peers offered.
    pub fn incoming(&self) -> impl Iterator<Item = (&LockKey, &Incoming)> {
        self.incoming.iter()
    }

    /// Locks that this node offers.
    pub fn outgoing(&self) -> impl Iterator<Item = (&LockKey, &Outgoing)> {
        self.outgoing.iter()
    }

    /// Locks that are over, oldest first: the last ones.
    pub fn ended(&self) -> impl Iterator<Item = &EndedLock> {
        self.ended.iter()
    }

    /// One lock that a peer offered.
    #[must_use]
    pub fn find_incoming(&self, key: &LockKey) -> Option<&Incoming> {
        self.incoming.get(key)
    }

    /// One lock that this node offers.
    #[must_use]
    pub fn find_outgoing(&self, key: &LockKey) -> Option<&Outgoing> {
        self.outgoing.get(key)
    }

    /// The lock that a user's request became.
    #[must_use]
    pub fn offered_by(&self, request: &RequestKey) -> Option<LockKey> {
        let origin = Origin::User(*request);
        let live = self.outgoing.iter().find(|(_, lock)| lock.origin == origin);
        let ended = || self.ended.iter().rev().find(|lock| lock.origin == Some(origin));
        live.map(|(key, _)| *key).or_else(|| ended().map(|lock| lock.key))
    }

    /// The preimage that opens a lock this node offers, once anybody showed it.
    #[must_use]
    pub fn outgoing_preimage(&self, key: &LockKey) -> Option<Preimage> {
        self.preimages.get(&self.outgoing.get(key)?.terms.payment_hash).copied()
    }

    /// The preimage of a lock that a peer offered, if it is known and may become public: what is held for a user who has
    /// not claimed it stays as it is, whoever else shows its preimage.
    #[must_use]
    pub fn incoming_preimage(&self, key: &LockKey) -> Option<Preimage> {
        let lock = self.incoming.get(key)?;
        match lock.state {
            IncomingState::Claiming => self.preimages.get(&lock.terms.payment_hash).copied(),
            IncomingState::Arrived
            | IncomingState::Held
            | IncomingState::Forwarding { .. }
            | IncomingState::Cancelling { .. } => None,
        }
    }

    /// The preimage that claims locks of this hash which were offered in this channel.
    #[must_use]
    pub fn preimage_in(&self, channel: &ChannelId, hash: &PaymentHash) -> Option<Preimage> {
        let (first, last) = LockKey::span(*channel);
        let mut twins = self.incoming.range(first..=last);
        twins.find_map(|(key, lock)| {
            (lock.terms.payment_hash == *hash).then(|| self.incoming_preimage(key)).flatten()
        })
    }

    /// True if the preimage of this hash would open a lock that this node offers or passes on, and is not known.
    #[must_use]
    pub fn wants_preimage(&self, hash: &PaymentHash) -> bool {
        !self.preimages.contains_key(hash) && self.waits_for(hash)
    }

    /// True if no lock is offered or passed on, and so nothing waits for a preimage.
    #[must_use]
    pub fn wants_no_preimage(&self) -> bool {
        self.outgoing.is_empty() && self.incoming.is_empty()
    }

    /// True if a lock of this hash is offered or passed on. One that is passed on counts by itself, too: a store that was
    /// restored may not know the lock that does it.
    fn waits_for(&self, hash: &PaymentHash) -> bool {
        let mut offered = self.outgoing.values().map(|lock| lock.terms.payment_hash);
        let passed_on = self.incoming.values().filter(|lock| is_to_pass_on(lock));
        offered.any(|other| other == *hash)
            || passed_on.map(|lock| lock.terms.payment_hash).any(|other| other == *hash)
    }

    /// What this node has to propose about locks that were offered to it in a channel. It follows from the state alone,
    /// so that no crash and no full queue leaves a lock standing; a lock that is settled is not in the ledger any more.
    #[must_use]
    pub fn settlements(&self, channel: ChannelId, showing: Showing) -> Vec<Operation> {
        let (first, last) = LockKey::span(channel);
        let all = self.incoming.range(first..=last);
        all.filter_map(|(key, lock)| match lock.state {
            // What is passed on is known downstream already.
            IncomingState::Claiming if lock.onward.is_none() && showing == Showing::Waits => None,
            IncomingState::Claiming => {
                let preimage = self.preimages.get(&lock.terms.payment_hash);
                let preimage = *preimage.expect("a lock is claimed with a preimage");
                Some(Operation::ClaimLock { lock: key.id, preimage })
            }
            IncomingState::Cancelling { reason } => {
                Some(Operation::CancelLock { lock: key.id, reason })
            }
            IncomingState::Arrived | IncomingState::Held | IncomingState::Forwarding { .. } => None,
        })
        .collect()
    }

    /// What the height of the chain asks for (protocol section 4), whoever holds a turn.
    #[must_use]
    pub fn deadlines(
        &self,
        tip: BlockHeight,
        policy: &LockPolicy,
        channels: &dyn Channels,
    ) -> Deadlines {
        let mut due = Deadlines::default();
        for (key, lock) in &self.incoming {
            let within = policy.settle_within(channels.delay(&key.channel));
            let is_due = tip >= lock.terms.expiry.saturating_sub(within);
            let is_on_chain = lock.terms.amount.floor_sats() >= DUST_LIMIT;
            match lock.state {
                IncomingState::Held if is_due => due.cancel.push(*key),
                // One too small for an output is not saved by a close.
                IncomingState::Claiming if is_due && is_on_chain => {
                    due.close.push((key.channel, *key));
                }
                IncomingState::Forwarding { .. } if lock.onward.is_none() => {
                    let next = lock.route.hops().first().map(|hop| hop.expiry);
                    if next.is_none_or(|expiry| expiry <= tip.saturating_add(policy.margin)) {
                        due.withdraw.push(*key);
                    }
                }
                IncomingState::Arrived
                | IncomingState::Held
                | IncomingState::Forwarding { .. }
                | IncomingState::Claiming
                | IncomingState::Cancelling { .. } => {}
            }
        }
        for (key, lock) in &self.outgoing {
            if tip >= lock.terms.expiry {
                due.close.push((key.channel, *key));
            }
        }
        due
    }
}

/// True for a lock that is passed on, or will be: in a store that was restored it may have been, unknown to it.
fn is_to_pass_on(lock: &Incoming) -> bool {
    match lock.state {
        IncomingState::Forwarding { .. } => true,
        IncomingState::Arrived => !lock.route.hops().is_empty(),
        IncomingState::Held | IncomingState::Claiming | IncomingState::Cancelling { .. } => false,
    }
}
