//! Contracts: agreeing, opening, acting, settling, and every way in which one of these does not go through.

use strait_channel::{
    Closing, ContractAnswer, ForceReason, LedgerError, Notice, Reaction, RequestError, TipStanding,
    Violation,
};
use strait_contract::scripted::{PURSE, PURSE_FUEL, PurseAction};
use strait_contract::{Collateral, Limits, Params, ScriptedRuntime, Terms};
use strait_primitives::{
    BlockHeight, CommitmentNumber, ContractId, Fuel, MilliSats, Party, PaymentHash,
};
use strait_wire::{ContractBytes, Message, OfferContract, Operation, limits::OPERATIONS_MAX};

use crate::node::Crash;
use crate::pair::{BOTH, Pair, Taste, irrevocable, key, pay};

pub const PURSE_ID: ContractId = ContractId::from_bytes([0xc0; 32]);

pub fn terms(first: u64, second: u64) -> Terms {
    let msat = |msat| MilliSats::new(msat).unwrap();
    Terms {
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(msat(first), msat(second)).unwrap(),
        limits: Limits::default(),
    }
}

pub fn open() -> Operation {
    Operation::OpenContract { contract: PURSE_ID }
}

pub fn settle() -> Operation {
    Operation::SettleContract { contract: PURSE_ID }
}

pub fn act(action: PurseAction) -> Operation {
    let action = ContractBytes::new(action.to_action().as_bytes()).unwrap();
    Operation::Act { contract: PURSE_ID, action }
}

pub fn give(msat: u64) -> Operation {
    act(PurseAction::Give { amount: MilliSats::new(msat).unwrap() })
}

fn finish() -> Operation {
    act(PurseAction::Finish)
}

pub fn offer(pair: &mut Pair, party: Party, terms: Terms) {
    let tip = pair.world.tip;
    pair.node_mut(party)
        .act(|channel, out| channel.offer_contract(PURSE_ID, terms, tip, out))
        .unwrap()
        .unwrap();
}

/// A pair in whose channel a purse lives.
pub fn with_purse(first: u64, second: u64) -> Pair {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(first, second));
    pair.settle();
    assert!(pair.request(Party::Opener, 50, vec![open()]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.opener.live().rounds.ledger.contract(&PURSE_ID).is_some());
    pair
}

