//! What a user may ask the wallet to pay.

use bitcoin::{Address, Network};
use strait_primitives::{FeeRate, Sats};

use crate::rig::{CAPACITY, Rig, connect, key, open};
use crate::{Answer, Command, CommandError, Input, SendAmount};

/// A payment or a funding that pays less than nodes relay never leaves, and its coins are spent for ever; a user's rate
/// also went beyond the operator's bound.
#[test]
fn a_rate_that_no_node_relays_or_no_operator_allows_is_refused() {
    let (mut rig, mut peer) = (Rig::new(1, 4), Rig::new(2, 3));
    connect(&mut rig, &mut peer);
    let max = rig.engine.config().fee_rate_max.to_sat_per_kvb();
    let mut number = 0;
    let mut check = |rate: u64, allowed: bool| {
        number += 2;
        let fee_rate = Some(FeeRate::from_sat_per_kvb(rate));
        let send = Command::SendCoins {
            key: key(number),
            address: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".into(),
            amount: SendAmount::Exactly(Sats::from_const(10_000)),
            fee_rate,
        };
        let open = Command::OpenChannel {
            key: key(number + 1),
            node: peer.node(),
            capacity: CAPACITY,
            fee_rate,
        };
        for command in [send, open] {
            let answer = rig.ask(command);
            let is_refused = matches!(answer, Some(Err(CommandError::FeeRate { .. })));
            assert_eq!(is_refused, !allowed, "{rate}: {answer:?}");
        }
    };
    check(0, false);
    check(999, false);
    check(1_000, true);
    check(max, true);
    check(max + 1, false);
}

#[test]
fn an_estimate_below_what_nodes_relay_is_not_followed() {
    let mut rig = Rig::new(1, 4);
    rig.take(Input::FeeEstimate(FeeRate::from_sat_per_kvb(100)));
    let answer = rig.ask(Command::SendCoins {
        key: key(1),
        address: "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".into(),
        amount: SendAmount::Exactly(Sats::from_const(10_000)),
        fee_rate: None,
    });
    let Some(Ok(Answer::Sent { fee, .. })) = answer else { panic!("{answer:?}") };
    let sent = rig.sent().concat().pop().expect("it leaves");
    assert!(fee.to_sat() >= u64::try_from(sent.vsize()).unwrap());
}

/// What a payment left for closes was its own change, which no child may spend before it is mined. A wallet of one coin
/// now splits it first.
#[test]
fn a_single_coin_is_kept_for_closes_until_it_is_split() {
    let (mut rig, mut peer) = (Rig::new(1, 1), Rig::new(2, 3));
    open(&mut rig, &mut peer);
    let send = |rig: &mut Rig, number: u8, address: String| {
        let amount = SendAmount::Exactly(Sats::from_const(100_000));
        let answer =
            rig.ask(Command::SendCoins { key: key(number), address, amount, fee_rate: None });
        answer.expect("it is answered at once")
    };
    let foreign = || "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".to_owned();
    assert!(matches!(send(&mut rig, 20, foreign()), Err(CommandError::Funds(_))));
    let Some(Ok(Answer::Address(script))) = rig.ask(Command::NewAddress) else { panic!("one") };
    rig.sent();
    let own = Address::from_script(&script, Network::Regtest).unwrap().to_string();
    assert!(matches!(send(&mut rig, 21, own), Ok(Answer::Sent { .. })));
    let split = rig.sent().concat();
    assert!(matches!(send(&mut rig, 22, foreign()), Err(CommandError::Funds(_))), "not mined yet");
    rig.mine(split);
    assert!(matches!(send(&mut rig, 23, foreign()), Ok(Answer::Sent { .. })));
    let view = rig.engine.wallet_view();
    assert!(view.reserve_funds >= view.fee_reserve, "one of the two stays");
}
