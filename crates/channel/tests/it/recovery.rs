//! Backups: what a node that wakes up in the past does, what its peer does, and how each choice of the operator ends.
//!
//! Goal: nothing that the old state could sign leaves, whoever asks for it, until the operator has said so. Method: a
//! history of payments; one node goes on from its log up to some event, and the other from where it was.

use strait_channel::{
    ChannelEvent, Closing, Decision, ForceReason, Link, Reaction, Recovery, RecoveryError,
    RequestError,
};
use strait_primitives::{Millis, Party, Sats, Timestamp};
use strait_signer::Standing;
use strait_wire::{FaultCode, Message, StoreState};

use crate::closing::{assert_closed, paid_to};
use crate::node::{BACKUP_TAKEN, Node};
use crate::pair::{BOTH, CAPACITY, Pair, pay, request};

/// What a close pays in virtual bytes at the pair's rate.
const FEE_SAT: u64 = 308;

/// The opener has paid 400,000 sat and makes a backup; then it pays 100,000 sat more, and restores.
fn restored(party: Party) -> Pair {
    let mut pair = Pair::balanced();
    let backup = pair.node(party).disk.clone();
    pair.pay(Party::Opener, 100_000_000);
    pair.settle();
    *pair.node_mut(party) = Node::from_backup(party, &backup);
    pair
}

/// The same without a payment after the backup.
fn restored_in_time(party: Party) -> Pair {
    let mut pair = Pair::balanced();
    let backup = pair.node(party).disk.clone();
    *pair.node_mut(party) = Node::from_backup(party, &backup);
    pair
}

fn choose(pair: &mut Pair, party: Party, choice: Recovery) -> Result<(), RecoveryError> {
    let mut outcome = Ok(());
    let (node, world) = pair.parts(party);
    let moment = world.moment(party);
    node.act(|channel, out| outcome = channel.recover(choice, &moment, out));
    pair.settle();
    outcome
}

fn approve(sat: u64) -> Recovery {
    Recovery::ApproveClose { at_least: Sats::new(sat).unwrap() }
}

/// Everything that might make a node publish or sign is tried on this one.
fn provoke(pair: &mut Pair, party: Party) {
    let fault = |code| strait_wire::Fault {
        channel: Some(pair.opener.channel().id()),
        code,
        note: strait_wire::Note::cut("please"),
    };
    let lost = fault(FaultCode::DataLost);
    pair.hand(party, lost);
    for reason in [
        ForceReason::Operator,
        ForceReason::Violation,
        ForceReason::Deadline,
        ForceReason::PeerLost,
        ForceReason::Asked,
    ] {
        pair.node_mut(party).act(|channel, out| channel.force_close(reason, out));
    }
    let machine = pair.node_mut(party).channel_mut();
    assert_eq!(machine.request(request(9, vec![pay(1_000)])), Err(RequestError::Quarantined));
    assert_eq!(machine.close(), Err(RequestError::Quarantined));
    for _ in 0..12 {
        pair.wait(Millis(3_600_000));
        pair.poll(party);
    }
    pair.settle();
    pair.connect();
    pair.settle();
}

#[test]
fn a_restored_node_signs_and_publishes_nothing_whatever_happens() {
    for party in BOTH {
        for mut pair in [restored(party), restored_in_time(party)] {
            let before = pair.node(!party).broadcasts.len();
            pair.connect();
            pair.settle();
            provoke(&mut pair, party);
            let node = pair.node(party);
            assert!(node.broadcasts.is_empty(), "{party:?}");
            assert!(node.live().is_quarantined());
            assert_eq!(node.live().closing, Closing::Running);
            assert_eq!(node.channel().link(), Link::Restoring);
            assert_eq!(node.live().backup_taken, Some(BACKUP_TAKEN));
            assert_eq!(pair.node(!party).broadcasts.len(), before, "the peer waits");
            assert_eq!(pair.node(!party).live().closing, Closing::Running);
        }
    }
}