fn refusal(pair: &Pair, party: Party) -> RequestError {
    let mut refused = pair.node(party).notices.iter().rev().filter_map(|notice| match notice {
        Notice::Refused { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    refused.next().expect("a request was refused")
}

#[test]
fn a_contract_is_agreed_opened_acted_in_and_settled() {
    let mut pair = Pair::balanced();
    let (opener, acceptor) = (pair.opener.balance(), pair.acceptor.balance());
    offer(&mut pair, Party::Acceptor, terms(30_000, 20_000));
    pair.settle();
    let answer = ContractAnswer::Agreed;
    let agreed = Notice::ContractAnswered { contract: PURSE_ID, answer };
    assert!(pair.acceptor.notices.contains(&agreed));

    assert!(pair.request(Party::Acceptor, 1, vec![open(), give(5_000)]));
    pair.settle();
    assert!(pair.request(Party::Opener, 2, vec![give(1_000), give(2_000), pay(7_000)]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.opener.live().agreements.is_empty(), "an agreement is used up");
    let ledger = &pair.opener.live().rounds.ledger;
    assert_eq!(ledger.height(), BlockHeight::new(110), "an act sees the tip");
    let purse = ledger.contract(&PURSE_ID).unwrap();
    assert_eq!(purse.outcome_of(Party::Opener), MilliSats::from_const(32_000));

    assert!(pair.request(Party::Opener, 3, vec![settle()]));
    pair.settle();
    assert!(matches!(
        refusal(&pair, Party::Opener),
        RequestError::Ledger(LedgerError::NotFinal { .. })
    ));

    assert!(pair.request(Party::Acceptor, 4, vec![finish(), settle()]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.opener.live().rounds.ledger.is_plain());
    let moved = |before: MilliSats, by: i64| {
        MilliSats::new(before.to_msat().checked_add_signed(by).unwrap()).unwrap()
    };
    assert_eq!(pair.opener.balance(), moved(opener, 2_000 - 7_000));
    assert_eq!(pair.acceptor.balance(), moved(acceptor, 7_000 - 2_000));
}

#[test]
fn while_a_contract_lives_commitments_carry_the_hash_of_its_state() {
    let pair = with_purse(10_000, 10_000);
    for party in BOTH {
        let node = pair.node(party);
        let live = node.live();
        let hash = node.channel().signer().revocation_hash(live.rounds.number);
        let side = strait_primitives::Side::Holder;
        let commitments = node.channel().commitments().unwrap();
        let commitment =
            commitments.build(side, &live.setup, live.rounds.number, hash, &live.rounds.ledger);
        let kinds: Vec<_> = commitment.outputs().iter().map(|output| output.kind()).collect();
        assert!(kinds.contains(&strait_onchain::OutputKind::LedgerHash), "{kinds:?}");
    }
}

#[test]
fn a_peer_that_does_not_want_a_contract_refuses_before_any_round() {
    let mut pair = Pair::balanced();
    pair.world.taste = Taste::Nothing;
    offer(&mut pair, Party::Opener, terms(1_000, 0));
    let events = pair.acceptor.disk.len();
    pair.settle();
    assert_eq!(pair.acceptor.disk.len(), events, "a refusal is not worth an event");
    let Some(Notice::ContractAnswered { answer: ContractAnswer::Refused(note), .. }) =
        pair.opener.notices.last()
    else {
        panic!("the offerer is told")
    };
    assert_eq!(note.as_str(), "not here");
    assert!(pair.opener.live().offers.is_empty());
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    pair.settle();
    let RequestError::Ledger(error) = refusal(&pair, Party::Opener) else { panic!("the ledger") };
    assert_eq!(error, LedgerError::NoAgreement { contract: PURSE_ID });
}

/// Hands the acceptor an offer made by hand, and returns what it says.
fn answer_to(pair: &mut Pair, change: impl FnOnce(&mut OfferContract)) -> Message {
    let number = pair.opener.live().rounds.number.to_u64();
    let mut offer = OfferContract {
        channel: pair.opener.channel().id(),
        contract: PURSE_ID,
        terms: ContractBytes::new(minicbor::to_vec(terms(1_000, 1_000)).unwrap()).unwrap(),
        valid_to: CommitmentNumber::new(number + 100).unwrap(),
        until: Some(pair.world.tip),
    };
    change(&mut offer);
    pair.hand(Party::Acceptor, offer);
    assert_eq!(pair.acceptor.reactions, []);
    pair.acceptor.outbox.pop_back().unwrap()
}

#[test]
fn an_offer_is_bounded_whatever_the_operator_thinks() {
    let check = |change: fn(&mut OfferContract), expect: &str| {
        let mut pair = Pair::balanced();
        let events = pair.acceptor.disk.len();
        let Message::RefuseContract(refuse) = answer_to(&mut pair, change) else {
            panic!("{expect}")
        };
        assert!(refuse.note.as_str().contains(expect), "{:?}", refuse.note);
        assert_eq!(pair.acceptor.disk.len(), events);
    };
    check(|offer| offer.terms = ContractBytes::new([0xff]).unwrap(), "cannot be read");
    check(|offer| offer.valid_to = CommitmentNumber::FIRST, "valid for no round");
    check(
        |offer| offer.valid_to = CommitmentNumber::new(100_002).unwrap(),
        "valid for 100000 rounds at most",
    );
    check(|offer| offer.until = None, "names no height");
    check(|offer| offer.until = Some(BlockHeight::new(109)), "is over");
    check(|offer| offer.until = Some(above(TIP, 145)), "may stand for 72 blocks at most");
    check(
        |offer| {
            let limits = Limits { fuel_per_call: Fuel(0), ..Limits::default() };
            let bytes = minicbor::to_vec(Terms { limits, ..terms(1, 1) }).unwrap();
            offer.terms = ContractBytes::new(bytes).unwrap();
        },
        "fuel_per_call",
    );
}

#[test]
fn a_peer_fills_no_memory_with_agreements() {
    let mut pair = Pair::balanced();
    for id in 0..16 {
        let contract = ContractId::from_bytes([id; 32]);
        let answer = answer_to(&mut pair, |offer| offer.contract = contract);
        assert!(matches!(answer, Message::AgreeContract(_)));
    }
    let answer = answer_to(&mut pair, |_| ());
    let Message::RefuseContract(refuse) = answer else { panic!("one too many") };
    assert_eq!(refuse.note.as_str(), "16 contracts exist already");
    assert_eq!(pair.acceptor.live().agreements.len(), 16);

    // They run out with the number they are valid to.
    for _ in 0..100 {
        pair.pay(Party::Opener, 1);
        pair.settle();
    }
    assert!(pair.acceptor.live().agreements.is_empty());
    assert!(matches!(answer_to(&mut pair, |_| ()), Message::AgreeContract(_)));
}

#[test]
fn an_agreement_opens_nothing_after_the_number_it_is_valid_to() {
    let mut pair = Pair::balanced();
    let answer = answer_to(&mut pair, |offer| offer.valid_to = CommitmentNumber::new(2).unwrap());
    assert!(matches!(answer, Message::AgreeContract(_)));
    pair.pay(Party::Opener, 1_000);
    pair.settle();
    assert!(pair.request(Party::Acceptor, 1, vec![open()]));
    pair.settle();
    let expect = LedgerError::NoAgreement { contract: PURSE_ID };
    assert_eq!(refusal(&pair, Party::Acceptor), RequestError::Ledger(expect));
}

/// The tip of all nodes here.
const TIP: BlockHeight = BlockHeight::new(110);

const fn above(height: BlockHeight, blocks: u32) -> BlockHeight {
    BlockHeight::new(height.to_u32() + blocks)
}

/// A peer that had been offered a contract waited for what its price would do, for as long as it liked.
#[test]
fn an_agreement_opens_nothing_after_its_height() {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(1_000, 1_000));
    pair.settle();
    pair.world.tip = above(TIP, 73);
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    pair.settle();
    let expect = LedgerError::NoAgreement { contract: PURSE_ID };
    assert_eq!(refusal(&pair, Party::Opener), RequestError::Ledger(expect));
    assert_eq!(pair.acceptor.live().agreements.len(), 1, "a proposal of before may come yet");
    pair.world.tip = above(TIP, 145);
    for party in BOTH {
        pair.poll(party);
        assert!(pair.node(party).live().agreements.is_empty());
    }
    pair.assert_agreed();
}

/// A round that opens a contract too late costs the channel, so the last blocks are for its way to the peer.
#[test]
fn a_contract_is_opened_while_there_is_time_for_the_round_to_arrive() {
    for (late, is_proposed) in [(36, true), (37, false)] {
        let mut pair = Pair::balanced();
        offer(&mut pair, Party::Opener, terms(1_000, 1_000));
        pair.settle();
        pair.world.tip = above(TIP, late);
        assert!(pair.request(Party::Acceptor, 1, vec![open()]));
        pair.settle();
        pair.assert_agreed();
        let ledger = &pair.opener.live().rounds.ledger;
        assert_eq!(ledger.contract(&PURSE_ID).is_some(), is_proposed, "{late} blocks later");
    }
}

#[test]
fn on_a_stale_tip_no_contract_is_opened_and_all_else_goes_on() {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(1_000, 1_000));
    pair.settle();
    pair.world.tip_standing = TipStanding::Stale;
    assert!(pair.request(Party::Opener, 1, vec![pay(1_000), open()]));
    assert!(pair.request(Party::Opener, 2, vec![pay(1_000)]));
    pair.settle();
    assert_eq!(refusal(&pair, Party::Opener), RequestError::TipStale { contract: PURSE_ID });
    assert!(irrevocable(&pair.opener).contains(&key(2)));
    pair.world.tip_standing = TipStanding::Current;
    assert!(pair.request(Party::Opener, 3, vec![open()]));
    pair.settle();
    assert!(pair.opener.live().rounds.ledger.contract(&PURSE_ID).is_some());
}

/// An opener whose proposal is on its way as the connection breaks, before the peer has it or after.
fn proposed_and_alone(deliveries: usize) -> Pair {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(1_000, 1_000));
    pair.settle();
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    pair.poll(Party::Opener);
    for _ in 0..deliveries {
        pair.deliver(Party::Acceptor);
    }
    pair.disconnect();
    pair
}

fn polled_at(pair: &mut Pair, late: u32) -> bool {
    pair.world.tip = above(TIP, late);
    pair.poll(Party::Opener);
    pair.opener.live().closing == Closing::Forced(ForceReason::Deadline)
}

/// The peer has a signature on a commitment with the contract in it, and may say whenever it likes that it accepts: it
/// waited for what prices would do.
#[test]
fn a_channel_is_closed_whose_peer_does_not_say_whether_a_contract_is_open() {
    let mut pair = proposed_and_alone(0);
    let closes = [144, 145, 150].map(|late| polled_at(&mut pair, late));
    assert_eq!(closes, [false; 3], "it may still be accepted, and then there is an hour");
    assert!(polled_at(&mut pair, 151));
    assert_eq!(pair.opener.broadcasts.len(), 1);
    let live = pair.opener.live();
    assert!(live.rounds.ledger.contract(&PURSE_ID).is_none(), "on the state before");
}

/// After a restart all blocks come at once, and the peer that has accepted has had no moment to say so.
#[test]
fn a_peer_that_accepted_in_time_may_say_so_late() {
    let mut pair = proposed_and_alone(1);
    assert!(!polled_at(&mut pair, 145));
    pair.opener.restart();
    pair.world.tip_standing = TipStanding::Stale;
    assert!(!(200..220).any(|late| polled_at(&mut pair, late)), "the tip is not known yet");
    pair.world.tip_standing = TipStanding::Current;
    assert!(!polled_at(&mut pair, 225), "an hour begins");
    pair.recover();
    pair.assert_agreed();
    assert!(pair.opener.live().rounds.ledger.contract(&PURSE_ID).is_some());
    assert!(!(226..240).any(|late| polled_at(&mut pair, late)));
}

/// What was proposed in time is accepted for as long again, and then not any more.
#[test]
fn a_round_that_opens_a_contract_too_late_is_a_violation() {
    for (late, is_accepted) in [(144, true), (145, false)] {
        let mut pair = Pair::balanced();
        offer(&mut pair, Party::Opener, terms(1_000, 1_000));
        pair.settle();
        assert!(pair.request(Party::Opener, 1, vec![open()]));
        pair.poll(Party::Opener);
        pair.world.tip = above(TIP, late);
        pair.deliver(Party::Acceptor);
        let expect: &[Reaction] = &[];
        assert_eq!(pair.acceptor.reactions == expect, is_accepted, "{:?}", pair.acceptor.reactions);
    }
}

/// An offer that nobody answers is over, and its user is told.
#[test]
fn an_offer_that_is_not_answered_in_time_lapses() {
    let mut pair = Pair::balanced();
    pair.disconnect();
    offer(&mut pair, Party::Opener, terms(1_000, 1_000));
    pair.world.tip = above(TIP, 145);
    pair.poll(Party::Opener);
    assert!(pair.opener.live().offers.is_empty());
    let told = pair.opener.notices.last();
    let Some(Notice::ContractAnswered { answer: ContractAnswer::Refused(note), .. }) = told else {
        panic!("{told:?}")
    };
    assert_eq!(note.as_str(), "it was not answered in time");
}

/// What a node has in all contracts of a channel counts, not what it has in each.
#[test]
fn the_bound_on_a_nodes_own_collateral_is_one_for_all_contracts_of_a_channel() {
    let mut pair = Pair::balanced();
    pair.world.taste = Taste::UpTo(MilliSats::from_const(2_500));
    let mut ask = |id| answer_to(&mut pair, |o| o.contract = ContractId::from_bytes([id; 32]));
    assert!(matches!(ask(1), Message::AgreeContract(_)));
    assert!(matches!(ask(2), Message::AgreeContract(_)));
    let Message::RefuseContract(refuse) = ask(3) else { panic!("three thousand in all") };
    assert_eq!(refuse.note.as_str(), "too much");
}

#[test]
fn the_same_offer_again_gets_the_same_answer_and_another_is_refused() {
    let mut pair = Pair::balanced();
    let first = answer_to(&mut pair, |_| ());
    let events = pair.acceptor.disk.len();
    assert_eq!(answer_to(&mut pair, |_| ()), first);
    let other = ContractBytes::new(minicbor::to_vec(terms(2_000, 9_000)).unwrap()).unwrap();
    let answer = answer_to(&mut pair, |offer| offer.terms = other);
    assert!(matches!(answer, Message::RefuseContract(_)));
    assert_eq!(pair.acceptor.disk.len(), events);
}

/// The peer's agreement was durable and its answer lost with the connection. When it held the turn it opened the
/// contract before it was asked again, and the offerer, who knew of no agreement, closed the channel.
#[test]
fn a_round_that_opens_what_was_offered_is_an_agreement() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Acceptor, 1, vec![pay(1_000)]));
    pair.settle();
    offer(&mut pair, Party::Opener, terms(4_000, 3_000));
    pair.deliver(Party::Acceptor);
    assert_eq!(pair.acceptor.live().agreements.len(), 1);
    pair.connect();
    assert!(pair.request(Party::Acceptor, 2, vec![open()]));
    pair.deliver(Party::Acceptor);
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.reactions, []);
    assert!(pair.opener.live().rounds.ledger.contract(&PURSE_ID).is_some());
    assert!(pair.opener.live().offers.is_empty());
}

