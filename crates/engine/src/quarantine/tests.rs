//! Restored nodes: the old state leaves by no door, and everything else goes on.

use strait_channel::{Closing, ForceReason, RequestError};
use strait_wire::Fault;

use super::*;
use crate::rig::{BACKUP_TAKEN, CAPACITY, Rig, connect, open, open_unfunded, talk};
use crate::{CloseMode, Command, Input};

const PAID: MilliSats = MilliSats::from_const(100_000_000);

/// Two nodes with a channel, the first one's, in which it has paid the other once.
fn paid() -> (Rig, Rig, ChannelId) {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut opener, &mut acceptor);
    pay(&mut opener, &mut acceptor, channel, 1);
    (opener, acceptor, channel)
}

fn pay(opener: &mut Rig, acceptor: &mut Rig, channel: ChannelId, number: u8) {
    opener.pay(channel, 100 + number, PAID);
    talk(opener, acceptor);
}

fn part(a: &mut Rig, b: &mut Rig) {
    let (first, second) = (a.node(), b.node());
    a.take(Input::PeerDisconnected(second));
    b.take(Input::PeerDisconnected(first));
}

/// The opener restores a backup that it made after its first payment; it has made another one since.
fn restored() -> (Rig, Rig, ChannelId) {
    let (mut opener, mut acceptor, channel) = paid();
    let backup = opener.log();
    pay(&mut opener, &mut acceptor, channel, 2);
    part(&mut opener, &mut acceptor);
    let restored = opener.restored(1, backup);
    acceptor.sent();
    (restored, acceptor, channel)
}

fn recover(rig: &mut Rig, channel: ChannelId, choice: RecoveryChoice) -> RecoveryView {
    match rig.ask(Command::Recover { channel, choice }) {
        Some(Ok(Answer::Recovery(view))) => *view,
        other => panic!("{other:?}"),
    }
}

