//! The cooperative close: both payers, reconnections in the middle, races and misuse.

use strait_channel::{
    ChannelEvent, Closing, ForceReason, Notice, Reaction, RequestError, Violation,
};
use strait_primitives::{FeeRate, Millis, Party, Sats};
use strait_wire::{Message, ScriptBytes};

use crate::contracts::{PURSE_ID, act, offer, open, settle, terms};
use crate::node::Crash;
use crate::pair::{BOTH, CAPACITY, Pair, pay};

fn close(pair: &mut Pair, party: Party) {
    pair.node_mut(party).channel_mut().close().unwrap();
    pair.settle();
}

/// Both hold the same complete close.
pub fn assert_closed(pair: &Pair) -> bitcoin::Transaction {
    let closes = BOTH.map(|party| {
        let Closing::Agreed { transaction, .. } = &pair.node(party).live().closing else {
            panic!("{party:?} has not closed: {:?}", pair.node(party).live().closing)
        };
        bitcoin::consensus::deserialize::<bitcoin::Transaction>(transaction).unwrap()
    });
    assert_eq!(closes[0].compute_txid(), closes[1].compute_txid());
    let [one, _] = closes;
    assert_eq!(one.input[0].witness.len(), 1, "one signature on the key path");
    one
}

pub fn paid_to(close: &bitcoin::Transaction, byte: u8) -> Option<u64> {
    let script = crate::node::script(byte);
    let output = close.output.iter().find(|o| o.script_pubkey.as_bytes() == script.as_bytes());
    output.map(|output| output.value.to_sat())
}

#[test]
fn whoever_holds_more_pays_for_the_close() {
    let check = |msat, by, opener: Option<u64>, acceptor: Option<u64>| {
        let mut pair = Pair::open();
        pair.pay(Party::Opener, msat);
        pair.settle();
        close(&mut pair, by);
        let close = assert_closed(&pair);
        // 154 virtual bytes at 2 sat each.
        assert_eq!((paid_to(&close, 0x11), paid_to(&close, 0x22)), (opener, acceptor));
        for party in BOTH {
            assert!(pair.node(party).notices.contains(&Notice::CloseAgreed));
            assert_eq!(pair.node(party).broadcasts.len(), 1);
        }
    };
    for by in BOTH {
        check(400_000_000, by, Some(599_692), Some(400_000));
        check(700_000_000, by, Some(300_000), Some(699_692));
        check(500_000_000, by, Some(499_692), Some(500_000));
        check(1_000, by, Some(999_691), None);
    }
}

/// Whoever pays for an agreed close made it cheaper and cheaper, so that it was never mined.
#[test]
fn an_agreed_close_is_replaced_by_a_dearer_one_only() {
    let mut pair = Pair::balanced();
    close(&mut pair, Party::Opener);
    let mut last = assert_closed(&pair);
    for (rate, is_replaced) in [(1_000, false), (2_000, false), (5_000, true), (4_000, false)] {
        pair.world.fee_rate = FeeRate::from_sat_per_kvb(rate);
        let events = pair.acceptor.disk.len();
        pair.connect();
        pair.settle();
        let now = assert_closed(&pair);
        assert_eq!(now != last, is_replaced, "{rate}");
        assert_eq!(pair.acceptor.disk.len() > events, is_replaced, "{rate}: nothing is written");
        last = now;
    }
}

#[test]
fn a_close_that_both_want_at_once_is_one_close() {
    let mut pair = Pair::balanced();
    for party in BOTH {
        pair.node_mut(party).channel_mut().close().unwrap();
    }
    pair.settle();
    assert_closed(&pair);
}

#[test]
fn a_close_waits_for_requests_and_takes_no_new_ones() {
    let mut pair = Pair::balanced();
    assert!(pair.request(Party::Opener, 1, vec![pay(1_000)]));
    pair.opener.channel_mut().close().unwrap();
    assert!(!pair.request(Party::Opener, 2, vec![pay(1_000)]));
    pair.settle();
    let close = assert_closed(&pair);
    assert_eq!(paid_to(&close, 0x22), Some(400_001));
}

#[test]
fn requests_of_the_other_side_are_refused_when_the_close_begins() {
    let mut pair = Pair::balanced();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    assert!(pair.request(Party::Acceptor, 1, vec![pay(1_000)]));
    pair.settle();
    assert_closed(&pair);
    let refused = Notice::Refused {
        request: crate::pair::request(1, vec![pay(1_000)]).carried(),
        reason: RequestError::NotOpen { state: "closing" },
    };
    assert!(pair.acceptor.notices.contains(&refused));
}