/// Goal: an agreement is on both disks or can still be given. Method: each message and each write of it lost.
#[test]
fn agreeing_and_opening_survive_a_break_at_every_point() {
    let check = |strike: &dyn Fn(&mut Pair)| {
        let mut pair = Pair::balanced();
        strike(&mut pair);
        let offered = pair
            .opener
            .act(|channel, out| channel.offer_contract(PURSE_ID, terms(9_000, 1_000), TIP, out));
        assert!(offered.is_none_or(|offered| offered.is_ok()));
        pair.settle();
        pair.recover();
        if pair.opener.live().offers.is_empty() && pair.opener.live().agreements.is_empty() {
            offer(&mut pair, Party::Opener, terms(9_000, 1_000));
            pair.settle();
        }
        strike(&mut pair);
        assert!(pair.request(Party::Opener, 1, vec![open(), give(500), pay(70)]));
        pair.settle();
        pair.recover();
        if !pair.opener.live().agreements.is_empty() {
            pair.request(Party::Opener, 1, vec![open(), give(500), pay(70)]);
            pair.settle();
        }
        pair.assert_agreed();
        let purse = pair.acceptor.live().rounds.ledger.contract(&PURSE_ID).unwrap();
        assert_eq!(purse.outcome_of(Party::Acceptor), MilliSats::from_const(1_500));
        for party in BOTH {
            assert_eq!(pair.node(party).reactions, []);
        }
    };
    for count in 0..5 {
        check(&|pair| pair.deliveries_left = Some(count));
        for crash in [Crash::BeforeWrite(count), Crash::AfterWrite(count)] {
            check(&|pair| pair.opener.crash_at = Some(crash));
            check(&|pair| pair.acceptor.crash_at = Some(crash));
        }
    }
}

