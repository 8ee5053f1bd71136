//! A node whose disk is nearly full: what it begins, and what goes on.
//!
//! Goal: whatever users and peers ask, its log grows by what settles things that stand and by nothing else, nobody is
//! accused, and once there is room all goes on as if nothing had been.

use strait_contract::scripted::{PURSE, PurseAction};
use strait_contract::{Collateral, Limits, Params};
use strait_engine::{
    Answer, ChannelStage, CloseMode, Command, CommandError, CommandId, ContractStage, DiskRoom,
    Event, Input, LockStage, Report, SendAmount, TipStanding,
};
use strait_primitives::{
    BlockDelta, BlockHeight, ChannelId, CommitmentNumber, ContractId, MilliSats, ModuleHash,
    PaymentHash, Sats,
};
use strait_wire::{CancelReason, ContractBytes, FaultCode, Message, RequestTurn, Route};

use crate::line::{A, B, C, Line};
use crate::node::Node;
use crate::world::{Alice, BOTH, Bob, World, key, pay};

const LOW: DiskRoom = DiskRoom::Low { free_bytes: 5, wanted_bytes: 10 };
const REFUSED: CommandError = CommandError::DiskLow { free_bytes: 5, wanted_bytes: 10 };
const HALF: u64 = 500_000_000;

fn purse(channel: ChannelId, number: u32) -> Command {
    let part = MilliSats::from_const(1_000_000);
    Command::OpenContract {
        key: key(number),
        channel,
        module: PURSE,
        params: Params::new(&[]).unwrap(),
        collateral: Collateral::new(part, MilliSats::ZERO).unwrap(),
        limits: Limits::default(),
    }
}

fn act(contract: ContractId, number: u32, action: PurseAction) -> Command {
    let action = ContractBytes::new(action.to_action().as_bytes().to_vec()).unwrap();
    Command::Act { key: key(number), contract, actions: vec![action] }
}

/// A channel of Alice's, with a contract in it and one payment made.
fn with_contract() -> (World, ChannelId, ContractId) {
    let (mut world, channel) = World::open();
    for who in BOTH {
        world.done(who, Command::AddModule { module: PURSE, size_bytes: 5 }).unwrap();
    }
    let Ok(Answer::Contract(view)) = world.done(Alice, purse(channel, 1)) else {
        panic!("a purse")
    };
    world.done(Alice, pay(key(2), channel, 1_000)).unwrap();
    (world, channel, view.contract)
}

/// What would grow the log for something new.
fn begun(world: &World, channel: ChannelId) -> Vec<Command> {
    let expiry = BlockHeight::new(world.alice.engine.tip().height.to_u32() + 100);
    let amount = MilliSats::from_const(5_000_000);
    let payment_hash = PaymentHash::from_bytes([7; 32]);
    vec![
        world.opening(Alice, key(10)),
        pay(key(11), channel, 1_000),
        Command::OfferLock {
            key: key(12),
            channel,
            amount,
            payment_hash,
            expiry,
            route: Route::default(),
        },
        purse(channel, 13),
        Command::AddModule { module: ModuleHash::from_bytes([3; 32]), size_bytes: 9 },
        Command::NewAddress,
        Command::SendCoins {
            key: key(14),
            address: "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6".into(),
            amount: SendAmount::Exactly(Sats::from_const(10_000)),
            fee_rate: None,
        },
    ]
}

#[test]
fn what_is_new_is_refused_with_the_reason_and_leaves_no_trace() {
    let (mut world, channel, _) = with_contract();
    world.input(Alice, Input::Disk(LOW));
    let before = world.alice.events().len();
    let all = begun(&world, channel);
    for command in &all {
        assert_eq!(world.done(Alice, command.clone()), Err(REFUSED), "{command:?}");
    }
    assert_eq!(world.alice.events().len(), before);
    world.input(Alice, Input::Disk(DiskRoom::Ample));
    for command in all {
        let name = format!("{command:?}");
        let answer = world.done(Alice, command);
        assert_ne!(answer, Err(REFUSED), "{name}");
    }
}