#[test]
fn a_restored_node_says_so_and_hears_where_its_peer_is() {
    for party in BOTH {
        let mut pair = restored(party);
        pair.connect();
        let Some(Message::Reestablish(said)) = pair.node(party).outbox.front() else {
            panic!("it says where it stands")
        };
        assert_eq!(said.store, StoreState::Restored);
        pair.settle();
        let node = pair.node(party);
        assert_eq!(node.channel().told_number().map(|n| n.to_u64()), Some(2));
        assert_eq!(node.live().signing.standing(), Standing::DataLost, "the peer has proved it");
        let brings = match party {
            Party::Opener => 500_000 - FEE_SAT,
            Party::Acceptor => 500_000,
        };
        assert_eq!(node.channel().told_output(), Sats::new(brings).ok());
        let machine = pair.node_mut(!party).channel_mut();
        let refused = machine.request(request(9, vec![pay(1_000)]));
        assert!(matches!(refused, Err(RequestError::NotOpen { .. })), "{refused:?}");
    }
}

#[test]
fn a_peer_that_is_where_the_backup_is_lifts_nothing() {
    let mut pair = restored_in_time(Party::Acceptor);
    for _ in 0..3 {
        pair.connect();
        pair.settle();
        pair.acceptor.restart();
    }
    assert_eq!(pair.acceptor.live().signing.standing(), Standing::Quarantined);
    // A proposal, were one to come, moves nothing.
    let mut other = Pair::balanced();
    other.pay(Party::Opener, 1_000);
    let propose = other.opener.outbox.pop_front().unwrap();
    pair.connect();
    pair.settle();
    pair.hand(Party::Acceptor, propose);
    assert!(matches!(pair.acceptor.reactions.as_slice(), [Reaction::Refuse { .. }]));
    assert_eq!(pair.acceptor.live().rounds.number.to_u64(), 1);
}

#[test]
fn a_peer_that_is_asked_closes_by_force() {
    for party in BOTH {
        let mut pair = restored(party);
        assert_eq!(choose(&mut pair, party, Recovery::AskPeer), Ok(()), "without a connection");
        pair.node_mut(party).restart();
        pair.connect();
        pair.settle();
        let forced = Closing::Forced(ForceReason::PeerLost);
        assert_eq!(pair.node(!party).live().closing, forced);
        assert!(pair.node(party).broadcasts.is_empty());
        let chosen = |e: &&ChannelEvent| matches!(e, ChannelEvent::RecoveryChosen { .. });
        assert_eq!(choose(&mut pair, party, Recovery::AskPeer), Ok(()), "again");
        assert_eq!(pair.node(party).disk.iter().filter(chosen).count(), 1);
    }
}

#[test]
fn a_close_is_signed_by_the_peers_ledger_once_the_operator_approves_what_it_brings() {
    for (party, brings) in [(Party::Opener, 500_000 - FEE_SAT), (Party::Acceptor, 500_000)] {
        let mut pair = restored(party);
        pair.connect();
        pair.settle();
        // More than the offer brings: it waits, unsigned.
        assert_eq!(choose(&mut pair, party, approve(brings + 1)), Ok(()));
        assert!(matches!(pair.node(party).live().closing, Closing::ShuttingDown { .. }));
        assert!(pair.node(party).broadcasts.is_empty());
        assert_eq!(choose(&mut pair, party, approve(brings)), Ok(()));
        let close = assert_closed(&pair);
        let paid = [0x11, 0x22].map(|script| paid_to(&close, script));
        assert_eq!(paid, [Some(500_000 - FEE_SAT), Some(500_000)], "{party:?}");
        let refused = choose(&mut pair, party, Recovery::AcceptLoss);
        assert_eq!(refused, Err(RecoveryError::CloseAgreed));
    }
}

