//! What a user may ask the wallet to pay.

use strait_primitives::{FeeRate, Sats};

use crate::rig::{CAPACITY, Rig, connect, key};
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
