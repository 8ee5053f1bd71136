//! What the book makes of every order of events, and how locks are judged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, LockId, MilliSats, NodeId, PaymentHash, Preimage,
    RequestKey, Side,
};
use strait_wire::{CancelReason, Hop, Operation, Route};

use crate::{
    Channels, Forwarding, IncomingState, LockKey, LockPolicy, LockTerms, Origin, Outcome,
    PaymentBook, PaymentEvent, Showing, Verdict, judge, payment_hash_of,
};

const IN: ChannelId = ChannelId::from_bytes([1; 32]);
const OUT: ChannelId = ChannelId::from_bytes([2; 32]);
const TIP: BlockHeight = BlockHeight::new(1_000);
/// A user's request.
const KEY: RequestKey = RequestKey::from_bytes([7; 16]);

const fn node(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 33])
}

fn msat(amount: u64) -> MilliSats {
    MilliSats::new(amount).unwrap()
}

fn preimage(secret: u8) -> Preimage {
    Preimage::from_bytes([secret; 32])
}

fn hash(secret: u8) -> PaymentHash {
    payment_hash_of(&preimage(secret))
}

const fn received(id: u64) -> LockKey {
    LockKey { channel: IN, offerer: Side::Counterparty, id: LockId(id) }
}

const fn sent(id: u64) -> LockKey {
    LockKey { channel: OUT, offerer: Side::Holder, id: LockId(id) }
}

fn add(id: u64, secret: u8, amount: u64, expiry: u32, route: Route) -> Operation {
    Operation::AddLock {
        lock: LockId(id),
        amount: msat(amount),
        payment_hash: hash(secret),
        expiry: BlockHeight::new(expiry),
        route,
    }
}

fn onward(amount: u64, expiry: u32) -> Route {
    let hop = Hop { node: node(2), amount: msat(amount), expiry: BlockHeight::new(expiry) };
    Route::new([hop]).unwrap()
}

/// A peer's round, from its acceptance to its end.
fn theirs(book: &mut PaymentBook, channel: ChannelId, operations: &[Operation]) {
    book.note_accepted(channel, operations);
    book.note_round_over(channel);
}

/// A lock that arrived and is passed on by a proposal.
fn passed_on() -> PaymentBook {
    let mut book = PaymentBook::default();
    theirs(&mut book, IN, &[add(0, 9, 6_000_000, 1_500, onward(5_000_000, 1_200))]);
    book.apply(&PaymentEvent::Forwarding { lock: received(0), channel: OUT });
    let request = received(0).forward_request();
    book.note_proposed(OUT, &[add(0, 9, 5_000_000, 1_200, Route::default())], |_| Some(request));
    book
}

fn state(book: &PaymentBook, id: u64) -> IncomingState {
    book.find_incoming(&received(id)).unwrap().state
}

#[test]
fn a_lock_arrives_only_when_its_round_is_over() {
    let mut book = PaymentBook::default();
    book.note_accepted(IN, &[add(0, 9, 6_000_000, 1_500, Route::default())]);
    assert!(book.find_incoming(&received(0)).is_none());
    book.note_round_over(IN);
    assert_eq!(state(&book, 0), IncomingState::Arrived);
}

#[test]
fn an_onward_lock_is_tied_to_what_it_passes_on_from_its_proposal_on() {
    let book = passed_on();
    assert_eq!(book.find_incoming(&received(0)).unwrap().onward, Some(sent(0)));
    let origin = book.find_outgoing(&sent(0)).unwrap().origin;
    assert_eq!(origin, Origin::Forward(received(0)));
}

#[test]
#[should_panic(expected = "is passed on once")]
fn a_second_lock_for_the_same_one_is_never_proposed() {
    let mut book = passed_on();
    book.note_round_over(OUT);
    let request = received(0).forward_request();
    book.note_proposed(OUT, &[add(1, 9, 5_000_000, 1_200, Route::default())], |_| Some(request));
}

#[test]
#[should_panic(expected = "was passed on and may be claimed yet")]
fn what_was_passed_on_is_never_given_back_by_decision() {
    let mut book = passed_on();
    book.apply(&PaymentEvent::Cancelling { lock: received(0), reason: CancelReason::Unwanted });
}

/// The chain was undone deeper than anybody counts on, and the peer accepts after all.
#[test]
fn a_lock_that_stands_after_it_was_gone_for_good_breaks_nothing() {
    let mut book = passed_on();
    book.apply(&PaymentEvent::OutgoingGone { lock: sent(0) });
    book.note_round_over(OUT);
    assert_eq!(book.find_outgoing(&sent(0)), None);
}

