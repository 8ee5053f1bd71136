//! What rounds do to locks. The engine tells it for the channels' own events, in the log's order.

use strait_primitives::{ChannelId, LockId, Preimage, RequestKey, Side};
use strait_wire::{CancelReason, Operation, Route};

use crate::book::PaymentBook;
use crate::key::LockKey;
use crate::lock::{Incoming, IncomingState, LockTerms, Origin, Outcome, Outgoing, OutgoingState};

/// What a round under way does to locks.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub(crate) struct LockRound {
    /// Who proposed it.
    #[n(0)]
    proposer: Side,
    /// What it does, in order.
    #[n(1)]
    steps: Vec<LockStep>,
}

/// One of the things that a round does to locks.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
enum LockStep {
    /// The proposer offers one.
    #[n(0)]
    Add {
        #[n(0)]
        id: LockId,
        #[n(1)]
        terms: LockTerms,
        #[n(2)]
        route: Route,
    },
    /// The proposer takes one that was offered to it.
    #[n(1)]
    Claim {
        #[n(0)]
        id: LockId,
        #[n(1)]
        preimage: Preimage,
    },
    /// The proposer gives one back.
    #[n(2)]
    Cancel {
        #[n(0)]
        id: LockId,
        #[n(1)]
        reason: CancelReason,
    },
}

impl LockStep {
    fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::AddLock { lock, amount, payment_hash, expiry, route } => {
                let terms =
                    LockTerms { amount: *amount, payment_hash: *payment_hash, expiry: *expiry };
                Some(Self::Add { id: *lock, terms, route: route.clone() })
            }
            Operation::ClaimLock { lock, preimage } => {
                Some(Self::Claim { id: *lock, preimage: *preimage })
            }
            Operation::CancelLock { lock, reason } => {
                Some(Self::Cancel { id: *lock, reason: *reason })
            }
            Operation::Pay { .. }
            | Operation::RaiseHeight { .. }
            | Operation::OpenContract { .. }
            | Operation::Act { .. }
            | Operation::SettleContract { .. } => None,
        }
    }
}

