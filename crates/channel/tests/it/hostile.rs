//! Every message a thief could send, and what it gets him: nothing but the end of the channel.

use strait_channel::{
    Closing, ForceReason, LedgerError, Notice, Reaction, RequestError, Violation,
};
use strait_primitives::{
    BlockHeight, CommitmentNumber, LockId, MilliSats, Party, PaymentHash, Preimage, RevocationHash,
    RevocationSecret, SchnorrSignature,
};
use strait_wire::{CancelReason, Message, Operation, Operations, Propose, TurnMove};

use crate::node::Node;
use crate::pair::{Pair, pay};

fn lock(amount: u64, expiry: u32) -> Operation {
    Operation::AddLock {
        lock: LockId(0),
        amount: MilliSats::new(amount).unwrap(),
        payment_hash: PaymentHash::from_bytes([6; 32]),
        expiry: BlockHeight::new(expiry),
        route: strait_wire::Route::default(),
    }
}

/// Hands `to` the next message of its peer, tampered with, and returns the reaction. Whatever it is, the error itself
/// must have left the state as it was (the harness asserts it), and only a violation closes.
fn tampered(pair: &mut Pair, to: Party, tamper: impl FnOnce(&mut Message)) -> Reaction {
    let mut message = pair.node_mut(!to).outbox.pop_front().expect("the peer has something to say");
    tamper(&mut message);
    let number = pair.node(to).live().rounds.number;
    pair.hand(to, message);
    let node: &Node = pair.node(to);
    assert_eq!(node.live().rounds.number, number, "the last state is kept");
    let reaction = node.reactions.last().expect("it did not go through").clone();
    let expect = match &reaction {
        Reaction::Close(_) => Closing::Forced(ForceReason::Violation),
        Reaction::Refuse { .. } | Reaction::Retry(_) => Closing::Running,
    };
    assert_eq!(node.live().closing, expect);
    reaction
}

fn propose(message: &mut Message) -> &mut Propose {
    let Message::Propose(propose) = message else { panic!("a proposal, not {message:?}") };
    propose
}

#[test]
fn a_tampered_proposal_is_a_violation() {
    let check = |tamper: fn(&mut Propose), expect: &str| {
        let mut pair = Pair::balanced();
        pair.pay(Party::Opener, 1_000);
        let reaction = tampered(&mut pair, Party::Acceptor, |message| tamper(propose(message)));
        let Reaction::Close(violation) = reaction else { panic!("{reaction:?}") };
        let cause = std::error::Error::source(&violation).map(ToString::to_string);
        let text = format!("{violation}: {}", cause.unwrap_or_default());
        assert!(text.contains(expect), "{text} where {expect} was expected");
    };
    check(|m| m.number = CommitmentNumber::new(1).unwrap(), "number 1 where 2 belongs");
    check(|m| m.number = CommitmentNumber::new(3).unwrap(), "number 3 where 2 belongs");
    check(|m| m.signature = SchnorrSignature::from_bytes([0; 64]), "signature on commitment 2");
    check(|m| m.operations = list(vec![pay(2_000)]), "signature on commitment 2");
    check(|m| m.operations = list(vec![pay(0)]), "an amount of zero");
    check(|m| m.operations = list(vec![pay(599_999_000)]), "the reserve of 10000000 msat kept");
    check(|m| m.operations = list(vec![pay(MilliSats::MAX.to_msat())]), "is more than");
    check(|m| m.operations = list(vec![lock(999, 200)]), "the smallest allowed is 1000 msat");
    check(|m| m.operations = list(vec![lock(5_000, 200), lock(5_000, 200)]), "is next");
    check(|m| m.operations = list(vec![claim()]), "is offered to the proposer");
    check(|m| m.operations = list(vec![cancel()]), "is offered to the proposer");
    check(
        |m| m.operations = list(vec![Operation::RaiseHeight { height: BlockHeight::new(0) }]),
        "height 0 is not above 0",
    );
    check(|m| m.operations = list(vec![crate::contracts::open()]), "no valid agreement");
    check(|m| m.operations = list(vec![crate::contracts::give(1)]), "is not live");
    check(|m| m.operations = list(vec![crate::contracts::settle()]), "is not live");
}