/// The store was restored: what it takes for a lock that has just arrived was passed on since, and claimed downstream.
#[test]
fn a_preimage_claims_what_is_yet_to_be_passed_on() {
    let mut book = PaymentBook::default();
    theirs(&mut book, IN, &[add(0, 9, 5_000_000, 1_500, onward(4_000_000, 1_200))]);
    theirs(&mut book, IN, &[add(1, 9, 5_000_000, 1_500, Route::default())]);
    assert!(book.wants_preimage(&hash(9)));
    book.apply(&PaymentEvent::PreimageLearned { preimage: preimage(9) });
    assert_eq!(
        (state(&book, 0), state(&book, 1)),
        (IncomingState::Claiming, IncomingState::Arrived)
    );
}

#[test]
fn a_cancellation_fails_upstream_when_its_round_is_over_and_a_claim_at_once() {
    let cancel = Operation::CancelLock { lock: LockId(0), reason: CancelReason::Unknown };
    let claim = Operation::ClaimLock { lock: LockId(0), preimage: preimage(9) };
    let cancelling = IncomingState::Cancelling { reason: CancelReason::Downstream };
    let rows = [
        (cancel, IncomingState::Forwarding { channel: OUT }, cancelling),
        (claim, IncomingState::Claiming, IncomingState::Claiming),
    ];
    for (operation, accepted, over) in rows {
        let mut book = passed_on();
        book.note_round_over(OUT);
        book.note_accepted(OUT, core::slice::from_ref(&operation));
        assert_eq!(state(&book, 0), accepted);
        book.note_round_over(OUT);
        assert_eq!(state(&book, 0), over);
        assert_eq!(book.settlements(IN, Showing::Allowed).len(), 1);
        assert!(book.settlements(OUT, Showing::Allowed).is_empty());
    }
}

#[test]
fn a_strangers_preimage_releases_no_lock_that_is_held_for_a_user() {
    let mut book = passed_on();
    theirs(&mut book, IN, &[add(1, 9, 6_000_000, 1_500, Route::default())]);
    book.apply(&PaymentEvent::Held { lock: received(1) });
    book.apply(&PaymentEvent::PreimageLearned { preimage: preimage(9) });
    assert_eq!(state(&book, 0), IncomingState::Claiming);
    assert_eq!(state(&book, 1), IncomingState::Held);
    assert_eq!(book.incoming_preimage(&received(1)), None);
    assert_eq!(book.preimage_in(&IN, &hash(9)), Some(preimage(9)));
    assert_eq!(book.preimage_in(&OUT, &hash(9)), None);
}

/// The user claimed a lock of the same hash first, so that the preimage was no news when the onward lock was taken with it.
#[test]
fn a_users_own_preimage_claims_what_is_passed_on_as_well() {
    let mut book = passed_on();
    book.note_round_over(OUT);
    theirs(&mut book, IN, &[add(1, 9, 6_000_000, 1_500, Route::default())]);
    book.apply(&PaymentEvent::Held { lock: received(1) });
    book.apply(&PaymentEvent::Claiming { lock: received(1), preimage: preimage(9) });
    assert_eq!(state(&book, 0), IncomingState::Claiming);
    assert_eq!(book.settlements(IN, Showing::Allowed).len(), 2);
    assert!(!book.wants_preimage(&hash(9)));
}

#[test]
fn a_preimage_is_kept_until_no_lock_of_its_hash_is_left() {
    let mut book = passed_on();
    book.note_round_over(OUT);
    let claim = Operation::ClaimLock { lock: LockId(0), preimage: preimage(9) };
    book.note_accepted(OUT, core::slice::from_ref(&claim));
    book.note_round_over(OUT);
    assert_eq!(book.preimage_in(&IN, &hash(9)), Some(preimage(9)), "it has still to be claimed");
    book.note_proposed(IN, &[claim], |_| None);
    assert_eq!(book.preimage_in(&IN, &hash(9)), Some(preimage(9)), "the peer may not accept");
    book.note_round_over(IN);
    assert!(book.is_idle());
    assert_eq!(book.preimage_in(&IN, &hash(9)), None);
    assert!(book.ended().all(|lock| lock.outcome == Outcome::Claimed && lock.preimage.is_some()));
}

