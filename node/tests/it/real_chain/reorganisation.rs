//! Six blocks are replaced: around the funding the channel waits again, around the close its coins do.

use strait_api_types::{ChannelOutcome, ChannelPhase, CloseMode, EventKind};

use super::world::{FINAL_BLOCKS, World, events, pay};
use crate::nodes::Node;

/// How many blocks are replaced: as many as make a transaction final, the one under test among them with one less.
const REPLACED_BLOCKS: u64 = 6;

/// How often a node has told that the channel's funding output was spent.
async fn times_closed(node: &Node) -> usize {
    let told = events(node).await;
    told.iter().filter(|kind| matches!(kind, EventKind::ChannelClosed { .. })).count()
}

/// How many blocks a node has told to have left the chain.
async fn blocks_lost(node: &Node) -> u64 {
    let told = events(node).await;
    let lost = told.iter().filter(|kind| matches!(kind, EventKind::BlockDisconnected { .. }));
    u64::try_from(lost.count()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_around_the_funding_makes_the_channel_wait_and_open_again() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    pay(&mut world.alice, id, 1_000, 10).await;
    world.mine(REPLACED_BLOCKS - 3).await;
    world.reorganise(REPLACED_BLOCKS).await;
    world.both_reach(id, ChannelPhase::AwaitingFunding).await;
    assert_eq!(blocks_lost(&world.alice).await, REPLACED_BLOCKS);
    world.unconfirmed(channel.funding_txid.as_deref().unwrap()).await;
    world.mine(3).await;
    world.both_reach(id, ChannelPhase::Open).await;
    // What was paid before is still paid, and both can pay again.
    pay(&mut world.bob, id, 1_000, 1).await;
    pay(&mut world.alice, id, 1_000, 1).await;
    assert_eq!(world.bob.channel(id).await.holder_balance_msat, 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_around_the_close_takes_the_coins_back_until_it_is_mined_again() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    pay(&mut world.alice, id, 1_000_000, 1_000).await;
    let key = world.bob.key();
    let closing = world.bob.client().close_channel(&key, id, CloseMode::Cooperative).await.unwrap();
    let closing = world.unconfirmed(closing.closing_txid.as_deref().unwrap()).await;
    world.mine(1).await;
    let with_close = World::funds_sat() + 1_000_000;
    assert_eq!(world.bob.confirmed_sat().await, with_close);
    // The closing transaction has six blocks, and all six go.
    world.mine(REPLACED_BLOCKS - 1).await;
    world.reorganise(REPLACED_BLOCKS).await;
    world.both_reach(id, ChannelPhase::Closing).await;
    assert_eq!(world.bob.confirmed_sat().await, World::funds_sat());
    world.unconfirmed(&closing.txid).await;
    world.mine(FINAL_BLOCKS).await;
    for node in [&world.alice, &world.bob] {
        assert_eq!(world.resolved(node, id).await, ChannelOutcome::Cooperative);
        assert_eq!(times_closed(node).await, 2, "closed, reorganised, closed again");
    }
    assert_eq!(world.bob.confirmed_sat().await, with_close);
}
