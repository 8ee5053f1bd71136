//! Channels that nobody funds.

use strait_wire::FaultCode;

use crate::rig::{CAPACITY, Rig, connect, key, open_unfunded};
use crate::{CloseMode, Command, EngineConfig, Input, ReserveRule};

/// The acceptor's signature was lost, and the opener gave up: the acceptor kept the channel for ever, and with it coins
/// for its close.
#[test]
fn an_acceptor_forgets_an_unfunded_channel_that_its_opener_does_not_know() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, _) = open_unfunded(&mut opener, &mut acceptor);
    let reserve = acceptor.engine.wallet_view().fee_reserve;
    assert_eq!(reserve.to_sat(), 0, "nothing here is the acceptor's");
    acceptor.close(channel, CloseMode::Cooperative);
    assert_eq!(acceptor.replies.len(), 3, "the close waits");

    // Other complaints are about something else.
    for code in [FaultCode::Violation, FaultCode::Refused] {
        acceptor.hear_fault(opener.node(), channel, code);
        assert!(acceptor.engine.channels.contains_key(&channel), "{code:?}");
    }
    let mut forgetful = Rig::new(1, 0);
    assert_eq!(forgetful.node(), opener.node());
    acceptor.take(Input::PeerDisconnected(opener.node()));
    connect(&mut forgetful, &mut acceptor);
    assert!(acceptor.engine.channels.is_empty());
    assert_eq!(acceptor.replies.len(), 4, "whoever waited is told");
}

#[test]
fn an_acceptor_forgets_an_unfunded_channel_after_two_weeks_of_blocks() {
    // A wallet without coins makes blocks cheap.
    let set = |config: &mut EngineConfig| config.accept_reserve = ReserveRule::Waived;
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::with(2, 0, set));
    let (running, _) = open_unfunded(&mut opener, &mut acceptor);
    let (forced, _) = open_unfunded(&mut opener, &mut acceptor);
    acceptor.hear_fault(opener.node(), forced, FaultCode::DataLost);
    acceptor.mine_empty(2_015);
    for channel in [running, forced] {
        assert!(acceptor.engine.channels.contains_key(&channel));
    }
    acceptor.mine_empty(1);
    assert!(acceptor.engine.channels.is_empty());
}

#[test]
fn what_is_funded_or_brought_its_own_money_is_never_forgotten() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    opener.hear_fault(acceptor.node(), channel, FaultCode::UnknownChannel);
    assert!(opener.engine.channels.contains_key(&channel), "its money is on its way there");
    acceptor.mine(vec![funding]);
    acceptor.hear_fault(opener.node(), channel, FaultCode::UnknownChannel);
    assert!(acceptor.engine.channels.contains_key(&channel));
}

#[test]
fn an_acceptor_that_closes_forgets_an_opening_that_it_signed_in_vain() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    connect(&mut opener, &mut acceptor);
    let (node, capacity) = (acceptor.node(), CAPACITY);
    opener.ask(Command::OpenChannel { key: key(1), node, capacity, fee_rate: None });
    acceptor.hear(opener.node(), opener.outbox.pop_front().unwrap().1);
    opener.hear(acceptor.node(), acceptor.outbox.pop_front().unwrap().1);
    let (_, signed) = opener.outbox.pop_front().unwrap();
    acceptor.hear(opener.node(), signed.clone());
    let channel = *acceptor.engine.channels.keys().next().unwrap();
    acceptor.close(channel, CloseMode::Force);
    assert!(acceptor.engine.channels.contains_key(&channel), "its opener may have funded it");
    // The opener asks again: it never had the signature, and has funded nothing.
    acceptor.hear(opener.node(), signed);
    assert!(acceptor.engine.channels.is_empty());
    assert!(acceptor.broadcasts.is_empty());
}