/// A store restored from a backup may not know the lock that it passed this one on by.
#[test]
fn a_preimage_claims_what_is_passed_on_even_by_a_lock_that_is_not_known() {
    let mut book = PaymentBook::default();
    theirs(&mut book, IN, &[add(0, 9, 6_000_000, 1_500, onward(5_000_000, 1_200))]);
    book.apply(&PaymentEvent::Forwarding { lock: received(0), channel: OUT });
    assert!(book.wants_preimage(&hash(9)));
    book.apply(&PaymentEvent::PreimageLearned { preimage: preimage(9) });
    assert_eq!(book.preimage_in(&IN, &hash(9)), Some(preimage(9)));
}

/// The channel of an onward lock ends and nobody saw what became of it: its peer may have it.
#[test]
fn a_lock_whose_onward_lock_ended_unseen_is_not_given_back() {
    let mut book = passed_on();
    book.note_channel_over(OUT);
    assert_eq!(state(&book, 0), IncomingState::Forwarding { channel: OUT });
    assert!(book.settlements(IN, Showing::Allowed).is_empty());
}

#[test]
fn deadlines_are_where_the_protocol_puts_them() {
    let policy = LockPolicy::default();
    let due =
        |book: &PaymentBook, tip: u32| book.deadlines(BlockHeight::new(tip), &policy, &Net::new());
    let mut book = passed_on();
    assert_eq!(due(&book, 1_199).close, []);
    assert_eq!(due(&book, 1_200).close, [(OUT, sent(0))]);
    book.apply(&PaymentEvent::PreimageLearned { preimage: preimage(9) });
    // Delay 10, margin 18.
    assert_eq!(due(&book, 1_471).close, [(OUT, sent(0))]);
    assert_eq!(due(&book, 1_472).close, [(IN, received(0)), (OUT, sent(0))]);
    theirs(&mut book, IN, &[add(1, 8, 6_000_000, 1_400, Route::default())]);
    book.apply(&PaymentEvent::Held { lock: received(1) });
    assert_eq!(due(&book, 1_371).cancel, []);
    assert_eq!(due(&book, 1_372).cancel, [received(1)]);
}

/// Two peers, one channel with each.
struct Net {
    open: bool,
    spendable: u64,
}

impl Net {
    const fn new() -> Self {
        Self { open: true, spendable: 1_000_000_000 }
    }
}

impl Channels for Net {
    fn peer(&self, channel: &ChannelId) -> Option<NodeId> {
        [(IN, node(1)), (OUT, node(2))].into_iter().find(|(id, _)| id == channel).map(|(_, n)| n)
    }

    fn delay(&self, _: &ChannelId) -> BlockDelta {
        BlockDelta::new(10)
    }

    fn is_open(&self, _: &ChannelId) -> bool {
        self.open
    }

    fn way(&self, to: &NodeId, amount: MilliSats) -> Option<ChannelId> {
        (*to == node(2) && amount.to_msat() <= self.spendable).then_some(OUT)
    }
}

#[test]
fn a_lock_is_judged_by_its_time_its_size_and_what_it_leaves() {
    let policy = LockPolicy::default();
    let closed = || Net { open: false, ..Net::new() };
    let poor = || Net { spendable: 1, ..Net::new() };
    let back = Verdict::Cancel;
    let last = Route::default;
    // Fee of 1,000 msat and a thousandth; delay 10 each, margin 18.
    let rows = [
        (6_000_000, 1_046, last(), Net::new(), Verdict::Hold),
        (6_000_000, 1_045, last(), Net::new(), back(CancelReason::Expired)),
        (6_000_000, 3_016, last(), Net::new(), Verdict::Hold),
        (6_000_000, 3_017, last(), Net::new(), back(CancelReason::Unwanted)),
        (999, 1_500, last(), Net::new(), back(CancelReason::Unwanted)),
        (6_000_000, 1_500, last(), closed(), back(CancelReason::Unwanted)),
        (5_006_000, 1_500, onward(5_000_000, 1_444), Net::new(), Verdict::Forward(OUT)),
        (5_005_999, 1_500, onward(5_000_000, 1_444), Net::new(), back(CancelReason::Terms)),
        (5_006_000, 1_500, onward(5_000_000, 1_445), Net::new(), back(CancelReason::Terms)),
        (5_006_000, 1_500, onward(5_000_000, 1_028), Net::new(), back(CancelReason::Expired)),
        (5_006_000, 1_500, onward(5_000_000, 1_029), Net::new(), Verdict::Forward(OUT)),
        (5_006_000, 1_500, onward(999, 1_444), Net::new(), back(CancelReason::Terms)),
        (5_006_000, 1_500, onward(5_000_000, 1_444), poor(), back(CancelReason::NoRoute)),
    ];
    for (row, (amount, expiry, route, net, expect)) in rows.into_iter().enumerate() {
        let mut book = PaymentBook::default();
        theirs(&mut book, IN, &[add(0, 9, amount, expiry, route)]);
        let lock = book.find_incoming(&received(0)).unwrap();
        assert_eq!(judge(&book, &received(0), lock, TIP, &policy, &net), expect, "row {row}");
    }
    let refused = LockPolicy { forwarding: Forwarding::Refused, ..policy };
    let mut book = PaymentBook::default();
    theirs(&mut book, IN, &[add(0, 9, 5_006_000, 1_500, onward(5_000_000, 1_444))]);
    let lock = book.find_incoming(&received(0)).unwrap();
    let verdict = judge(&book, &received(0), lock, TIP, &refused, &Net::new());
    assert_eq!(verdict, back(CancelReason::NoRoute));
}