#[test]
fn a_batch_of_acts_is_one_round_and_one_change() {
    let mut pair = with_purse(100_000, 100_000);
    let number = pair.opener.live().rounds.number;
    for id in 0..50 {
        assert!(pair.request(Party::Opener, id, vec![give(100); 4]));
    }
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.opener.live().rounds.number, number.next().unwrap());
    let purse = pair.opener.live().rounds.ledger.contract(&PURSE_ID).unwrap();
    assert_eq!(purse.outcome_of(Party::Acceptor), MilliSats::from_const(120_000));
}

#[test]
fn what_a_contract_refuses_is_refused_to_its_owner_alone() {
    let check = |operation: Operation, expect: &str| {
        let mut pair = with_purse(10_000, 10_000);
        assert!(pair.request(Party::Opener, 1, vec![pay(1_000), operation]));
        assert!(pair.request(Party::Opener, 2, vec![give(1_000)]));
        pair.settle();
        pair.assert_agreed();
        let RequestError::Ledger(error) = refusal(&pair, Party::Opener) else { panic!("{expect}") };
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert!(format!("{error}: {source:?}").contains(expect), "{error}: {source:?}");
        assert!(irrevocable(&pair.opener).contains(&key(2)));
    };
    check(give(10_001), "the contract failed");
    check(act(PurseAction::Panic), "the contract failed");
    check(act(PurseAction::Burn { fuel: Fuel(u64::MAX) }), "the contract failed");
    check(act(PurseAction::Mint { amount: MilliSats::from_const(1) }), "the contract failed");
    let lock = |amount, expiry| {
        act(PurseAction::Lock {
            amount: MilliSats::new(amount).unwrap(),
            payment_hash: PaymentHash::from_bytes([8; 32]),
            expiry: BlockHeight::new(expiry),
        })
    };
    check(lock(9_000, 500_000_000), "expiry 500000000");
    check(lock(999, 200), "smallest allowed is 1000 msat");
}