fn refused(rig: &mut Rig, channel: ChannelId, choice: RecoveryChoice) -> CommandError {
    match rig.ask(Command::Recover { channel, choice }) {
        Some(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn standing(rig: &Rig, channel: ChannelId) -> Standing {
    rig.engine.channels[&channel].state().live().unwrap().signing.standing()
}

#[test]
fn a_quarantined_channel_is_broadcast_by_no_path() {
    let (mut restored, mut acceptor, channel) = restored();
    assert_eq!(standing(&restored, channel), Standing::Quarantined);
    let started = restored.engine.start(BACKUP_TAKEN);
    assert!(started.events().is_empty());
    for round in 0..2 {
        let mode = if round == 0 { CloseMode::Force } else { CloseMode::Cooperative };
        restored.close(channel, mode);
        let refusal = restored.replies.last().unwrap().clone().unwrap_err();
        let source = RequestError::Quarantined;
        assert_eq!(refusal, CommandError::Channel { channel, source });
        restored.pay(channel, 9, PAID);
        assert!(restored.replies.last().unwrap().is_err());
        restored.hear_fault(acceptor.node(), channel, FaultCode::DataLost);
        restored.hear_fault(acceptor.node(), channel, FaultCode::CloseAsked);
        restored.mine_empty(20);
        restored.take(Input::Tick);
        connect(&mut restored, &mut acceptor);
    }
    assert!(restored.broadcasts.is_empty(), "{:?}", restored.broadcasts);
    assert!(acceptor.broadcasts.is_empty(), "the peer waits for the operator's word");
    assert_eq!(restored.engine.node_view().channels_quarantined, 1);
}

#[test]
fn the_operator_sees_what_is_known_of_each_channel() {
    let (mut restored, mut acceptor, channel) = restored();
    let [view] = restored.engine.recovery_views().try_into().unwrap();
    let expect = RecoveryView {
        channel,
        peer: acceptor.node(),
        link: PeerLink::Disconnected,
        stage: ChannelStage::Quarantined,
        doubt: Doubt::Restored,
        backup_taken: Some(BACKUP_TAKEN),
        number: CommitmentNumber::FIRST.next().unwrap(),
        told_number: None,
        capacity: CAPACITY,
        balance: MilliSats::from_const(900_000_000),
        close_brings: None,
        choice: None,
    };
    assert_eq!(view, expect);
    connect(&mut restored, &mut acceptor);
    let [view] = restored.engine.recovery_views().try_into().unwrap();
    assert_eq!(view.link, PeerLink::Connected);
    assert_eq!((view.doubt, view.told_number.map(|n| n.to_u64())), (Doubt::Outdated, Some(2)));
    assert!(view.close_brings.unwrap() < Sats::from_const(800_000));
    assert!(view.close_brings.unwrap() > Sats::from_const(799_000));
    assert!(acceptor.engine.recovery_views().is_empty());
}

#[test]
fn each_choice_ends_the_channel_its_way() {
    let (mut restored, mut acceptor, channel) = restored();
    connect(&mut restored, &mut acceptor);
    let view = recover(&mut restored, channel, RecoveryChoice::AskPeer);
    assert_eq!(view.choice, Some(Recovery::AskPeer));
    talk(&mut restored, &mut acceptor);
    let forced = Closing::Forced(ForceReason::PeerLost);
    assert_eq!(acceptor.engine.channels[&channel].state().live().unwrap().closing, forced);
    assert_eq!((restored.sent().len(), acceptor.sent().len()), (0, 1));

    let (mut restored, mut acceptor, channel) = self::restored();
    connect(&mut restored, &mut acceptor);
    let brings = restored.engine.recovery_views()[0].close_brings.unwrap();
    let more = Sats::new(brings.to_sat() + 1).unwrap();
    recover(&mut restored, channel, RecoveryChoice::ApproveClose { at_least: more });
    talk(&mut restored, &mut acceptor);
    assert_eq!((restored.sent().len(), acceptor.sent().len()), (0, 0));
    recover(&mut restored, channel, RecoveryChoice::ApproveClose { at_least: brings });
    talk(&mut restored, &mut acceptor);
    let (ours, theirs) = (restored.sent(), acceptor.sent());
    assert_eq!(ours, theirs, "both have the close");
    assert!(ours[0][0].output.iter().any(|output| output.value.to_sat() == brings.to_sat()));

    let (mut restored, _, channel) = self::restored();
    let confirmed = Sats::from_const(900_000);
    let wrong = refused(&mut restored, channel, RecoveryChoice::AcceptLoss { may_lose: confirmed });
    let may_lose = CAPACITY;
    assert_eq!(wrong, CommandError::LossNotConfirmed { channel, may_lose, confirmed });
    let view = recover(&mut restored, channel, RecoveryChoice::AcceptLoss { may_lose });
    assert_eq!(view.stage, ChannelStage::ForceClosing);
    assert_eq!(restored.sent().len(), 1);
}

#[test]
fn a_choice_for_a_channel_that_needs_none_is_refused() {
    let (mut opener, _, channel) = paid();
    let refusal = refused(&mut opener, channel, RecoveryChoice::AskPeer);
    let source = strait_channel::RecoveryError::NotQuarantined;
    assert_eq!(refusal, CommandError::Recovery { channel, source });
    let unknown = ChannelId::from_bytes([9; 32]);
    let refusal = refused(&mut opener, unknown, RecoveryChoice::AskPeer);
    assert_eq!(refusal, CommandError::UnknownChannel(unknown));
}

/// The peer publishes a state that it revoked before the backup was made.
#[test]
fn a_restored_node_punishes_what_was_revoked_before_its_backup() {
    let (mut opener, mut acceptor, channel) = paid();
    let revoked = acceptor.log();
    pay(&mut opener, &mut acceptor, channel, 2);
    let backup = opener.log();
    pay(&mut opener, &mut acceptor, channel, 3);
    let mut cheater = acceptor.on(2, revoked);
    cheater.close(channel, CloseMode::Force);
    let package = cheater.sent().remove(0);
    let mut restored = opener.restored(1, backup);
    restored.mine(vec![package[0].clone()]);
    let claims = restored.sent();
    let commitment = package[0].compute_txid();
    let takes = |t: &bitcoin::Transaction| {
        t.input.iter().any(|input| input.previous_output.txid == commitment)
    };
    assert!(claims.iter().flatten().any(takes), "{claims:?}");
}

/// After the backup both went on, and the peer closes on the newest state: this node is paid without a signature.
#[test]
fn the_peers_newest_commitment_pays_a_node_that_does_not_know_it() {
    let (mut restored, mut acceptor, channel) = restored();
    acceptor.close(channel, CloseMode::Force);
    let commitment = acceptor.sent().remove(0).remove(0);
    let before = restored.engine.wallet_view().confirmed;
    restored.mine(vec![commitment]);
    assert!(restored.sent().is_empty());
    let after = restored.engine.wallet_view().confirmed;
    assert_eq!(after.to_sat() - before.to_sat(), 800_000);
    let choice = RecoveryChoice::AskPeer;
    let source = strait_channel::RecoveryError::Spent;
    assert_eq!(refused(&mut restored, channel, choice), CommandError::Recovery { channel, source });
}

#[test]
fn channels_opened_after_the_restore_are_like_any_other() {
    let (mut restored, mut acceptor, old) = restored();
    let channel = open(&mut restored, &mut acceptor);
    pay(&mut restored, &mut acceptor, channel, 7);
    assert!(restored.replies.last().unwrap().is_ok());
    assert_eq!(standing(&restored, channel), Standing::Current);
    assert!(restored.engine.channels[&old].state().live().unwrap().is_quarantined());
    restored.close(channel, CloseMode::Force);
    assert_eq!(restored.broadcasts.last().unwrap().len(), 2, "with its child");
}

#[test]
fn an_opening_in_the_backup_is_given_up_and_its_coins_are_free() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    connect(&mut opener, &mut acceptor);
    let (node, capacity) = (acceptor.node(), CAPACITY);
    opener.ask(Command::OpenChannel { key: crate::rig::key(1), node, capacity, fee_rate: None });
    assert!(opener.reserved() > 0);
    let restored = opener.restored(1, opener.log());
    assert!(restored.engine.channels.is_empty());
    assert_eq!(restored.reserved(), 0);
}

/// Opened after the backup, or by a node of which only the seed is left: the money in it is the peer's to send back.
#[test]
fn a_restored_node_asks_for_the_close_of_channels_that_it_does_not_know() {
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::new(2, 3));
    let backup = opener.log();
    let (channel, funding) = open_unfunded(&mut opener, &mut acceptor);
    for rig in [&mut opener, &mut acceptor] {
        rig.mine(vec![funding.clone()]);
        rig.mine_empty(2);
    }
    talk(&mut opener, &mut acceptor);
    pay(&mut opener, &mut acceptor, channel, 1);
    part(&mut opener, &mut acceptor);
    let mut forgetful = opener.on(1, backup.clone());
    connect(&mut forgetful, &mut acceptor);
    assert!(acceptor.sent().is_empty(), "a word that a channel is not known closes none");
    part(&mut forgetful, &mut acceptor);
    let mut restored = opener.restored(1, backup);
    connect(&mut restored, &mut acceptor);
    let commitment = acceptor.sent().remove(0).remove(0);
    assert!(commitment.output.iter().any(|output| output.value.to_sat() == 900_000));
}

#[test]
fn an_unfunded_channel_in_the_backup_is_forgotten_in_its_time_and_not_at_the_peers_word() {
    let set = |config: &mut crate::EngineConfig| {
        config.accept_reserve = crate::ReserveRule::Waived;
    };
    let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::with(2, 0, set));
    let (channel, _) = open_unfunded(&mut opener, &mut acceptor);
    let mut restored = acceptor.restored(2, acceptor.log());
    connect(&mut restored, &mut opener);
    restored.hear_fault(opener.node(), channel, FaultCode::UnknownChannel);
    restored.mine_empty(2_015);
    assert!(restored.engine.channels.contains_key(&channel));
    restored.mine_empty(1);
    assert!(restored.engine.channels.is_empty());
}

