//! Opening: both sides, repeated messages, and everything that is refused.

use strait_channel::{Decision, Funded, Notice, Phase, Reaction, Violation};
use strait_primitives::{BlockDelta, Digest, MilliSats, Party, PublicKeyBytes, Sats};
use strait_wire::{AcceptChannel, Message, OpenChannel, SignOpening};

use crate::node::Crash;
use crate::pair::{BOTH, CAPACITY, Pair, contribution};

#[test]
fn two_nodes_open_a_channel_and_the_opener_broadcasts_its_funding() {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.settle();
    pair.assert_agreed();
    pair.assert_up();
    assert_eq!(pair.opener.live().setup.funding, pair.acceptor.live().setup.funding);
    let [funding] = pair.opener.broadcasts.as_slice() else { panic!("one funding transaction") };
    assert_eq!(
        funding.output[usize::try_from(pair.opener.live().setup.funding.index).unwrap()]
            .value
            .to_sat(),
        CAPACITY.to_sat()
    );
    assert!(pair.acceptor.broadcasts.is_empty());
    for party in BOTH {
        assert_eq!(pair.node(party).notices, [Notice::Opened]);
    }
}

/// Breaks the link after every message, and each disk at every write: both open in the end, or neither holds anything.
#[test]
fn an_opening_survives_a_break_at_every_point() {
    let check = |break_at: &dyn Fn(&mut Pair)| {
        let mut pair = Pair::new();
        pair.connect();
        break_at(&mut pair);
        pair.offer(contribution(CAPACITY));
        pair.settle();
        pair.recover();
        if pair.opener.channel.is_none() {
            // Its very first event was lost: it never asked.
            assert!(pair.acceptor.channel.is_none());
            return;
        }
        pair.assert_agreed();
        pair.assert_up();
        pair.recover();
        pair.assert_agreed();
    };
    for count in 0..6 {
        check(&|pair| pair.deliveries_left = Some(count));
        for crash in [Crash::BeforeWrite(count), Crash::AfterWrite(count)] {
            check(&|pair| pair.opener.crash_at = Some(crash));
            check(&|pair| pair.acceptor.crash_at = Some(crash));
        }
    }
}

/// Changes the request before the acceptor sees it.
fn refused(change: impl FnOnce(&mut OpenChannel)) -> Reaction {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    let Some(Message::OpenChannel(mut open)) = pair.opener.outbox.pop_front() else {
        panic!("the opener asks first")
    };
    change(&mut open);
    pair.hand(Party::Acceptor, open);
    assert!(pair.acceptor.channel.is_none(), "nothing remains of a refused request");
    assert!(pair.acceptor.disk.is_empty());
    pair.acceptor.reactions.pop().expect("the request was refused")
}

#[test]
fn an_acceptor_refuses_what_its_operator_or_the_protocol_does_not_allow() {
    let check = |change: fn(&mut OpenChannel), expect: &str| {
        let Reaction::Refuse { note, .. } = refused(change) else { panic!("{expect}") };
        assert!(note.as_str().contains(expect), "{note:?} where {expect} was expected");
    };
    check(|open| open.chain = Digest::from_bytes([0; 32]), "another chain");
    check(|open| open.nonce = Digest::from_bytes([0; 32]), "does not follow from its nonce");
    check(|open| open.parameters.delay = BlockDelta::new(5), "a delay of 5 blocks");
    check(|open| open.parameters.delay = BlockDelta::new(1_001), "a delay of 1001 blocks");
    check(|open| open.parameters.depth = BlockDelta::new(11), "a funding depth of 11 blocks");
    check(|open| open.parameters.locks_max = 91, "91 locks");
    check(
        |open| open.parameters.dust_exposure_max = MilliSats::from_const(5_000_001),
        "a dust exposure",
    );
    check(|open| open.contribution.amount = Sats::from_const(49_999), "a capacity of 49999 sat");
    check(|open| open.contribution.amount = Sats::MAX, "a capacity of");
    check(|open| open.contribution.inputs.clear(), "where");
    check(|open| open.contribution.inputs.push(open.contribution.inputs[0].clone()), "twice");
    check(|open| open.contribution.inputs[0].script = open.wallet_script.clone(), "taproot");
    check(|open| open.contribution.change = Default::default(), "wallet script");
    check(|open| open.wallet_script = Default::default(), "wallet script");
    check(|open| open.keys.penalty = PublicKeyBytes::from_bytes([0; 33]), "public key");
}

/// Changes the answer before the opener sees it.
fn answered(change: impl FnOnce(&mut AcceptChannel)) -> (Pair, Reaction) {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.deliver(Party::Acceptor);
    let Some(Message::AcceptChannel(mut accept)) = pair.acceptor.outbox.pop_front() else {
        panic!("the acceptor answers")
    };
    change(&mut accept);
    pair.hand(Party::Opener, accept);
    let reaction = pair.opener.reactions.pop().expect("the answer was refused");
    (pair, reaction)
}

#[test]
fn an_opener_gives_up_when_the_answer_is_not_acceptable() {
    let check = |change: fn(&mut AcceptChannel)| {
        let (pair, _) = answered(change);
        assert_eq!(pair.opener.state().phase, Phase::Abandoned);
        assert_eq!(pair.opener.notices, [Notice::Abandoned]);
        assert!(pair.opener.broadcasts.is_empty(), "no witness has left");
    };
    check(|accept| accept.parameters.delay = BlockDelta::new(2_017));
    check(|accept| accept.parameters.depth = BlockDelta::new(145));
    check(|accept| accept.wallet_script = Default::default());
    check(|accept| accept.keys.funding = PublicKeyBytes::from_bytes([3; 33]));
    check(|accept| accept.keys.lock = PublicKeyBytes::from_bytes([0; 33]));
}