fn list(operations: Vec<Operation>) -> Operations {
    Operations::new(operations).unwrap()
}

const fn claim() -> Operation {
    Operation::ClaimLock { lock: LockId(0), preimage: Preimage::from_bytes([0; 32]) }
}

const fn cancel() -> Operation {
    Operation::CancelLock { lock: LockId(0), reason: CancelReason::Unknown }
}

/// A lock with an expiry that no script can check passed the ledger. Both nodes then stopped at an assertion, the
/// victim again after each restart: one message ended a node for good.
#[test]
fn a_lock_that_no_script_can_judge_is_a_violation_not_a_crash() {
    for expiry in [0, 500_000_000, u32::MAX] {
        let mut pair = Pair::balanced();
        pair.pay(Party::Opener, 1_000);
        let reaction = tampered(&mut pair, Party::Acceptor, |message| {
            propose(message).operations = list(vec![lock(5_000_000, expiry)]);
        });
        let Reaction::Close(Violation::Ledger(LedgerError::Expiry { expiry: actual, .. })) =
            reaction
        else {
            panic!("{reaction:?}")
        };
        assert_eq!(actual, BlockHeight::new(expiry));
    }
}

/// A peer's lock that expires in ten thousand years held the channel, the answers to its requests and the coins for its
/// close as long after it was closed.
#[test]
fn a_lock_may_lead_the_ledgers_height_by_two_weeks() {
    let check = |raise: Option<u32>, expiry: u32, allowed: bool| {
        let mut pair = Pair::balanced();
        let height =
            raise.map(|height| Operation::RaiseHeight { height: BlockHeight::new(height) });
        let operations: Vec<_> = height.into_iter().chain([lock(5_000_000, expiry)]).collect();
        pair.pay(Party::Opener, 1_000);
        let reaction = tampered(&mut pair, Party::Acceptor, |message| {
            propose(message).operations = list(operations);
        });
        let Reaction::Close(violation) = reaction else { panic!("{reaction:?}") };
        // What the ledger allows fails at the signature, which was made for something else.
        let is_refused = matches!(violation, Violation::Ledger(LedgerError::Expiry { .. }));
        assert_eq!(is_refused, !allowed, "{raise:?} {expiry}: {violation:?}");
    };
    check(None, 2_016, true);
    check(None, 2_017, false);
    check(Some(110), 2_126, true);
    check(Some(110), 2_127, false);
    check(None, 499_999_999, false);
}

#[test]
fn a_node_raises_the_height_before_it_adds_a_lock() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Opener, 1, vec![lock(5_000_000, 2_126)]));
    pair.settle();
    pair.assert_agreed();
    assert_eq!(pair.acceptor.live().rounds.ledger.height(), pair.world.tip);
    assert_eq!(pair.acceptor.live().rounds.ledger.locks().count(), 1);
}

#[test]
fn a_proposal_without_the_turn_is_a_violation() {
    let mut pair = Pair::balanced();
    let forged = Propose {
        channel: pair.opener.channel().id(),
        number: CommitmentNumber::new(2).unwrap(),
        operations: list(vec![]),
        signature: SchnorrSignature::from_bytes([1; 64]),
    };
    pair.hand(Party::Opener, forged);
    let violation = Violation::Unexpected { message: "Propose", state: "between rounds" };
    assert_eq!(pair.opener.reactions, [Reaction::Close(violation)]);
}

#[test]
fn a_second_proposal_in_one_round_is_a_violation() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    let first = pair.opener.outbox[0].clone();
    pair.deliver(Party::Acceptor);
    pair.opener.outbox.push_back(first);
    let reaction = tampered(&mut pair, Party::Acceptor, |message| {
        propose(message).operations = list(vec![pay(2_000)]);
    });
    assert_eq!(reaction, Reaction::Close(Violation::Changed { message: "Propose" }));
}