#[test]
fn a_contracts_lock_stands_in_both_commitments() {
    let mut pair = with_purse(10_000_000, 0);
    assert!(pair.request(
        Party::Opener,
        1,
        vec![act(PurseAction::Lock {
            amount: MilliSats::from_const(6_000_000),
            payment_hash: PaymentHash::from_bytes([8; 32]),
            expiry: BlockHeight::new(200),
        })]
    ));
    pair.settle();
    pair.assert_agreed();
    let number = pair.opener.live().rounds.number;
    for party in BOTH {
        assert_eq!(pair.node(party).live().history.at(number).count(), 1);
    }
    assert!(pair.request(Party::Opener, 2, vec![finish(), settle()]));
    pair.settle();
    assert!(
        matches!(refusal(&pair, Party::Opener), RequestError::Ledger(LedgerError::NotFinal { .. })),
        "a lock is for the chain to judge"
    );
}

#[test]
fn a_receiver_without_the_module_asks_for_another_try() {
    let mut pair = with_purse(10_000, 10_000);
    pair.world.runtimes[1] = ScriptedRuntime::new();
    assert!(pair.request(Party::Opener, 1, vec![give(1_000)]));
    let events = pair.acceptor.disk.len();
    pair.settle();
    let [Reaction::Retry(LedgerError::LocalFault { .. })] = pair.acceptor.reactions.as_slice()
    else {
        panic!("not the peer's fault")
    };
    assert!(pair.acceptor.wants_disconnect);
    assert_eq!(pair.acceptor.disk.len(), events);

    pair.world.runtimes[1] = ScriptedRuntime::with_purse();
    pair.recover();
    pair.assert_agreed();
    assert!(irrevocable(&pair.opener).contains(&key(1)));
}

