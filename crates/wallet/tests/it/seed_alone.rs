//! A wallet of which only the seed is left.

use bitcoin::ScriptBuf;
use strait_primitives::{BlockHeight, ChannelId, Sats};
use strait_wallet::{AddressGap, Purpose, Wallet, WalletState};

use crate::world::{GAP, World, output, spend};

/// Channels at once, and so addresses in a row that nobody has paid yet.
const CHANNELS: u8 = 150;

#[test]
fn the_look_is_as_wide_as_the_channels_were_many() {
    assert!(AddressGap::seed_alone(8) > AddressGap(2_000));
    assert!(AddressGap::seed_alone(100_000) > AddressGap(100_000));
}

/// Every channel was promised an address, and only the last one was paid: far beyond the usual look ahead.
#[test]
fn the_payouts_of_many_channels_are_found_and_the_wide_look_outlives_a_restart() {
    let mut lost = World::new();
    let mut last = ScriptBuf::new();
    for channel in 0..CHANNELS {
        let change;
        let purpose = Purpose::Payout(ChannelId::from_bytes([channel; 32]));
        (last, change) = lost.wallet.address_for(purpose);
        lost.keep(change);
    }
    let from = lost.foreign_outpoint();
    let block = lost.block(vec![spend([from], [output(50_000, last)])]);

    let account = lost.account;
    let wide = AddressGap(2 * u32::from(CHANNELS));
    for (gap, restarts, expect) in [(wide, true, 50_000), (wide, false, 50_000), (GAP, false, 0)] {
        let (mut wallet, first) = Wallet::create(&account, account.genesis(), gap);
        let mut log = WalletState::default();
        log.apply(&first);
        assert_eq!(wallet.state(), log);
        if restarts {
            let log = WalletState::from_bytes(&log.to_bytes()).unwrap();
            wallet = Wallet::load(&account, &log, GAP).unwrap();
        }
        let _change = wallet.connect_block(&block, BlockHeight::new(1)).unwrap();
        assert_eq!(wallet.balance().confirmed, Sats::from_const(expect), "{gap:?}");
    }
}