#[test]
fn a_tampered_acceptance_is_a_violation() {
    let check = |tamper: fn(&mut strait_wire::Accept), expect: &str| {
        let mut pair = Pair::balanced();
        pair.pay(Party::Opener, 1_000);
        pair.deliver(Party::Acceptor);
        let reaction = tampered(&mut pair, Party::Opener, |message| {
            let Message::Accept(accept) = message else { panic!("an acceptance") };
            tamper(accept);
        });
        let Reaction::Close(violation) = reaction else { panic!("{reaction:?}") };
        assert!(violation.to_string().contains(expect), "{violation}");
    };
    check(|m| m.number = CommitmentNumber::FIRST, "number 0 where 2 belongs");
    check(|m| m.secret = RevocationSecret::from_bytes([0; 32]), "the secret of commitment 1");
    check(|m| m.signature = SchnorrSignature::from_bytes([0; 64]), "signature on commitment 2");
}

#[test]
fn a_tampered_end_of_a_round_is_a_violation() {
    let check = |tamper: fn(&mut strait_wire::Finalize), expect: &str| {
        let mut pair = Pair::balanced();
        pair.pay(Party::Opener, 1_000);
        pair.deliver(Party::Acceptor);
        assert!(pair.request(Party::Acceptor, 1, vec![pay(1)]));
        pair.deliver(Party::Opener);
        let reaction = tampered(&mut pair, Party::Acceptor, |message| {
            let Message::Finalize(finalize) = message else { panic!("an end") };
            tamper(finalize);
        });
        let Reaction::Close(violation) = reaction else { panic!("{reaction:?}") };
        assert!(violation.to_string().contains(expect), "{violation}");
    };
    check(|m| m.number = CommitmentNumber::FIRST, "number 0 where 2 belongs");
    check(|m| m.secret = RevocationSecret::from_bytes([0; 32]), "the secret of commitment 1");
}

/// The receiver said in its acceptance that it wants the turn; a proposer that keeps it could propose for ever.
#[test]
fn a_turn_that_was_asked_for_must_be_yielded() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Acceptor, 1, vec![pay(1)]));
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let reaction = tampered(&mut pair, Party::Acceptor, |message| {
        let Message::Finalize(finalize) = message else { panic!("an end") };
        assert_eq!(finalize.turn, TurnMove::Yield);
        finalize.turn = TurnMove::Keep;
    });
    assert_eq!(reaction, Reaction::Close(Violation::TurnKept));
}

/// The commitment that is broadcast after a violation is the last one that both had.
#[test]
fn a_violation_closes_on_the_last_state() {
    let mut pair = Pair::balanced();
    let live = pair.acceptor.live().clone();
    pair.pay(Party::Opener, 1_000);
    tampered(&mut pair, Party::Acceptor, |message| {
        propose(message).signature = SchnorrSignature::from_bytes([0; 64]);
    });
    let commitments = pair.acceptor.channel().commitments().unwrap();
    let side = strait_primitives::Side::Holder;
    let hash = pair.acceptor.channel().signer().revocation_hash(live.rounds.number);
    let ledger = &live.rounds.ledger;
    let last = commitments.build(side, &live.setup, live.rounds.number, hash, ledger);
    let [broadcast] = pair.acceptor.broadcasts.as_slice() else { panic!("one commitment") };
    assert_eq!(broadcast.compute_txid(), commitments.of(side).txid(&last));
}