#[test]
fn a_node_of_which_only_the_seed_is_left_finds_the_payouts_of_many_channels() {
    let mut lost = Rig::new(1, 1);
    let scripts: Vec<_> = (0..150)
        .map(|_| match lost.ask(Command::NewAddress) {
            Some(Ok(Answer::Address(script))) => script,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut found = Rig::from_seed(1);
    let before = found.engine.wallet_view().confirmed.to_sat();
    let last = scripts.last().unwrap().clone();
    found.mine(vec![crate::rig::paying(last, 50_000)]);
    assert_eq!(found.engine.wallet_view().confirmed.to_sat(), before + 50_000);
    let mut unaware = Rig::new(1, 0);
    unaware.mine(vec![crate::rig::paying(scripts.last().unwrap().clone(), 50_000)]);
    assert_eq!(unaware.engine.wallet_view().confirmed.to_sat(), 0, "too far for a usual start");
}

#[test]
fn a_fault_of_a_restored_node_names_the_channel() {
    let (mut restored, mut acceptor, _) = restored();
    connect(&mut restored, &mut acceptor);
    let channel = ChannelId::from_bytes([9; 32]);
    let reestablish = strait_wire::Reestablish {
        channel,
        agreed: CommitmentNumber::FIRST,
        outstanding: None,
        last_secret: None,
        store: strait_wire::StoreState::Whole,
    };
    restored.hear(acceptor.node(), reestablish);
    let Some((_, Message::Fault(Fault { channel: about, code, .. }))) = restored.outbox.pop_back()
    else {
        panic!("it answers")
    };
    assert_eq!((about, code), (Some(channel), FaultCode::DataLost));
}