/// A proposer that cannot run the module has proposed nothing: its user is told, the peer hears nothing.
#[test]
fn a_proposer_without_the_module_refuses_the_request() {
    let mut pair = with_purse(10_000, 10_000);
    pair.world.runtimes[0] = ScriptedRuntime::new();
    let (events, delivered) = (pair.opener.disk.len(), pair.delivered);
    assert!(pair.request(Party::Opener, 1, vec![give(1_000)]));
    pair.settle();
    let expect = refusal(&pair, Party::Opener);
    assert!(matches!(expect, RequestError::Ledger(LedgerError::LocalFault { .. })));
    assert_eq!((pair.opener.disk.len(), pair.delivered), (events, delivered));
}

/// A request of as many operations as a round holds, all of which read the height: with the `RaiseHeight` before it
/// one too many. It was never proposed, never refused, and everything behind it waited for ever.
#[test]
fn a_request_that_fills_a_round_goes_without_the_height() {
    let mut pair = Pair::balanced();
    let limits = Limits { fuel_per_round: Fuel(1_000_000_000), ..Limits::default() };
    offer(&mut pair, Party::Opener, Terms { limits, ..terms(10_000_000, 0) });
    pair.settle();
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    pair.settle();
    assert!(pair.request(Party::Opener, 2, vec![give(1); OPERATIONS_MAX]));
    assert!(pair.request(Party::Opener, 3, vec![give(1)]));
    pair.settle();
    pair.assert_agreed();
    assert!(irrevocable(&pair.opener).contains(&key(2)));
    assert!(irrevocable(&pair.opener).contains(&key(3)));
    assert_eq!(pair.opener.live().rounds.ledger.height(), BlockHeight::new(110));
}

/// `RaiseHeight` was proposed for the sake of an act that was then refused: a round about nothing.
#[test]
fn a_refused_act_does_not_raise_the_height() {
    let mut pair = with_purse(10_000, 10_000);
    let events = pair.opener.disk.len();
    assert!(pair.request(Party::Opener, 1, vec![give(20_000)]));
    pair.settle();
    assert_eq!(pair.opener.disk.len(), events);
}

