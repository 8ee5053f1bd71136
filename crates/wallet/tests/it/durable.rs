//! What the log holds, and what is refused of it.

use bitcoin::Network;
use strait_wallet::{DecodeError, LoadError, Wallet, WalletChange, WalletState};

use crate::world::{GAP, World, account, root};

#[test]
fn a_log_of_another_seed_is_refused() {
    let world = World::with_coins(&[1_000]);
    let other = account(&root(8));
    let refused = Wallet::load(&other, &world.log, GAP);
    assert!(matches!(refused, Err(LoadError::OtherAccount { .. })), "{refused:?}");
}

#[test]
fn a_log_of_another_network_is_refused() {
    let world = World::with_coins(&[1_000]);
    let bytes = world.log.to_bytes();
    let place = bytes.windows(7).position(|window| window == b"regtest").unwrap();
    let mut moved = bytes.clone();
    moved.splice(place - 1..place + 7, b"\x66signet".iter().copied());
    let moved = WalletState::from_bytes(&moved).unwrap();
    assert_eq!(
        Wallet::load(&world.account, &moved, GAP).map(|_| ()),
        Err(LoadError::OtherNetwork { stored: Network::Signet, expected: Network::Regtest })
    );
}

#[test]
fn an_empty_log_holds_no_wallet() {
    let world = World::new();
    let refused = Wallet::load(&world.account, &WalletState::default(), GAP);
    assert_eq!(refused.map(|_| ()), Err(LoadError::Empty));
}

#[test]
fn a_log_without_its_beginning_is_refused() {
    let mut world = World::new();
    let block = world.block(vec![]);
    let height = strait_primitives::BlockHeight::new(1);
    let change = world.wallet.connect_block(&block, height).unwrap();
    let mut state = WalletState::default();
    state.apply(&change);
    let refused = Wallet::load(&world.account, &state, GAP);
    assert_eq!(refused.map(|_| ()), Err(LoadError::Empty));
}

#[test]
#[should_panic(expected = "in the log of")]
fn two_wallets_never_share_a_log() {
    let mut world = World::new();
    let other = account(&root(8));
    let (_, first) = Wallet::create(&other, other.genesis(), GAP);
    world.log.apply(&first);
}

#[test]
fn bytes_that_are_no_record_are_refused_and_never_panic() {
    let mut world = World::with_coins(&[1_000, 2_000]);
    let coin = world.wallet.confirmed_coins()[0].outpoint;
    let purpose = strait_wallet::Purpose::Send(strait_primitives::RequestKey::from_bytes([1; 16]));
    let change = world.wallet.reserve(&[coin], purpose).unwrap();
    world.keep(change);
    let good = world.log.to_bytes();
    assert!(matches!(WalletState::from_bytes(&[]), Err(DecodeError::Empty)));
    assert!(matches!(
        WalletState::from_bytes(&[2, 0x80]),
        Err(DecodeError::Version { found: 2, supported: 1 })
    ));
    let trailing = [good.clone(), vec![0, 0]].concat();
    assert!(matches!(WalletState::from_bytes(&trailing), Err(DecodeError::Trailing { bytes: 2 })));
    let long = vec![1; (8 << 20) + 1];
    assert!(matches!(WalletChange::from_bytes(&long), Err(DecodeError::TooLong { .. })));
    for end in 0..good.len() {
        assert!(WalletState::from_bytes(&good[..end]).is_err(), "cut at {end}");
    }
    for place in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[place] ^= flip;
            // A flipped bit may still be a record of something; loading it must then be an answer too.
            if let Ok(state) = WalletState::from_bytes(&bad) {
                let _answer = Wallet::load(&world.account, &state, GAP).map(|w| w.balance());
            }
        }
    }
    let announced = [1, 0x99, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(WalletState::from_bytes(&announced), Err(DecodeError::Malformed(_))));
}

#[test]
fn records_keep_their_bytes() {
    // Version 1 on disk: a change of what the first change of a wallet looks like breaks every log.
    let world = World::new();
    let (_, first) = Wallet::create(&world.account, world.account.genesis(), GAP);
    let bytes = first.to_bytes();
    let golden = include_str!("first_change.hex");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, golden.trim());
    assert_eq!(WalletChange::from_bytes(&bytes).unwrap(), first);
}