#[test]
fn fees_round_up_and_never_overflow() {
    let policy = LockPolicy { fee_base: msat(7), fee_millionths: 1, ..LockPolicy::default() };
    assert_eq!(policy.fee(msat(1)), msat(8));
    assert_eq!(policy.fee(msat(2_000_000)), msat(9));
    let dear = LockPolicy { fee_base: MilliSats::MAX, fee_millionths: u32::MAX, ..policy };
    assert_eq!(dear.fee(MilliSats::MAX), MilliSats::MAX);
}

/// What the receiver of an outgoing lock does with it.
#[derive(Debug, Clone, Copy)]
enum Receiver {
    Claims,
    Cancels,
}

/// What may happen, in any order that an engine could bring about.
#[derive(Debug, Clone)]
enum Happening {
    Arrives { secret: u8, is_last: bool },
    Decided { lock: u64, event: u8 },
    Proposed { lock: u64 },
    Offered { secret: u8 },
    Learned { secret: u8 },
    Downstream { lock: u64, does: Receiver },
    OnChain { lock: u64 },
    Settled { lock: u64 },
    Over { out: bool },
}

fn happenings() -> impl Strategy<Value = Happening> {
    let (lock, secret) = (0_u64..6, 1_u8..4);
    prop_oneof![
        (secret.clone(), any::<bool>())
            .prop_map(|(secret, is_last)| Happening::Arrives { secret, is_last }),
        (lock.clone(), 0_u8..4).prop_map(|(lock, event)| Happening::Decided { lock, event }),
        lock.clone().prop_map(|lock| Happening::Proposed { lock }),
        secret.clone().prop_map(|secret| Happening::Offered { secret }),
        secret.prop_map(|secret| Happening::Learned { secret }),
        (lock.clone(), prop_oneof![Just(Receiver::Claims), Just(Receiver::Cancels)])
            .prop_map(|(lock, does)| Happening::Downstream { lock, does }),
        lock.clone().prop_map(|lock| Happening::OnChain { lock }),
        lock.prop_map(|lock| Happening::Settled { lock }),
        any::<bool>().prop_map(|out| Happening::Over { out }),
    ]
}

/// The book, and what a bystander remembers of it.
#[derive(Default)]
struct Model {
    book: PaymentBook,
    secrets: BTreeMap<u64, u8>,
    next_in: u64,
    next_out: u64,
    /// Onward locks by what they pass on, and those that were seen to be gone.
    onward: BTreeMap<LockKey, LockKey>,
    gone: BTreeSet<LockKey>,
}

impl Model {
    /// Folds an event in, twice: the second time changes nothing.
    fn apply(&mut self, event: PaymentEvent) {
        self.book.apply(&event);
        let once = self.book.clone();
        self.book.apply(&event);
        assert_eq!(self.book, once, "{event:?} told twice");
    }

    fn decide(&mut self, id: u64, event: u8) {
        let lock = received(id);
        let Some(incoming) = self.book.find_incoming(&lock).cloned() else { return };
        let is_last = incoming.route.hops().is_empty();
        match event {
            0 if is_last => self.apply(PaymentEvent::Held { lock }),
            1 if !is_last => self.apply(PaymentEvent::Forwarding { lock, channel: OUT }),
            2 => {
                let preimage = preimage(self.secrets[&id]);
                self.apply(PaymentEvent::Claiming { lock, preimage });
            }
            _ if incoming.onward.is_none() => {
                self.apply(PaymentEvent::Cancelling { lock, reason: CancelReason::Unwanted });
            }
            _ => {}
        }
    }