/// One agreement opened, finished, settled and opened its contract again within one round: the collateral of the victim
/// was put at risk as often as a round has room, under an agreement that it gave once.
#[test]
fn an_agreement_opens_its_contract_once() {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(0, 50_000));
    pair.settle();
    assert!(pair.request(Party::Opener, 1, vec![open(), finish(), settle(), open()]));
    assert!(pair.request(Party::Opener, 2, vec![open(), finish(), settle()]));
    assert!(pair.request(Party::Opener, 3, vec![open()]));
    pair.settle();
    pair.assert_agreed();
    assert_eq!(irrevocable(&pair.opener), [key(0), key(2)]);
    let expect = LedgerError::DuplicateContract { contract: PURSE_ID };
    assert_eq!(refusal(&pair, Party::Opener), RequestError::Ledger(expect));
}

/// Each contract had the fuel of a whole round for itself: with sixteen of them a peer could keep a node busy for
/// sixteen seconds with one message.
#[test]
fn all_contracts_of_a_round_share_its_fuel() {
    let mut pair = Pair::balanced();
    let limits = Limits {
        fuel_per_call: Fuel(100_000_000),
        fuel_per_round: Fuel(1_000_000_000),
        ..Limits::default()
    };
    let ids: Vec<_> = (0..2).map(|id| ContractId::from_bytes([id; 32])).collect();
    for id in &ids {
        let terms = Terms { limits, ..terms(10_000, 0) };
        pair.opener
            .act(|channel, out| channel.offer_contract(*id, terms, TIP, out))
            .unwrap()
            .unwrap();
        pair.settle();
        assert!(pair.request(
            Party::Opener,
            u16::from(id.as_bytes()[0]),
            vec![Operation::OpenContract { contract: *id }]
        ));
        pair.settle();
    }
    let burn = PurseAction::Burn { fuel: Fuel(100_000_000 - PURSE_FUEL.0) };
    let action = ContractBytes::new(burn.to_action().as_bytes()).unwrap();
    let burn = |id: &ContractId| Operation::Act { contract: *id, action: action.clone() };
    for count in 0..12_u16 {
        let id = &ids[usize::from(count % 2)];
        assert!(pair.request(Party::Opener, 100 + count, vec![burn(id)]));
    }
    pair.settle();
    pair.assert_agreed();
    let done = irrevocable(&pair.opener).len();
    let refused = pair.opener.notices.iter().filter(|n| matches!(n, Notice::Refused { .. }));
    assert_eq!((done, refused.count()), (1 + 2 + 9, 3), "a round holds fuel for nine such calls");
}

#[test]
fn an_agreement_that_was_not_given_opens_nothing() {
    let mut pair = Pair::balanced();
    // The opener believes in an agreement that the acceptor never gave: its disk says so.
    offer(&mut pair, Party::Opener, terms(0, 100_000_000));
    pair.opener.outbox.clear();
    let agree =
        strait_wire::AgreeContract { channel: pair.opener.channel().id(), contract: PURSE_ID };
    pair.hand(Party::Opener, agree);
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    let events = pair.acceptor.disk.len();
    pair.settle();
    let expect = LedgerError::NoAgreement { contract: PURSE_ID };
    assert_eq!(pair.acceptor.reactions, [Reaction::Close(Violation::Ledger(expect))]);
    assert_eq!(pair.acceptor.disk.len(), events + 1, "the force close alone");
}

#[test]
fn an_answer_to_no_offer_moves_nothing() {
    let mut pair = Pair::balanced();
    let events = pair.opener.disk.len();
    let channel = pair.opener.channel().id();
    pair.hand(Party::Opener, strait_wire::AgreeContract { channel, contract: PURSE_ID });
    let note = strait_wire::Note::cut("no");
    pair.hand(Party::Opener, strait_wire::RefuseContract { channel, contract: PURSE_ID, note });
    assert_eq!(pair.opener.disk.len(), events);
    assert!(pair.opener.reactions.iter().all(|r| matches!(r, Reaction::Refuse { .. })));
    assert_eq!(pair.opener.live().closing, Closing::Running);
}

#[test]
fn a_snapshot_brings_contracts_back() {
    let pair = with_purse(10_000, 10_000);
    let state = pair.opener.state().clone();
    let bytes = minicbor::to_vec(&state).unwrap();
    let back: strait_channel::ChannelState = minicbor::decode(&bytes).unwrap();
    assert_eq!(back, state);
}
