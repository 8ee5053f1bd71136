//! Coins set aside.

use bitcoin::OutPoint;
use strait_primitives::{ChannelId, RequestKey};
use strait_wallet::{Purpose, ReserveError};

use crate::world::{World, foreign_script, output, spend};

const OPENING: Purpose = Purpose::Opening(ChannelId::from_bytes([1; 32]));
const BUMP: Purpose = Purpose::Bump(ChannelId::from_bytes([1; 32]));
const SEND: Purpose = Purpose::Send(RequestKey::from_bytes([1; 16]));

#[test]
fn held_coins_are_neither_spendable_nor_lost_and_stay_held_across_restarts() {
    let mut world = World::with_coins(&[10_000, 20_000]);
    let coins: Vec<OutPoint> =
        world.wallet.confirmed_coins().iter().map(|coin| coin.outpoint).collect();
    let change = world.wallet.reserve(&coins, OPENING).unwrap();
    world.keep(change);
    world.restart();
    assert_eq!(world.sums(), [0, 0, 30_000, 0]);
    assert!(world.wallet.confirmed_coins().is_empty());
    assert_eq!(world.wallet.reserved(OPENING), coins);
    assert_eq!(world.wallet.purposes(), [OPENING]);
    world.check_law();

    let change = world.wallet.release(OPENING);
    world.keep(change);
    world.restart();
    assert_eq!(world.sums(), [30_000, 0, 0, 0]);
    assert!(world.wallet.purposes().is_empty());
    world.check_law();
}

#[test]
fn holding_again_for_the_same_purpose_changes_nothing() {
    let mut world = World::with_coins(&[10_000]);
    let coin = world.wallet.confirmed_coins()[0].outpoint;
    let change = world.wallet.reserve(&[coin], BUMP).unwrap();
    world.keep(change);
    assert_eq!(world.wallet.reserve(&[coin], BUMP), Ok(None));
    assert_eq!(world.wallet.release(SEND), None);
}

#[test]
fn coins_that_are_unknown_spent_or_held_for_another_purpose_are_refused_and_none_is_held() {
    let mut world = World::with_coins(&[10_000, 20_000, 30_000]);
    let coins = world.wallet.confirmed_coins();
    let [free, taken, spent] = [0, 1, 2].map(|place| coins[place].outpoint);
    let change = world.wallet.reserve(&[taken], OPENING).unwrap();
    world.keep(change);
    world.mine(vec![spend([spent], [output(1_000, foreign_script())])]);
    let before = world.wallet.state();
    let unknown = world.foreign_outpoint();
    for (bad, expect) in [
        (unknown, ReserveError::Unknown { outpoint: unknown }),
        (spent, ReserveError::Spent { outpoint: spent }),
        (taken, ReserveError::Held { outpoint: taken, holder: OPENING }),
    ] {
        assert_eq!(world.wallet.reserve(&[free, bad], BUMP), Err(expect));
        assert_eq!(world.wallet.state(), before);
    }
}