impl PaymentBook {
    /// This node proposes a round. From here on the peer may enforce what it adds; `request` says whose request an
    /// operation belongs to.
    ///
    /// # Panics
    /// If the round adds a lock that nobody asked for, or a second one for an incoming lock.
    pub fn note_proposed(
        &mut self,
        channel: ChannelId,
        operations: &[Operation],
        request: impl Fn(usize) -> Option<RequestKey>,
    ) {
        let mut steps = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            let Some(step) = LockStep::of(operation) else { continue };
            if let LockStep::Add { id, terms, route } = &step {
                let request = request(index).expect("a lock is offered by request only");
                let key = LockKey { channel, offerer: Side::Holder, id: *id };
                let origin = self.begin_offer(key, request);
                let (terms, route) = (*terms, route.clone());
                let state = OutgoingState::Proposed;
                let new = Outgoing { terms, route, origin, state };
                let before = self.outgoing.insert(key, new);
                assert!(before.is_none(), "{key} is offered once");
            }
            steps.push(step);
        }
        self.begin_round(channel, Side::Holder, steps);
    }

    /// The peer proposes a round and this node accepts it. A preimage in it is known from here on.
    pub fn note_accepted(&mut self, channel: ChannelId, operations: &[Operation]) {
        let steps: Vec<LockStep> = operations.iter().filter_map(LockStep::of).collect();
        for step in &steps {
            match step {
                LockStep::Claim { preimage, .. } => self.learn(*preimage),
                LockStep::Add { .. } | LockStep::Cancel { .. } => {}
            }
        }
        self.begin_round(channel, Side::Counterparty, steps);
    }

    /// The round under way is over on both sides: what it did to locks cannot be undone.
    pub fn note_round_over(&mut self, channel: ChannelId) {
        let Some(LockRound { proposer, steps }) = self.rounds.remove(&channel) else { return };
        for step in steps {
            match step {
                LockStep::Add { id, terms, route } => {
                    let key = LockKey { channel, offerer: proposer, id };
                    self.stand(key, terms, route);
                }
                LockStep::Claim { id, .. } => {
                    let key = LockKey { channel, offerer: !proposer, id };
                    self.end(key, Outcome::Claimed);
                }
                LockStep::Cancel { id, reason } => {
                    let key = LockKey { channel, offerer: !proposer, id };
                    self.end(key, Outcome::Cancelled { reason });
                }
            }
        }
    }

    /// How the round under way in its channel ends a lock, if that round is the last one.
    #[must_use]
    pub fn round_end(&self, key: &LockKey) -> Option<Outcome> {
        let LockRound { proposer, steps } = self.rounds.get(&key.channel)?;
        if key.offerer != !*proposer {
            return None;
        }
        steps.iter().find_map(|step| match step {
            LockStep::Claim { id, .. } if *id == key.id => Some(Outcome::Claimed),
            LockStep::Cancel { id, reason } if *id == key.id => {
                Some(Outcome::Cancelled { reason: *reason })
            }
            LockStep::Add { .. } | LockStep::Claim { .. } | LockStep::Cancel { .. } => None,
        })
    }

    /// A channel is settled at depth, and with it all its locks. How each ended was told before, as far as the chain can
    /// tell; of the rest those count as claimed whose preimage is known.
    ///
    /// What this node offered there and never saw the end of stays unresolved for the lock that it passes on: that one
    /// is not given back.
    pub fn note_channel_over(&mut self, channel: ChannelId) {
        self.rounds.remove(&channel);
        let (first, last) = LockKey::span(channel);
        let keys = self.incoming.range(first..=last).map(|(key, _)| *key);
        let keys: Vec<LockKey> =
            keys.chain(self.outgoing.range(first..=last).map(|(key, _)| *key)).collect();
        for key in keys {
            let is_opened = match key.offerer {
                Side::Holder => self.outgoing_preimage(&key).is_some(),
                Side::Counterparty => self.incoming_preimage(&key).is_some(),
            };
            let outcome = if is_opened { Outcome::Claimed } else { Outcome::Expired };
            self.remove(key, outcome);
        }
    }

    fn begin_round(&mut self, channel: ChannelId, proposer: Side, steps: Vec<LockStep>) {
        assert!(!self.rounds.contains_key(&channel), "a channel has one round at a time");
        if !steps.is_empty() {
            self.rounds.insert(channel, LockRound { proposer, steps });
        }
    }

    /// Ties a lock that is about to be offered to the one that it passes on.
    fn begin_offer(&mut self, key: LockKey, request: RequestKey) -> Origin {
        let mut incoming = self.incoming.iter_mut();
        let Some((from, lock)) = incoming.find(|(from, _)| from.forward_request() == request)
        else {
            return Origin::User(request);
        };
        assert_eq!(lock.onward, None, "{from} is passed on once");
        match lock.state {
            // Its preimage may have come by another lock of the same hash.
            IncomingState::Forwarding { .. } | IncomingState::Claiming => {}
            IncomingState::Arrived | IncomingState::Held | IncomingState::Cancelling { .. } => {
                panic!("{from} is not to be passed on")
            }
        }
        lock.onward = Some(key);
        Origin::Forward(*from)
    }

    /// A lock stands in both sides' commitments.
    fn stand(&mut self, key: LockKey, terms: LockTerms, route: Route) {
        match key.offerer {
            Side::Holder => {
                // The chain may have given it back for good, and then have been undone deeper than anybody counts on.
                if let Some(lock) = self.outgoing.get_mut(&key) {
                    lock.state = OutgoingState::Standing;
                }
            }
            Side::Counterparty => {
                let (onward, state) = (None, IncomingState::Arrived);
                let before = self.incoming.insert(key, Incoming { terms, route, onward, state });
                assert!(before.is_none(), "{key} arrives once");
            }
        }
    }

    /// A lock is gone from both sides' commitments, or settled on chain.
    pub(crate) fn end(&mut self, key: LockKey, outcome: Outcome) {
        match (key.offerer, outcome) {
            (Side::Holder, Outcome::Cancelled { .. } | Outcome::Expired) => self.fail(key, outcome),
            (Side::Holder, Outcome::Claimed) | (Side::Counterparty, _) => self.remove(key, outcome),
        }
    }
}