#[test]
fn what_is_known_or_ends_something_goes_on() {
    let (mut world, channel, contract) = with_contract();
    world.input(Alice, Input::Disk(LOW));
    let node = world.bob.id();
    let rows = [
        Command::Status,
        Command::Channels,
        Command::Wallet,
        Command::ConnectPeer { node, address: "/ip4/127.0.0.1/tcp/2".into() },
        Command::AddModule { module: PURSE, size_bytes: 5 },
        // Asked again it is answered again.
        pay(key(2), channel, 1_000),
        purse(channel, 1),
        act(contract, 3, PurseAction::Finish),
        Command::Settle { key: key(4), contract },
        Command::CloseChannel { key: key(5), channel, mode: CloseMode::Cooperative },
    ];
    for command in rows {
        let name = format!("{command:?}");
        let answer = world.done(Alice, command);
        assert!(answer.is_ok(), "{name}: {answer:?}");
    }
    world.mine_wanted(20);
    let views = world.alice.engine.book().ended.iter().count();
    assert_eq!(views, 1, "the channel is over");
    assert_eq!(world.alice.engine.state(), world.alice.folded());
}

#[test]
fn a_channel_is_closed_by_force_whatever_the_disk_says() {
    let (mut world, channel) = World::open();
    world.input(Alice, Input::Disk(LOW));
    let force = Command::CloseChannel { key: key(5), channel, mode: CloseMode::Force };
    let answer = world.done(Alice, force);
    assert!(answer.is_ok(), "{answer:?}");
    world.mine_wanted(30);
    assert!(world.alice.engine.channel_states().next().is_none(), "settled and swept");
}

fn accused(node: &Node) -> bool {
    let is_fault =
        |report: &Report| matches!(report, Report::PeerFault { .. } | Report::PeerComplaint { .. });
    node.reports.iter().any(is_fault)
}

/// A peer that runs rounds without end used to fill the disk.
#[test]
fn a_peers_rounds_wait_until_there_is_room_and_nobody_is_accused() {
    let (mut world, channel) = World::open();
    let (alice, bob) = (world.alice.id(), world.bob.id());
    world.input(Bob, Input::Disk(LOW));
    let before = world.bob.events().len();
    let waiting = world.ask(Alice, pay(key(1), channel, 1_000));
    for round in 1..=20 {
        world.settle();
        assert!(world.bob.hung_up.contains(&alice), "round {round}: it hangs up");
        assert_eq!(world.alice.answer(waiting), None);
        world.say(Bob, alice, RequestTurn { channel, number: CommitmentNumber::FIRST });
        world.bob.hung_up.clear();
        world.connect();
    }
    assert_eq!(world.bob.events().len(), before, "the log has not grown");
    world.input(Bob, Input::Disk(DiskRoom::Ample));
    world.connect();
    let answer = world.alice.answer(waiting);
    assert!(matches!(answer, Some(Ok(Answer::Done(_)))), "{answer:?}");
    for (who, other) in [(Alice, bob), (Bob, alice)] {
        assert!(!accused(world.node(who)), "nobody is accused");
        let stage = world.node(who).engine.channel_view(&channel).unwrap().stage;
        assert_eq!(stage, ChannelStage::Open, "with {other}");
    }
}

#[test]
fn a_round_under_way_ends_though_the_disk_has_become_full_meanwhile() {
    for delivered in 0..6 {
        let (mut world, channel) = World::open();
        let waiting = world.ask(Alice, pay(key(1), channel, 1_000));
        for step in 0..delivered {
            world.deliver(if step % 2 == 0 { Bob } else { Alice });
        }
        for who in BOTH {
            world.input(who, Input::Disk(LOW));
        }
        world.settle();
        let done = world.alice.answer(waiting).is_some();
        assert_eq!(done, delivered > 0, "{delivered} messages");
    }
}

#[test]
fn openings_and_contracts_of_peers_are_refused_without_a_trace() {
    let (mut world, channel) = World::open();
    world.done(Alice, Command::AddModule { module: PURSE, size_bytes: 5 }).unwrap();
    world.input(Bob, Input::Disk(LOW));
    let before = world.bob.events().len();
    let opened = world.done(Alice, world.opening(Alice, key(7)));
    let Err(CommandError::OpeningFailed { reason, .. }) = opened else { panic!("{opened:?}") };
    assert!(reason.contains("nearly full"), "{reason}");
    let offered = world.done(Alice, purse(channel, 8));
    let Err(CommandError::ContractRefused { reason, .. }) = offered else { panic!("{offered:?}") };
    assert!(reason.contains("nearly full"), "{reason}");
    assert_eq!(world.bob.events().len(), before);
    let blamed = world.bob.outbox.iter().any(|(_, message)| {
        matches!(message, Message::Fault(fault) if fault.code == FaultCode::Violation)
    });
    assert!(!blamed);
}