/// A second approval came while the peer's offer for the first was on its way, and showed another nonce: the offer fitted
/// neither, and both waited for the next connection.
#[test]
fn an_approval_that_crosses_with_the_offer_completes_it() {
    for party in BOTH {
        let mut pair = restored(party);
        pair.connect();
        pair.settle();
        for sat in [600_000, 400_000] {
            let (node, world) = pair.parts(party);
            let moment = world.moment(party);
            node.act(|channel, out| channel.recover(approve(sat), &moment, out).unwrap());
        }
        pair.settle();
        assert_closed(&pair);
        assert_eq!(pair.node(party).reactions, []);
    }
}

#[test]
fn an_approval_outlives_connections_and_restarts() {
    for party in BOTH {
        let mut pair = restored(party);
        assert_eq!(choose(&mut pair, party, approve(400_000)), Ok(()), "before the peer is there");
        for messages in 0..6 {
            pair.node_mut(party).restart();
            pair.deliveries_left = Some(messages);
            pair.connect();
            pair.settle();
        }
        pair.recover();
        assert_closed(&pair);
    }
}

#[test]
fn a_peer_that_cannot_close_together_closes_by_force_when_asked_to() {
    let mut pair = Pair::balanced();
    let backup = pair.acceptor.disk.clone();
    // The proposal reaches nobody: the opener cannot tell what became of it.
    pair.pay(Party::Opener, 1_000);
    pair.acceptor = Node::from_backup(Party::Acceptor, &backup);
    pair.connect();
    pair.settle();
    assert_eq!(pair.acceptor.channel().told_output(), None, "it names no terms");
    assert_eq!(choose(&mut pair, Party::Acceptor, approve(0)), Ok(()));
    assert_eq!(pair.opener.live().closing, Closing::Forced(ForceReason::Violation));
    assert!(pair.acceptor.broadcasts.is_empty());
}

#[test]
fn an_accepted_loss_publishes_the_old_commitment_and_is_final() {
    for party in BOTH {
        let mut pair = restored_in_time(party);
        assert_eq!(choose(&mut pair, party, Recovery::AcceptLoss), Ok(()));
        assert_eq!(pair.node(party).broadcasts.len(), 1);
        assert_eq!(pair.node(party).live().closing, Closing::Forced(ForceReason::Operator));
        pair.node_mut(party).restart();
        assert_eq!(choose(&mut pair, party, Recovery::AcceptLoss), Ok(()), "again");
        assert_eq!(choose(&mut pair, party, approve(1)), Err(RecoveryError::Published));
        assert_eq!(choose(&mut pair, party, Recovery::AskPeer), Err(RecoveryError::Published));
        pair.connect();
        pair.settle();
        assert_eq!(pair.node(!party).live().closing, Closing::Running, "the chain tells it");
    }
}

#[test]
fn what_the_peer_has_proved_to_be_revoked_is_not_published_at_any_word() {
    let mut pair = restored(Party::Opener);
    pair.connect();
    pair.settle();
    let refused = choose(&mut pair, Party::Opener, Recovery::AcceptLoss);
    assert!(matches!(refused, Err(RecoveryError::Revoked { .. })), "{refused:?}");
    assert!(pair.opener.broadcasts.is_empty());
}

#[test]
fn a_claim_without_proof_closes_a_whole_channel_and_no_quarantined_one() {
    for party in BOTH {
        let mut pair = restored_in_time(party);
        pair.connect();
        let Some(Message::Reestablish(mut said)) = pair.node_mut(!party).outbox.pop_front() else {
            panic!("both say where they stand")
        };
        said.agreed = said.agreed.next().unwrap();
        said.last_secret = None;
        pair.hand(party, said.clone());
        let node = pair.node(party);
        assert_eq!(node.live().signing.standing(), Standing::Quarantined);
        assert_eq!(node.channel().told_number(), Some(said.agreed));
        assert!(node.broadcasts.is_empty());

        // A peer that calls itself restored, and claims more than there is, gets what any other gets.
        let mut pair = Pair::balanced();
        pair.connect();
        let Some(Message::Reestablish(mut said)) = pair.node_mut(party).outbox.pop_front() else {
            panic!("both say where they stand")
        };
        (said.agreed, said.store) = (said.agreed.next().unwrap(), StoreState::Restored);
        pair.hand(!party, said);
        assert!(matches!(pair.node(!party).live().closing, Closing::Forced(_)));
    }
}