/// Messages of an older connection, or of a hostile peer before it has said where it stands, were taken for violations
/// and cost the channel. They move nothing.
#[test]
fn a_message_outside_its_place_in_a_connection_is_refused() {
    let mut pair = Pair::balanced();
    pair.pay(Party::Opener, 1_000);
    let propose = pair.opener.outbox[0].clone();
    pair.connect();
    let reestablish = pair.opener.outbox[0].clone();
    pair.hand(Party::Acceptor, propose);
    pair.settle();
    pair.assert_agreed();
    pair.hand(Party::Acceptor, reestablish);
    pair.settle();
    assert_eq!(pair.acceptor.reactions.len(), 2);
    assert!(pair.acceptor.reactions.iter().all(|r| matches!(r, Reaction::Refuse { .. })));
    pair.assert_agreed();
}

fn lock_under(hash: RevocationHash) -> Operation {
    Operation::AddLock {
        lock: LockId(0),
        amount: MilliSats::from_const(5_000_000),
        payment_hash: PaymentHash::from_bytes(hash.to_bytes()),
        expiry: BlockHeight::new(300),
        route: strait_wire::Route::default(),
    }
}

/// Whoever is paid by a lock chooses its hash, and could choose one of its own revocation hashes: then the secret that ends
/// a round would open the lock as well.
#[test]
fn no_lock_is_offered_under_a_revocation_hash_that_this_channel_shows() {
    let at = |number| CommitmentNumber::new(number).unwrap();
    let pair = Pair::balanced();
    let own = [0, 1, 2, 3].map(|number| pair.opener.channel().signer().revocation_hash(at(number)));
    let theirs = pair.opener.live().rounds.counterparty_hashes;
    for hash in own.into_iter().chain(theirs) {
        let mut pair = Pair::balanced();
        let number = pair.opener.live().rounds.number;
        assert!(pair.request(Party::Opener, 1, vec![pay(1_000), lock_under(hash)]));
        pair.settle();
        let payment_hash = PaymentHash::from_bytes(hash.to_bytes());
        let refused = pair.opener.notices.last();
        let Some(Notice::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(*reason, RequestError::RevocationHash { payment_hash });
        assert_eq!(pair.opener.live().rounds.number, number, "nothing was proposed");
    }
}

/// A proposer with a lock's hash of its choice: the hash of one of this side's own secrets, before it was shown. The
/// receiver never shows a preimage that it was not asked for, so the lock is nothing to it but a lock with an unknown hash.
#[test]
fn a_lock_on_the_hash_of_a_revocation_secret_can_be_given_back() {
    let mut pair = Pair::balanced();
    let later = CommitmentNumber::new(3).unwrap();
    let offer = lock_under(pair.acceptor.channel().signer().revocation_hash(later));
    assert!(pair.request(Party::Opener, 1, vec![offer]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.request(Party::Acceptor, 2, vec![cancel()]));
    pair.settle();
    pair.assert_agreed();
    assert!(pair.opener.live().rounds.ledger.is_plain());
    assert_eq!(pair.acceptor.balance(), MilliSats::from_const(400_000_000));

    // A penalty on any commitment that held the lock finds it, and on no other.
    for party in crate::pair::BOTH {
        let history = &pair.node(party).live().history;
        let spans = |number| history.at(CommitmentNumber::new(number).unwrap()).count();
        assert_eq!([1, 2, 3, 4].map(spans), [0, 1, 1, 0]);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let mut pair = Pair::balanced();
    let preimage = Preimage::from_bytes([0xab; 32]);
    assert!(pair.request(
        Party::Opener,
        1,
        vec![Operation::ClaimLock { lock: LockId(0), preimage }]
    ));
    pair.pay(Party::Opener, 1_000);
    pair.deliver(Party::Acceptor);
    pair.opener.channel_mut().close().unwrap();
    let Message::Accept(accept) = pair.acceptor.outbox[0].clone() else { panic!("an acceptance") };
    pair.settle();
    let secret: String = accept.secret.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    for text in [
        format!("{:?}", pair.opener.channel()),
        format!("{:?}", pair.opener.disk),
        format!("{accept:?}"),
        format!("{:?}", crate::pair::request(1, vec![claim()])),
    ] {
        assert!(!text.contains(&secret) && !text.contains("abababab"), "{text}");
    }
}