/// Bob has agreed, and his word was lost with its connection: he refused what was asked again. Alice then knew of no
/// agreement, and a round of Bob's that opened the contract cost the channel.
#[test]
fn what_was_agreed_to_is_agreed_to_again_though_the_disk_has_become_full() {
    let (mut world, channel) = World::open();
    for who in BOTH {
        world.done(who, Command::AddModule { module: PURSE, size_bytes: 5 }).unwrap();
    }
    let waiting = world.ask(Alice, purse(channel, 8));
    assert!(world.deliver(Bob), "he hears of it, and agrees");
    let before = world.bob.events().len();
    world.input(Bob, Input::Disk(LOW));
    world.connect();
    assert_eq!(world.bob.events().len(), before, "he says it again");
    let other = world.done(Alice, purse(channel, 9));
    assert!(matches!(other, Err(CommandError::ContractRefused { .. })), "{other:?}");
    world.input(Bob, Input::Disk(DiskRoom::Ample));
    world.connect();
    assert!(world.alice.answer(waiting).is_some_and(|answer| answer.is_ok()));
    for who in BOTH {
        let views = world.node(who).engine.contract_views(&channel);
        assert!(matches!(views.as_slice(), [view] if view.stage == ContractStage::Open));
        assert!(!accused(world.node(who)));
    }
}

/// Either side's disk is nearly full, or both are: locks that stand are claimed and given back.
#[test]
fn locks_that_stand_are_settled_whose_disk_ever_is_nearly_full() {
    for low in [&[A][..], &[B], &[A, B]] {
        let mut line = Line::open(2);
        for number in 0..2 {
            let offer = line.offer(A, number, 5_000_000, 9, 100);
            line.done(A, offer).unwrap();
        }
        for who in low {
            line.input(*who, Input::Disk(LOW));
        }
        let claim = line.claim(line.received(0, 0), 9);
        line.done(B, claim).unwrap();
        let cancel = line.cancel(line.received(0, 1));
        line.done(B, cancel).unwrap();
        assert_eq!(line.balance(B, 0), HALF + 5_000_000, "{low:?}");
        line.assert_folded();
    }
}

/// The peer has the turn and something of its own to propose: what this node has to claim goes before its disk.
#[test]
fn a_proposal_that_waits_does_not_keep_this_node_from_its_claim() {
    let mut line = Line::open(2);
    let offer = line.offer(A, 1, 5_000_000, 9, 100);
    line.done(A, offer).unwrap();
    line.input(B, Input::Disk(LOW));
    let lock = line.offer(A, 2, 6_000_000, 8, 100);
    let waiting = line.ask(A, lock);
    let claim = line.claim(line.received(0, 0), 9);
    line.done(B, claim).unwrap();
    assert!(line.nodes[A].answer(waiting).is_some(), "it came with the turn");
    let back = LockStage::Cancelled(CancelReason::Unwanted);
    assert_eq!(line.stage(B, line.received(0, 1)), back, "and is not held");
    line.assert_folded();
}

/// As low as [`LOW`], and with some room for what a peer cannot take back.
const WITH_ROOM: DiskRoom = DiskRoom::Low { free_bytes: 900_000, wanted_bytes: 1_000_000 };

/// Two nodes whose A has offered a lock and has little room left; B, which will claim it, has proposed two payments one
/// after the other, and both names of waiting commands.
fn behind_a_payment(room: DiskRoom) -> (Line, [CommandId; 2]) {
    let mut line = Line::open(2);
    let offer = line.offer(A, 1, 5_000_000, 9, 100);
    line.done(A, offer).unwrap();
    line.input(A, Input::Disk(room));
    let paid = [2, 3].map(|number| {
        let waiting = line.ask(B, pay(key(number), line.channels[0], 1_000));
        line.settle();
        waiting
    });
    (line, paid)
}

