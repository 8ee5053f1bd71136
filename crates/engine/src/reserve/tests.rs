//! What must be there before a channel may be.

use strait_primitives::{BlockDelta, ChannelId, LockId, MilliSats, PaymentHash, Sats, Side};
use strait_wire::CancelReason;

use crate::rig::{CAPACITY, Rig, connect, key, open, talk};
use crate::{Answer, Command, CommandError, EngineConfig, LockKey, LockStage, ReserveRule};

fn ask(opener: &mut Rig, acceptor: &mut Rig, number: u8) -> Result<ChannelId, CommandError> {
    let node = acceptor.node();
    let key = key(number);
    opener.ask(Command::OpenChannel { key, node, capacity: CAPACITY, fee_rate: None });
    talk(opener, acceptor);
    match opener.replies.last().cloned().expect("it is answered") {
        Ok(Answer::Channel(view)) => Ok(view.channel),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

/// The sum counted change that no child may spend yet, and nobody counted coins: the last coin went into a channel, and
/// the one that was open could not be closed.
#[test]
fn a_channel_is_opened_only_while_the_others_can_be_closed() {
    let (mut opener, mut acceptor) = (Rig::new(1, 1), Rig::new(2, 3));
    open(&mut opener, &mut acceptor);
    let refused = ask(&mut opener, &mut acceptor, 10);
    let Err(CommandError::Reserve { coins: 1, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(opener.reserved(), 0, "nothing is held for what was refused");
    assert_eq!(opener.engine.channels.len(), 1);

    let coin = opener.payment(5_000_000);
    opener.mine(vec![coin]);
    ask(&mut opener, &mut acceptor, 11)
        .expect("one coin stays, and the change comes with the channel");
}

#[test]
fn the_first_channel_may_take_the_only_coin_for_its_change_comes_with_it() {
    let (mut opener, mut acceptor) = (Rig::new(1, 1), Rig::new(2, 1));
    open(&mut opener, &mut acceptor);
}

/// One coin cannot close two channels in one block: the change of the first child is not mined.
#[test]
fn openings_that_nobody_has_mined_count_too() {
    let (mut opener, mut acceptor) = (Rig::new(1, 2), Rig::new(2, 3));
    connect(&mut opener, &mut acceptor);
    ask(&mut opener, &mut acceptor, 10).expect("a coin, and the change of the other");
    ask(&mut opener, &mut acceptor, 11).expect("the change of both");
    let refused = ask(&mut opener, &mut acceptor, 12);
    assert!(matches!(refused, Err(CommandError::Funds(_) | CommandError::Reserve { .. })));
}

#[test]
fn a_peers_channel_is_refused_unless_the_wallet_could_close_it_or_the_operator_waives_that() {
    let check = |coins: usize, rule: ReserveRule, accepted: bool| {
        let set = |config: &mut EngineConfig| config.accept_reserve = rule;
        let (mut opener, mut acceptor) = (Rig::new(1, 4), Rig::with(2, coins, set));
        connect(&mut opener, &mut acceptor);
        match ask(&mut opener, &mut acceptor, 10) {
            Ok(_) => assert!(accepted),
            Err(CommandError::OpeningFailed { reason, .. }) => {
                assert!(!accepted && reason.contains("could not pay for the close"), "{reason}");
                assert_eq!(opener.reserved(), 0, "the opener's coins are free");
            }
            Err(error) => panic!("{error}"),
        }
    };
    check(0, ReserveRule::Demanded, false);
    check(1, ReserveRule::Demanded, true);
    check(0, ReserveRule::Waived, true);
}

/// A stranger's channels bind nothing before they are funded; then each binds one close.
#[test]
fn what_peers_have_funded_counts_against_the_next() {
    let (mut opener, mut acceptor) = (Rig::new(1, 6), Rig::new(2, 2));
    open(&mut opener, &mut acceptor);
    open(&mut opener, &mut acceptor);
    let refused = ask(&mut opener, &mut acceptor, 10);
    assert!(matches!(refused, Err(CommandError::OpeningFailed { .. })), "{refused:?}");
}

/// One large coin closes one channel a block: the operator is told how many there should be.
#[test]
fn the_wallet_tells_when_a_coin_should_be_split() {
    let (mut opener, mut acceptor) = (Rig::new(1, 6), Rig::new(2, 3));
    open(&mut opener, &mut acceptor);
    open(&mut opener, &mut acceptor);
    let view = opener.engine.wallet_view();
    assert_eq!((view.reserve_coins_wanted, view.reserve_coins), (2, 6));
    let mut poor = Rig::new(3, 1);
    open(&mut poor, &mut acceptor);
    let view = poor.engine.wallet_view();
    assert_eq!((view.reserve_coins_wanted, view.reserve_coins), (1, 1));
    assert!(view.reserve_coin_min > Sats::ZERO);
}

/// Locks of one channel, as many as a commitment holds, made it thirty times as dear to close, and nobody had kept coins
/// for that.
#[test]
fn a_lock_is_taken_on_only_while_the_coins_would_pay_for_its_close_as_well() {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 0));
    // At twenty satoshis a byte: a close with room for ten locks, and one lock more.
    let coin = payee.payment(33_640 + 860);
    payee.mine(vec![coin]);
    payer.mine_empty(1);
    let channel = open(&mut payer, &mut payee);
    payer.pay(channel, 7, MilliSats::from_const(500_000_000));
    talk(&mut payer, &mut payee);
    assert_eq!(payee.engine.wallet_view().fee_reserve.to_sat(), 33_640);
    let offer = |rig: &Rig, number: u8| Command::OfferLock {
        key: key(number),
        channel,
        amount: MilliSats::from_const(5_000_000),
        payment_hash: PaymentHash::from_bytes([number; 32]),
        expiry: rig.engine.tip().height.saturating_add(BlockDelta::new(200)),
        route: strait_wire::Route::default(),
    };
    let held = LockStage::Held;
    let back = LockStage::Cancelled(CancelReason::Unwanted);
    for (id, stage) in [(0, held), (1, back)] {
        let asked = offer(&payer, 20 + id);
        payer.ask(asked);
        talk(&mut payer, &mut payee);
        let lock = LockKey { channel, offerer: Side::Counterparty, id: LockId(id.into()) };
        assert_eq!(payee.engine.lock_view(&lock).unwrap().stage, stage, "{id}");
    }
    let view = payee.engine.wallet_view();
    assert_eq!((view.fee_reserve, view.reserve_funds.to_sat()), (view.reserve_funds, 34_500));

    let asked = offer(&payee, 30);
    let refused = payee.ask(asked.clone());
    assert!(matches!(refused, Some(Err(CommandError::Reserve { .. }))), "{refused:?}");
    payee.engine.config.accept_reserve = ReserveRule::Waived;
    payee.ask(asked);
    talk(&mut payer, &mut payee);
    assert!(matches!(payee.replies.last(), Some(Ok(Answer::Lock(_)))), "{:?}", payee.replies);
}

/// A channel whose acceptor had nothing but what the peer's locks may bring it was not counted.
#[test]
fn a_channel_that_may_bring_no_more_than_received_locks_is_counted() {
    let (mut payer, mut payee) = (Rig::new(1, 4), Rig::new(2, 3));
    let channel = open(&mut payer, &mut payee);
    assert_eq!(payee.engine.wallet_view().fee_reserve, Sats::ZERO);
    let asked = Command::OfferLock {
        key: key(20),
        channel,
        amount: MilliSats::from_const(50_000_000),
        payment_hash: PaymentHash::from_bytes([9; 32]),
        expiry: payer.engine.tip().height.saturating_add(BlockDelta::new(200)),
        route: strait_wire::Route::default(),
    };
    payer.ask(asked);
    talk(&mut payer, &mut payee);
    assert!(payee.engine.wallet_view().fee_reserve > Sats::ZERO);
}