/// Goal: a close goes on from wherever it was, with new nonces. Method: each message and each write lost, for both payers.
#[test]
fn a_close_survives_a_break_at_every_point() {
    let check = |strike: &dyn Fn(&mut Pair)| {
        for (msat, by) in [
            (400_000_000, Party::Opener),
            (700_000_000, Party::Opener),
            (400_000_000, Party::Acceptor),
        ] {
            let mut pair = Pair::open();
            pair.pay(Party::Opener, msat);
            pair.settle();
            strike(&mut pair);
            pair.node_mut(by).channel_mut().close().unwrap();
            pair.settle();
            pair.recover();
            // A crash forgets the wish of an operator whose node had not said so yet.
            if pair.node(by).live().closing == Closing::Running {
                pair.node_mut(by).channel_mut().close().unwrap();
                pair.settle();
            }
            assert_closed(&pair);
            for party in BOTH {
                assert_eq!(pair.node(party).reactions, []);
                assert!(!pair.request(party, 1, vec![pay(1)]), "no round follows");
            }
        }
    };
    for count in 0..8 {
        check(&|pair| pair.deliveries_left = Some(count));
        for crash in [Crash::BeforeWrite(count), Crash::AfterWrite(count)] {
            check(&|pair| pair.opener.crash_at = Some(crash));
            check(&|pair| pair.acceptor.crash_at = Some(crash));
        }
    }
}

/// Two half signatures with one nonce give the key away: whatever is signed again is signed with another.
#[test]
fn no_nonce_is_shown_twice_even_if_entropy_repeats() {
    let mut pair = Pair::balanced();
    close(&mut pair, Party::Opener);
    let mut nonces = Vec::new();
    for _ in 0..5 {
        pair.world.entropy = 7;
        pair.connect();
        for party in BOTH {
            pair.deliver(party);
        }
        for message in pair.opener.outbox.iter().chain(&pair.acceptor.outbox) {
            match message {
                Message::Shutdown(m) => nonces.push(m.nonce),
                Message::CloseOffer(m) => nonces.push(m.nonce),
                Message::CloseSign(m) => nonces.push(m.nonce),
                other => panic!("{other:?}"),
            }
        }
        pair.settle();
    }
    let count = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), count);
    assert!(count >= 10);
}

#[test]
fn a_close_needs_a_plain_ledger() {
    let mut pair = crate::contracts::with_purse(10_000, 10_000);
    let refused = pair.opener.channel_mut().close();
    assert_eq!(refused, Err(RequestError::StillLive { locks: 0, contracts: 1 }));
}

/// An operator asks for a close, and before the turn comes round the peer opens a contract that both had agreed to. The
/// close then waited for a contract that nobody had to end, and who had asked for it was told nothing.
#[test]
fn a_contract_opened_meanwhile_ends_the_wish_to_close() {
    let mut pair = Pair::balanced();
    offer(&mut pair, Party::Opener, terms(10_000, 10_000));
    pair.settle();
    assert!(pair.request(Party::Opener, 1, vec![open()]));
    pair.poll(Party::Opener);
    for party in BOTH {
        pair.node_mut(party).channel_mut().close().unwrap();
    }
    pair.settle();
    pair.assert_agreed();
    let reason = RequestError::StillLive { locks: 0, contracts: 1 };
    for party in BOTH {
        assert!(pair.node(party).live().rounds.ledger.contract(&PURSE_ID).is_some());
        let told = Notice::CloseRefused { reason: reason.clone() };
        let times = pair.node(party).notices.iter().filter(|notice| **notice == told).count();
        assert_eq!(times, 1, "{party:?}");
    }
    let finish = act(strait_contract::scripted::PurseAction::Finish);
    assert!(pair.request(Party::Acceptor, 2, vec![finish, settle()]));
    pair.settle();
    assert_eq!(pair.opener.live().closing, Closing::Running, "nobody wants a close any more");
    close(&mut pair, Party::Acceptor);
    assert_closed(&pair);
}

#[test]
fn the_fee_is_what_nodes_relay_and_leaves_the_payer_an_output() {
    let check = |rate, opener| {
        let mut pair = Pair::open();
        pair.world.fee_rate = FeeRate::from_sat_per_kvb(rate);
        close(&mut pair, Party::Opener);
        assert_eq!(paid_to(&assert_closed(&pair), 0x11), Some(opener), "{rate}");
    };
    check(0, CAPACITY.to_sat() - 154);
    check(u64::MAX, 354);
}

/// A peer that pays nothing for the close leaves both with a transaction that no node relays.
#[test]
fn an_offer_without_a_fee_is_a_violation() {
    let mut pair = Pair::balanced();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    let Some(Message::CloseOffer(mut offer)) = pair.opener.outbox.pop_front() else {
        panic!("the payer offers")
    };
    offer.fee = Sats::from_const(153);
    pair.hand(Party::Acceptor, offer);
    let violation = Violation::Close { what: "a fee that no node relays at" };
    assert_eq!(pair.acceptor.reactions, [Reaction::Close(violation)]);
    assert_eq!(pair.acceptor.live().closing, Closing::Forced(ForceReason::Violation));
}