#[test]
fn equal_funding_keys_are_refused() {
    let (pair, reaction) = {
        let mut pair = Pair::new();
        pair.connect();
        pair.offer(contribution(CAPACITY));
        let Some(Message::OpenChannel(open)) = pair.opener.outbox.front().cloned() else {
            panic!("the opener asks first")
        };
        pair.deliver(Party::Acceptor);
        let Some(Message::AcceptChannel(mut accept)) = pair.acceptor.outbox.pop_front() else {
            panic!("the acceptor answers")
        };
        accept.keys.funding = open.keys.funding;
        pair.hand(Party::Opener, accept);
        let reaction = pair.opener.reactions.pop().unwrap();
        (pair, reaction)
    };
    assert_eq!(reaction, Reaction::Close(Violation::Material { what: "funding keys" }));
    assert_eq!(pair.opener.state().phase, Phase::Abandoned);
}

/// Changes the opener's signature message before the acceptor sees it.
fn signed(change: impl FnOnce(&mut SignOpening)) -> Reaction {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let Some(Message::SignOpening(mut sign)) = pair.opener.outbox.pop_front() else {
        panic!("the opener signs")
    };
    change(&mut sign);
    pair.hand(Party::Acceptor, sign);
    assert_eq!(pair.acceptor.state().phase, Phase::Abandoned);
    assert!(pair.acceptor.outbox.is_empty(), "no signature leaves");
    pair.acceptor.reactions.pop().unwrap()
}

#[test]
fn a_wrong_signature_or_funding_transaction_ends_the_opening() {
    let txid = Digest::from_bytes([1; 32]);
    let Reaction::Close(Violation::Funding { actual, .. }) =
        signed(|sign| sign.funding_txid = txid)
    else {
        panic!("another funding transaction")
    };
    assert_eq!(actual, txid);
    let mirrored = signed(|sign| {
        let mut bytes = sign.signature.to_bytes();
        bytes[40] ^= 1;
        sign.signature = strait_primitives::SchnorrSignature::from_bytes(bytes);
    });
    assert!(matches!(mirrored, Reaction::Close(Violation::Signature { .. })));
}

#[test]
fn repeated_messages_of_an_opening_change_nothing() {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    let open = pair.opener.outbox[0].clone();
    pair.deliver(Party::Acceptor);
    let accept = pair.acceptor.outbox[0].clone();
    pair.hand(Party::Acceptor, open.clone());
    assert_eq!(pair.acceptor.outbox, [accept.clone(), accept.clone()], "the same answer again");
    pair.deliver(Party::Opener);
    let sign = pair.opener.outbox[0].clone();
    pair.deliver(Party::Opener);
    assert_eq!(pair.opener.outbox, [sign.clone(), sign.clone()]);
    pair.settle();
    pair.assert_agreed();

    let events = (pair.opener.disk.len(), pair.acceptor.disk.len());
    pair.hand(Party::Acceptor, open);
    pair.hand(Party::Opener, accept);
    pair.hand(Party::Acceptor, sign);
    pair.settle();
    assert_eq!((pair.opener.disk.len(), pair.acceptor.disk.len()), events);
    pair.assert_agreed();
}

/// Each repetition cost the acceptor a signature, a hundred thousand times a second, in a channel that costs nothing.
#[test]
fn a_signature_that_was_given_is_given_again_once_on_each_connection() {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let sign = pair.opener.outbox[0].clone();
    pair.deliver(Party::Acceptor);
    let answer = pair.acceptor.outbox.pop_front().unwrap();
    pair.hand(Party::Acceptor, sign.clone());
    assert_eq!(pair.acceptor.outbox, [], "the opener has it");
    pair.connect();
    pair.acceptor.outbox.clear();
    for _ in 0..3 {
        pair.hand(Party::Acceptor, sign.clone());
    }
    assert!(pair.acceptor.outbox.iter().eq([&answer]), "once");
    assert_eq!(pair.acceptor.reactions, []);
    pair.hand(Party::Opener, answer);
    pair.settle();
    pair.assert_agreed();
}

#[test]
fn a_request_with_other_content_under_the_same_name_is_a_violation() {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    let Message::OpenChannel(mut open) = pair.opener.outbox[0].clone() else {
        panic!("the opener asks first")
    };
    pair.deliver(Party::Acceptor);
    open.parameters.delay = BlockDelta::new(200);
    pair.hand(Party::Acceptor, open);
    assert_eq!(
        pair.acceptor.reactions,
        [Reaction::Close(Violation::Changed { message: "OpenChannel" })]
    );
}

#[test]
fn an_opening_that_nobody_goes_on_with_expires() {
    let mut pair = Pair::new();
    pair.connect();
    pair.offer(contribution(CAPACITY));
    pair.deliver(Party::Acceptor);
    pair.disconnect();
    pair.wait(strait_primitives::Millis(599_999));
    assert!(matches!(pair.opener.state().phase, Phase::Offered(_)));
    pair.wait(strait_primitives::Millis(1));
    for party in BOTH {
        assert_eq!(pair.node(party).state().phase, Phase::Abandoned);
    }
}

#[test]
fn an_opener_whose_coins_went_elsewhere_forgets_the_channel() {
    let mut pair = Pair::open();
    let channel = pair.opener.channel_mut();
    let Funded::Mined(height) = channel.state().live().unwrap().funded else {
        panic!("an open channel is funded")
    };
    let mut decision = Decision::default();
    channel.give_up_funding(&mut decision);
    assert_eq!(decision.events, [], "what stands on chain is not given up");
    channel.handle_block_disconnected(height, &mut decision);
    channel.give_up_funding(&mut decision);
    assert!(channel.state().is_over());
}
