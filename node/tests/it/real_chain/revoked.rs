//! A revoked commitment is broadcast, and punished.
//!
//! No production build can broadcast one, and none has a door to make it: the cheater here is a node that runs on a
//! copy of its folder from before its last payments, out of its peer's reach, and closes in good faith.

use strait_api_types::{ChannelOutcome, CloseMode};

use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, mine, pay};
use crate::nodes::Node;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_broadcasts_a_revoked_commitment_loses_everything_in_the_channel() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    let funding = world.seen(channel.funding_txid.as_deref().unwrap());
    pay(&mut world.alice, id, 1_000_000, 1_000).await;
    world.alice.kill();
    let old = world.alice.copy_folder();
    world.alice.restart().await;
    world.alice.connect(&world.bob).await;
    pay(&mut world.alice, id, 1_000_000, 4_000).await;
    assert_eq!(world.bob.channel(id).await.holder_balance_msat, 5_000_000_000);
    world.alice.stop().await;
    world.bob.stop().await;

    let backend = world.alice.backend().clone();
    let mut cheater = Node::start_in(old, &backend).await;
    let key = cheater.key();
    cheater.client().close_channel(&key, id, CloseMode::Force).await.unwrap();
    let revoked = world.unconfirmed_spender(&funding.txid).await;
    assert!(revoked.outputs_sat.contains(&(CAPACITY_SAT - 1_000_000)), "{revoked:?}");
    let child = world.unconfirmed_spender(&revoked.txid).await;
    cheater.kill();
    world.bob.restart().await;
    mine(&world.bitcoind, 1);
    world.bob.follows().await;

    let penalty = world.unconfirmed_spender(&revoked.txid).await;
    assert_ne!(penalty.txid, child.txid);
    world.bob.tells("strait_channel_funding_spent_total{by=\"counterparty_revoked\"}", 1).await;
    world.bob.tells("strait_claims_pending", u64::try_from(penalty.spends.len()).unwrap()).await;
    world.judge.learn(&world.bitcoind.client());
    world.judge.accepts(&penalty.hex);
    mine(&world.bitcoind, FINAL_BLOCKS);
    assert_eq!(world.resolved(&world.bob, id).await, ChannelOutcome::Penalty);
    world.bob.follows().await;
    world
        .bob
        .tells("strait_penalty_outputs_total", u64::try_from(penalty.spends.len()).unwrap())
        .await;
    world.bob.tells("strait_claims_pending", 0).await;
    world.bob.tells("strait_channels_settled_total", 1).await;
    // The honest side has its own balance of then, and all of the cheater's, less the fee of taking it.
    let all_sat = World::funds_sat() + CAPACITY_SAT - world.fee_sat(&penalty);
    assert_eq!(world.bob.confirmed_sat().await, all_sat);
}