/// A pair of which both have said `Shutdown` and the opener has offered.
fn offered() -> Pair {
    let mut pair = Pair::balanced();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    pair.deliver(Party::Acceptor);
    pair.deliver(Party::Opener);
    assert!(matches!(pair.opener.outbox[0], Message::CloseOffer(_)));
    pair
}

#[test]
fn misuse_of_a_close_is_a_violation() {
    let check = |to: Party, tamper: fn(&mut Message), expect: &str| {
        let mut pair = offered();
        if to == Party::Opener {
            pair.deliver(Party::Acceptor);
        }
        let mut message = pair.node_mut(!to).outbox.pop_front().unwrap();
        tamper(&mut message);
        pair.hand(to, message);
        let [Reaction::Close(violation)] = pair.node(to).reactions.as_slice() else {
            panic!("{expect}")
        };
        assert!(violation.to_string().contains(expect), "{violation}");
        assert_eq!(pair.node(to).live().closing, Closing::Forced(ForceReason::Violation));
    };
    check(
        Party::Acceptor,
        |message| {
            let Message::CloseOffer(offer) = message else { panic!("an offer") };
            offer.partial[3] ^= 1;
        },
        "a wrong half signature",
    );
    check(
        Party::Acceptor,
        |message| {
            let Message::CloseOffer(offer) = message else { panic!("an offer") };
            offer.nonce = [0; 66];
        },
        "a wrong half signature",
    );
    check(
        Party::Acceptor,
        |message| {
            let Message::CloseOffer(offer) = message else { panic!("an offer") };
            offer.fee = Sats::from_const(600_001);
        },
        "a fee that cannot be paid",
    );
    check(
        Party::Opener,
        |message| {
            let Message::CloseSign(sign) = message else { panic!("a signature") };
            sign.partial[3] ^= 1;
        },
        "a wrong half signature",
    );
    check(
        Party::Opener,
        |message| {
            let Message::CloseSign(sign) = message else { panic!("a signature") };
            sign.fee = Sats::from_const(1);
        },
        "the fee of another offer",
    );
}

#[test]
fn a_shutdown_in_the_middle_of_a_round_or_with_a_changed_script_is_a_violation() {
    let check = |prepare: fn(&mut Pair), script: fn(&ScriptBytes) -> ScriptBytes, expect: &str| {
        let mut pair = Pair::balanced();
        pair.opener.channel_mut().close().unwrap();
        pair.poll(Party::Opener);
        let Some(Message::Shutdown(mut shutdown)) = pair.opener.outbox.pop_front() else {
            panic!("the close begins")
        };
        prepare(&mut pair);
        shutdown.script = script(&shutdown.script);
        pair.hand(Party::Acceptor, shutdown);
        let [Reaction::Close(violation)] = pair.acceptor.reactions.as_slice() else {
            panic!("{expect}")
        };
        assert!(violation.to_string().contains(expect), "{violation}");
    };
    check(|_| (), |_| ScriptBytes::default(), "unusable wallet script");
    check(
        |pair| {
            let [disk, _] = [&pair.acceptor.disk, &pair.opener.disk];
            let mut other =
                Pair::from_disks([&pair.opener.disk[..pair.opener.disk.len() - 1], disk]);
            other.connect();
            other.settle();
            other.pay(Party::Opener, 1);
            let propose = other.opener.outbox.pop_front().unwrap();
            pair.hand(Party::Acceptor, propose);
        },
        Clone::clone,
        "awaiting the end of a round",
    );
    check(
        |pair| {
            let shutdown = strait_wire::Shutdown {
                channel: pair.opener.channel().id(),
                script: crate::node::script(0x77),
                nonce: [2; 66],
            };
            pair.hand(Party::Acceptor, shutdown);
        },
        Clone::clone,
        "Shutdown was repeated with other content",
    );
}

#[test]
fn no_proposal_passes_once_a_shutdown_was_said() {
    let mut pair = Pair::balanced();
    let disk = pair.opener.disk.clone();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    pair.deliver(Party::Acceptor);
    let mut other = Pair::from_disks([&disk, &pair.acceptor.disk[..pair.acceptor.disk.len() - 2]]);
    other.connect();
    other.settle();
    other.pay(Party::Opener, 1);
    let propose = other.opener.outbox.pop_front().unwrap();
    pair.hand(Party::Acceptor, propose);
    let violation = Violation::Unexpected { message: "Propose", state: "closing" };
    assert_eq!(pair.acceptor.reactions, [Reaction::Close(violation)]);
}

