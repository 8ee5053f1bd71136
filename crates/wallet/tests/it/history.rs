//! The law over random histories: the fold of all changes is the state of the live wallet.

use proptest::prelude::*;
use strait_primitives::{ChannelId, FeeRate, Sats};
use strait_wallet::{CoinSource, FeeReserve, Pay, Purpose, SelectRequest, SendRequest};

use crate::world::{World, foreign_script, output, sats, spend};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A block with payments to us, and those of our broadcasts that are on their way.
    Mine { payments: Vec<u64> },
    /// A block that spends the inputs of our first broadcast elsewhere.
    DoubleSpend,
    /// The last blocks go; the next step builds on what is below.
    Rewind { depth: u32 },
    /// We pay somebody.
    Send { amount: u64, seed: u8 },
    /// Coins are chosen for a channel.
    Select { amount: u64, channel: u8, seed: u8 },
    /// A channel's coins are freed.
    Release { channel: u8 },
    /// The first broadcast is given up.
    Forget,
    /// The node stops and starts.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let amount = 1_000_u64..80_000;
    prop_oneof![
        4 => prop::collection::vec(1_000_u64..100_000, 0..4).prop_map(|payments| Step::Mine { payments }),
        1 => Just(Step::DoubleSpend),
        2 => (1_u32..=6).prop_map(|depth| Step::Rewind { depth }),
        3 => (amount.clone(), any::<u8>()).prop_map(|(amount, seed)| Step::Send { amount, seed }),
        2 => (amount, 0_u8..3, any::<u8>())
            .prop_map(|(amount, channel, seed)| Step::Select { amount, channel, seed }),
        1 => (0_u8..3).prop_map(|channel| Step::Release { channel }),
        1 => Just(Step::Forget),
        1 => Just(Step::Restart),
    ]
}

fn opening(channel: u8) -> Purpose {
    Purpose::Opening(ChannelId::from_bytes([channel; 32]))
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Mine { payments } => {
            let mut txs: Vec<_> =
                world.wallet.unconfirmed().iter().map(|tx| tx.as_ref().clone()).collect();
            txs.extend(payments.into_iter().map(|value| world.payment(value)));
            world.mine(txs);
        }
        Step::DoubleSpend => {
            let Some(tx) = world.wallet.unconfirmed().first().cloned() else { return };
            let inputs = tx.input.iter().map(|input| input.previous_output);
            world.mine(vec![spend(inputs, [output(777, foreign_script())])]);
        }
        Step::Rewind { depth } => {
            let depth = depth.min(world.wallet.tip().height.to_u32());
            if depth > 0 {
                world.rewind(depth);
            }
        }
        Step::Send { amount, seed } => {
            let request = SendRequest {
                pay: Pay::Outputs(vec![output(amount, foreign_script())]),
                fee_rate: FeeRate::from_sat_per_kvb(1_500),
                keep: FeeReserve::NONE,
                coins: CoinSource::ConfirmedOrOwnPending,
                entropy: [seed; 32],
            };
            if let Ok((payment, change)) = world.wallet.send(&request) {
                world.keep(change);
                world.broadcast(&payment.psbt.unsigned_tx);
            }
        }
        Step::Select { amount, channel, seed } => {
            let request = SelectRequest {
                amount: sats(amount),
                other_weight: bitcoin::Weight::from_wu(214),
                fee_rate: FeeRate::from_sat_per_kvb(3_000),
                keep: Sats::ZERO,
                inputs_max: 20,
                entropy: [seed; 32],
            };
            if let Ok((_, change)) = world.wallet.select(&request, opening(channel)) {
                world.keep(change);
            }
        }
        Step::Release { channel } => {
            let change = world.wallet.release(opening(channel));
            world.keep(change);
        }
        Step::Forget => {
            let Some(tx) = world.wallet.unconfirmed().first().cloned() else { return };
            let change = world.wallet.forget_unconfirmed(tx.compute_txid(), world.now);
            world.keep(change);
        }
        Step::Restart => world.restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_the_wallet_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            take(&mut world, step);
            assert_eq!(world.log, world.wallet.state(), "fold(log) = state");
        }
        world.check_law();
        let held = world.wallet.purposes().into_iter().flat_map(|p| world.wallet.reserved(p));
        let held: Vec<_> = held.collect();
        for coin in world.wallet.confirmed_coins() {
            assert!(!held.contains(&coin.outpoint), "{} is held and free", coin.outpoint);
        }
    }
}
