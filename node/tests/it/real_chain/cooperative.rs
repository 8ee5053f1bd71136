//! The good life of a channel: opened, used by both sides, closed by agreement, and the coins exact to the satoshi.

use strait_api_types::{ChannelOutcome, ChannelPhase, CloseMode};

use super::metered;
use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, mine, pay};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_payments_and_a_contract_close_to_the_satoshi() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    let funding = world.seen(channel.funding_txid.as_deref().unwrap());
    // 10,000 payments: 4,096 + 4,000 and 4 single ones from the opener, 1,896 and 4 single ones from the acceptor.
    pay(&mut world.alice, id, 1_000_000, 4_096).await;
    pay(&mut world.bob, id, 500_000, 1_896).await;
    pay(&mut world.alice, id, 1_000, 4_000).await;
    for _ in 0..4 {
        pay(&mut world.alice, id, 7_000, 1).await;
        pay(&mut world.bob, id, 5_000, 1).await;
    }
    let contract = metered::open_and_use(&mut world, id).await;
    metered::settle(&mut world, &contract).await;
    let to_bob_msat = 4_096 * 1_000_000 + 4_000 * 1_000 + 4 * 7_000 + metered::SPENT_MSAT;
    let bob_msat = to_bob_msat - 1_896 * 500_000 - 4 * 5_000;
    let alice_msat = CAPACITY_SAT * 1_000 - bob_msat;
    let (alice_sees, bob_sees) = (world.alice.channel(id).await, world.bob.channel(id).await);
    assert_eq!(alice_sees.holder_balance_msat, alice_msat);
    assert_eq!(alice_sees.counterparty_balance_msat, bob_msat);
    assert_eq!(bob_sees.holder_balance_msat, bob_msat);
    assert_eq!(bob_sees.counterparty_balance_msat, alice_msat);

    let key = world.alice.key();
    let closing = world.alice.client().close_channel(&key, id, CloseMode::Cooperative).await;
    let closing = world.unconfirmed(closing.unwrap().closing_txid.as_deref().unwrap()).await;
    assert_eq!(closing.spends, [funding.txid.as_str()]);
    world.judge.learn(&world.bitcoind.client());
    world.judge.accepts(&closing.hex);
    world.both_reach(id, ChannelPhase::Closing).await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    for node in [&world.alice, &world.bob] {
        assert_eq!(world.resolved(node, id).await, ChannelOutcome::Cooperative);
        node.follows().await;
    }
    // The opener has more and pays the fee of the closing; that of the funding it has paid before.
    let fees_sat = world.fee_sat(&funding) + world.fee_sat(&closing);
    let funds_sat = World::funds_sat();
    assert_eq!(world.bob.confirmed_sat().await, funds_sat + bob_msat / 1_000);
    assert_eq!(world.alice.confirmed_sat().await, funds_sat - bob_msat / 1_000 - fees_sat);
}