/// A peer asks for one offer after the other; each would cost this node two signatures and an event.
#[test]
fn a_peer_gets_so_many_offers_on_one_connection() {
    let mut pair = Pair::balanced();
    close(&mut pair, Party::Opener);
    let events = pair.opener.disk.len();
    for _ in 0..40 {
        let Closing::Agreed { counterparty, .. } = &pair.opener.live().closing else {
            panic!("agreed")
        };
        let shutdown = strait_wire::Shutdown {
            channel: pair.opener.channel().id(),
            script: counterparty.clone(),
            // The generator of the curve, twice.
            nonce: {
                let mut nonce = [0; 66];
                let point = pair.acceptor.live().setup.keys.acceptor.funding.to_bytes();
                nonce[..33].copy_from_slice(&point);
                nonce[33..].copy_from_slice(&point);
                nonce
            },
        };
        pair.hand(Party::Opener, shutdown);
        pair.settle();
    }
    assert!(pair.opener.disk.len() <= events + 21, "{}", pair.opener.disk.len() - events);
    assert!(matches!(pair.opener.live().closing, Closing::Agreed { .. }), "the close stands");
}

#[test]
fn an_agreed_close_is_not_given_up_for_a_violation_but_for_the_operator() {
    let mut pair = Pair::balanced();
    close(&mut pair, Party::Opener);
    let events = pair.opener.disk.len();
    let offer = strait_wire::CloseSign {
        channel: pair.opener.channel().id(),
        fee: Sats::ZERO,
        partial: [0; 32],
        nonce: [0; 66],
    };
    pair.hand(Party::Opener, offer);
    assert!(matches!(pair.opener.reactions.as_slice(), [Reaction::Close(_)]));
    assert_eq!(pair.opener.disk.len(), events);
    pair.opener.act(|channel, out| channel.force_close(ForceReason::Operator, out));
    assert!(matches!(pair.opener.disk.as_slice(), [.., ChannelEvent::ForceClosed { .. }]));
}

/// Both had said `Shutdown` and this node had offered when its peer complained that it had lost its data. The offer was
/// forgotten, the link stayed up, and the peer's half signature then stopped the node at an assertion, after each
/// restart again.
#[test]
fn a_half_signature_that_comes_after_a_forced_close_completes_nothing() {
    for reason in [ForceReason::Operator, ForceReason::PeerLost] {
        let mut pair = offered();
        pair.deliver(Party::Acceptor);
        assert!(matches!(pair.acceptor.outbox[0], Message::CloseSign(_)));
        pair.opener.act(|channel, out| channel.force_close(reason, out));
        let events = pair.opener.disk.len();
        pair.settle();
        assert_eq!(pair.opener.reactions, []);
        assert_eq!(pair.opener.disk.len(), events);
        assert_eq!(pair.opener.live().closing, Closing::Forced(reason));
    }
}

/// Goal: nothing that was under way moves a channel that closes by force, and nothing stops the node. Method: payments
/// both ways and a close, forced by either side after each message, then a reconnection.
#[test]
fn a_forced_close_stands_whatever_was_under_way() {
    for party in BOTH {
        for count in 0..24 {
            let mut pair = Pair::balanced();
            assert!(pair.request(Party::Opener, 1, vec![pay(1_000)]));
            assert!(pair.request(Party::Acceptor, 2, vec![pay(2_000)]));
            pair.node_mut(!party).channel_mut().close().unwrap();
            BOTH.into_iter().for_each(|party| pair.poll(party));
            for _ in 0..count {
                pair.deliver(if pair.opener.outbox.is_empty() {
                    Party::Opener
                } else {
                    Party::Acceptor
                });
            }
            pair.node_mut(party).act(|channel, out| {
                channel.force_close(ForceReason::Operator, out);
            });
            pair.settle();
            pair.recover();
            let closing = &pair.node(party).live().closing;
            assert_eq!(*closing, Closing::Forced(ForceReason::Operator), "{party:?} {count}");
        }
    }
}

/// A peer that shows an old account cannot make this node pay for a commitment when a complete close is there.
#[test]
fn an_agreed_close_is_not_given_up_on_the_word_of_a_peer() {
    for reason in [ForceReason::Violation, ForceReason::Deadline, ForceReason::PeerLost] {
        let mut pair = Pair::balanced();
        close(&mut pair, Party::Opener);
        pair.opener.act(|channel, out| channel.force_close(reason, out));
        assert_closed(&pair);
    }
}

#[test]
fn a_peer_that_does_not_go_on_with_a_close_is_closed_on() {
    let mut pair = Pair::balanced();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    for _ in 0..9 {
        pair.wait(Millis(400_000));
        assert!(pair.opener.wants_disconnect);
        pair.connect();
        pair.deliver(Party::Opener);
        pair.acceptor.outbox.clear();
    }
    assert!(matches!(pair.opener.live().closing, Closing::ShuttingDown { .. }));
    pair.wait(Millis(400_000));
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Deadline));
}