/// B cannot take its proposal back, and its claim waited behind it: at the claim's deadline it closed by force.
#[test]
fn a_claim_does_not_wait_behind_what_a_full_disk_does_not_take() {
    let (mut line, paid) = behind_a_payment(WITH_ROOM);
    let is_paid = |line: &Line| paid.map(|id| line.nodes[B].answer(id).is_some());
    assert_eq!(is_paid(&line), [true, false], "one in each block");
    let claim = line.claim(line.received(0, 0), 9);
    let claiming = line.ask(B, claim);
    line.connect(A, B);
    assert_eq!(line.nodes[B].answer(claiming), None, "it stands behind the second");
    line.mine(&[]);
    line.connect(A, B);
    assert!(matches!(line.nodes[B].answer(claiming), Some(Ok(Answer::Lock(_)))));
    assert_eq!(is_paid(&line), [true, true]);
    assert_eq!(line.balance(A, 0), HALF - 5_000_000 + 2_000);
    assert!(!accused(&line.nodes[A]) && !accused(&line.nodes[B]));
    let said = |line: &Line| {
        let all = line.nodes[A].events().into_iter();
        all.filter(|event| matches!(event, Event::Channel { .. })).count()
    };
    let before = said(&line);
    let again = line.ask(B, pay(key(4), line.channels[0], 1_000));
    for _ in 0..3 {
        line.mine(&[]);
        line.connect(A, B);
    }
    assert_eq!(line.nodes[B].answer(again), None, "no lock of A's stands any more");
    assert_eq!(said(&line), before, "its log has grown by blocks alone");
    line.assert_folded();
}

/// A peer to whom something is locked might propose without end.
#[test]
fn what_passes_while_a_lock_stands_takes_a_part_of_the_room_and_no_more() {
    let none = DiskRoom::Low { free_bytes: 5, wanted_bytes: 16 * 2_048 };
    let (mut line, [first, _]) = behind_a_payment(none);
    for _ in 0..3 {
        line.mine(&[]);
        line.connect(A, B);
    }
    assert_eq!(line.nodes[B].answer(first), None, "not even one fits");
    let some = DiskRoom::Low { free_bytes: 5, wanted_bytes: 16 * 3 * 2_048 };
    let (mut line, paid) = behind_a_payment(some);
    let third = line.ask(B, pay(key(5), line.channels[0], 1_000));
    for _ in 0..5 {
        line.mine(&[]);
        line.connect(A, B);
    }
    let is_paid = paid.map(|id| line.nodes[B].answer(id).is_some());
    assert_eq!((is_paid, line.nodes[B].answer(third)), ([true, true], None));
}

#[test]
fn a_lock_that_has_arrived_is_not_passed_on() {
    let mut line = Line::open(3);
    line.restart_behind(B, |_| ());
    line.reconnect(B);
    let offer = line.offer_through(1, 5_010_000, 9, 200);
    line.done(A, offer).unwrap();
    assert_eq!(line.stage(B, line.received(0, 0)), LockStage::Arrived);
    line.input(B, Input::Disk(LOW));
    line.input(B, Input::BlocksTold(TipStanding::Current));
    line.settle();
    let back = LockStage::Cancelled(CancelReason::NoRoute);
    assert_eq!(line.stage(A, line.sent(0, 0)), back);
    assert_eq!([line.balance(A, 0), line.balance(C, 1)], [HALF; 2]);
    line.assert_folded();
}

/// A is silent when B has the preimage, and B's disk is nearly full: B closes in time and claims on chain.
#[test]
fn a_claim_is_made_on_chain_in_time_though_the_disk_is_nearly_full() {
    let mut line = Line::open(3);
    let offer = line.offer_through(1, 5_010_000, 9, 200);
    line.done(A, offer).unwrap();
    line.input(B, Input::Disk(LOW));
    let incoming = line.received(0, 0);
    let expiry = line.lock(B, incoming).expiry;
    line.disconnect(A, B);
    let claim = line.claim(line.received(1, 0), 9);
    line.done(C, claim).unwrap();
    assert_eq!(line.stage(B, incoming), LockStage::Claiming);
    line.mine_to(expiry.saturating_sub(BlockDelta::new(6 + 18)));
    line.mine_wanted(30);
    assert_eq!(line.stage(B, incoming), LockStage::Claimed);
    line.assert_folded();
}