#[test]
fn a_copy_that_nobody_marked_learns_at_once_and_asks_for_a_close() {
    for party in BOTH {
        let mut pair = Pair::balanced();
        let copy = pair.node(party).disk.clone();
        pair.pay(Party::Opener, 1_000);
        pair.settle();
        *pair.node_mut(party) = Node::from_disk(party, &copy);
        pair.connect();
        // It hears the peer before the peer hears it.
        pair.deliver(party);
        assert_eq!(pair.node(party).live().closing, Closing::Lost);
        let asks = |m: &Message| matches!(m, Message::Fault(f) if f.code == FaultCode::DataLost);
        assert!(pair.node(party).outbox.iter().any(asks));
        pair.settle();
        assert_eq!(pair.node(!party).live().closing, Closing::Forced(ForceReason::PeerLost));
        assert!(pair.node(party).broadcasts.is_empty());
        // On each new connection it asks again.
        pair.connect();
        assert!(pair.node(party).outbox.iter().any(asks));
        assert_eq!(choose(&mut pair, party, approve(1)), Err(RecoveryError::PeerAsked));
    }
}

#[test]
fn a_channel_whose_end_was_decided_before_the_backup_goes_on_by_itself() {
    let mut pair = Pair::balanced();
    pair.opener.channel_mut().close().unwrap();
    pair.poll(Party::Opener);
    let backup = pair.opener.disk.clone();
    assert!(matches!(backup.last(), Some(ChannelEvent::ShutdownSent { .. })));
    pair.opener = Node::from_backup(Party::Opener, &backup);
    pair.connect();
    pair.settle();
    assert_closed(&pair);

    let mut pair = Pair::balanced();
    pair.opener.act(|channel, out| channel.force_close(ForceReason::Operator, out));
    pair.opener = Node::from_backup(Party::Opener, &pair.opener.disk.clone());
    assert!(!pair.opener.live().is_quarantined());
    let mut out = Decision::default();
    let moment = pair.world.moment(Party::Opener);
    let refused = pair.opener.channel_mut().recover(Recovery::AskPeer, &moment, &mut out);
    assert_eq!(refused, Err(RecoveryError::NotQuarantined));
    assert_eq!(pair.opener.channel().holder_transaction().input.len(), 1);
}

#[test]
fn terms_that_make_no_close_of_this_channel_are_not_believed() {
    let mut pair = restored(Party::Acceptor);
    pair.connect();
    pair.settle();
    let told = pair.acceptor.channel().told_output();
    let channel = pair.acceptor.channel().id();
    let terms = strait_wire::CloseTerms {
        channel,
        opener: CAPACITY.to_millisats(),
        acceptor: CAPACITY.to_millisats(),
        fee: Sats::from_const(300),
    };
    pair.hand(Party::Acceptor, terms);
    assert!(matches!(pair.acceptor.reactions.as_slice(), [Reaction::Close(_)]));
    assert_eq!(pair.acceptor.channel().told_output(), told);
    assert!(pair.acceptor.broadcasts.is_empty());
    assert_eq!(BACKUP_TAKEN, Timestamp::from_unix_ms(900_000));
}

#[test]
fn two_restored_nodes_wait_for_their_operators() {
    let mut pair = Pair::balanced();
    for party in BOTH {
        let backup = pair.node(party).disk.clone();
        *pair.node_mut(party) = Node::from_backup(party, &backup);
    }
    pair.connect();
    pair.settle();
    for party in BOTH {
        assert_eq!(choose(&mut pair, party, Recovery::AskPeer), Ok(()));
        assert!(pair.node(party).broadcasts.is_empty(), "who is in doubt closes for nobody");
    }
    assert_eq!(choose(&mut pair, Party::Opener, Recovery::AcceptLoss), Ok(()));
    assert_eq!(pair.opener.broadcasts.len(), 1);
}