    fn propose(&mut self, id: u64) {
        let lock = received(id);
        let Some(incoming) = self.book.find_incoming(&lock) else { return };
        let is_due = matches!(incoming.state, IncomingState::Forwarding { .. });
        if !is_due || incoming.onward.is_some() {
            return;
        }
        let key = sent(self.next_out);
        let operation = add(self.next_out, self.secrets[&id], 5_000, 1_200, Route::default());
        self.book.note_proposed(OUT, &[operation], |_| Some(lock.forward_request()));
        self.book.note_round_over(OUT);
        self.next_out += 1;
        let before = self.onward.insert(lock, key);
        assert_eq!(before, None, "one incoming lock has one outgoing lock");
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Arrives { secret, is_last } => {
                let route = if is_last { Route::default() } else { onward(5_000, 1_200) };
                theirs(&mut self.book, IN, &[add(self.next_in, secret, 6_000, 1_500, route)]);
                self.secrets.insert(self.next_in, secret);
                self.next_in += 1;
            }
            Happening::Decided { lock, event } => self.decide(lock, event),
            Happening::Proposed { lock } => self.propose(lock),
            Happening::Offered { secret } => {
                let operation = add(self.next_out, secret, 5_000, 1_200, Route::default());
                self.book.note_proposed(OUT, &[operation], |_| Some(KEY));
                self.book.note_round_over(OUT);
                self.next_out += 1;
            }
            Happening::Learned { secret } => {
                self.apply(PaymentEvent::PreimageLearned { preimage: preimage(secret) });
            }
            Happening::Downstream { lock, does } => self.downstream(lock, does),
            Happening::OnChain { lock } => {
                self.gone.insert(sent(lock));
                self.apply(PaymentEvent::OutgoingGone { lock: sent(lock) });
            }
            Happening::Settled { lock } => {
                let is_its = |operation: &&Operation| match operation {
                    Operation::ClaimLock { lock: id, .. }
                    | Operation::CancelLock { lock: id, .. } => id.0 == lock,
                    Operation::Pay { .. }
                    | Operation::AddLock { .. }
                    | Operation::RaiseHeight { .. }
                    | Operation::OpenContract { .. }
                    | Operation::Act { .. }
                    | Operation::SettleContract { .. } => false,
                };
                let all = self.book.settlements(IN, Showing::Allowed);
                if let Some(operation) = all.iter().find(is_its) {
                    self.book.note_proposed(IN, core::slice::from_ref(operation), |_| None);
                    self.book.note_round_over(IN);
                }
            }
            Happening::Over { out } => self.book.note_channel_over(if out { OUT } else { IN }),
        }
    }

    fn downstream(&mut self, id: u64, does: Receiver) {
        let Some(terms) = self.book.find_outgoing(&sent(id)).map(|lock| lock.terms) else { return };
        let secret = (1..4).find(|secret| hash(*secret) == terms.payment_hash).unwrap();
        let lock = LockId(id);
        let operation = match does {
            Receiver::Claims => Operation::ClaimLock { lock, preimage: preimage(secret) },
            Receiver::Cancels => {
                self.gone.insert(sent(id));
                Operation::CancelLock { lock, reason: CancelReason::Unwanted }
            }
        };
        theirs(&mut self.book, OUT, &[operation]);
    }

    fn check(&self) {
        for (key, lock) in self.book.incoming() {
            let LockTerms { payment_hash, .. } = lock.terms;
            let onward = self.onward.get(key);
            assert_eq!(lock.onward.as_ref(), onward, "what was proposed is not forgotten");
            match lock.state {
                IncomingState::Cancelling { .. } => {
                    assert!(onward.is_none_or(|key| self.gone.contains(key)), "{key} failed early");
                }
                IncomingState::Claiming => {
                    let known = self.book.incoming_preimage(key).unwrap();
                    assert_eq!(payment_hash_of(&known), payment_hash);
                }
                IncomingState::Arrived | IncomingState::Held => assert_eq!(onward, None),
                IncomingState::Forwarding { .. } => {
                    let live = onward.and_then(|key| self.book.outgoing_preimage(key));
                    assert_eq!(live, None, "{key} is claimed as soon as its preimage is known");
                }
            }
        }
        let stored = minicbor::to_vec(&self.book).unwrap();
        assert_eq!(minicbor::decode::<PaymentBook>(&stored).unwrap(), self.book);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_order_of_events_passes_a_lock_on_twice_or_fails_it_early(
        all in prop::collection::vec(happenings(), 1..60),
    ) {
        let mut model = Model::default();
        for happening in &all {
            model.happen(happening);
            model.check();
        }
    }
}
