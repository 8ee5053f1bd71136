//! Locks whose other side is gone: the chain settles them, at their deadlines, on Bitcoin Core.

use strait_api_types::{EventKind, Lock, LockState};
use strait_client::IdempotencyKey;

use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, events, mine, pay};
use crate::locks::{Secret, has, height, lock_of};
use crate::nodes::{Node, until};

/// What the lock holds.
const LOCK_SAT: u64 = 2_000_000;
/// What Bob has beside it.
const BOB_SAT: u64 = 3_000_000;
/// Blocks until the expiry.
const LEAD: u32 = 60;
/// Blocks before the expiry by which who knows the preimage closes: its delay of 6 and the margin of 18.
const SETTLE_WITHIN: u32 = 24;
/// What all transactions of a close may cost: each has some hundred bytes, and nobody else wants block space.
const FEES_SAT_MAX: u64 = 100_000;
/// Blocks within which everything of a close must be settled and forgotten.
const BLOCKS_MAX: u32 = 60;

/// Alice offers Bob a lock, and he holds it.
async fn held(world: &mut World, channel: &str, secret: &Secret) -> Lock {
    pay(&mut world.alice, channel, BOB_SAT * 1_000, 1).await;
    let (key, tip) = (world.alice.key(), height(&world.alice).await);
    let request = lock_of(channel, LOCK_SAT * 1_000, secret, tip + LEAD, Vec::new());
    world.alice.client().offer_lock(&key, &request).await.unwrap();
    has(world.bob.client(), &secret.hash, LockState::Held).await
}

/// Mines block after block, each seen by the nodes that live, until a node knows of a lock in a state.
async fn mine_until(world: &World, living: &[&Node], secret: &Secret, state: LockState) -> Lock {
    let filter = strait_client::LockFilter { state: Some(state), ..Default::default() };
    for _ in 0..BLOCKS_MAX {
        mine(&world.bitcoind, 1);
        for node in living {
            node.follows().await;
        }
        let locks = living[0].client().locks(&filter).await.unwrap().locks;
        if let Some(lock) = locks.into_iter().find(|lock| lock.payment_hash == secret.hash) {
            return lock;
        }
    }
    panic!("not {} within {BLOCKS_MAX} blocks: {}", state.as_str(), living[0].output());
}

fn is_near(actual_sat: u64, without_fees_sat: u64) {
    let least = without_fees_sat - FEES_SAT_MAX;
    assert!((least..=without_fees_sat).contains(&actual_sat), "{actual_sat} of {without_fees_sat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_nobody_claims_comes_back_from_the_chain_after_its_expiry() {
    let Some(mut world) = World::start().await else { return };
    let id = world.open_channel().await.channel_id;
    let secret = Secret::new();
    let lock = held(&mut world, &id, &secret).await;
    world.bob.kill();
    let blocks = u64::from(lock.expiry - height(&world.alice).await);
    mine(&world.bitcoind, blocks - 1);
    world.alice.follows().await;
    assert_eq!(world.mempool().len(), 0, "before its expiry a lock is not taken back");
    mine(&world.bitcoind, 1);
    world.alice.tells("strait_force_closes_total{reason=\"deadline\"}", 1).await;
    until("the commitment is on its way", async || (!world.mempool().is_empty()).then_some(()))
        .await;
    let back = mine_until(&world, &[&world.alice], &secret, LockState::Expired).await;
    assert_eq!(back.preimage, None);
    let told = events(&world.alice).await;
    let expired = EventKind::LockExpired { lock_id: back.lock_id };
    assert!(told.contains(&expired), "{told:?}");
    mine(&world.bitcoind, 2 * FINAL_BLOCKS);
    world.alice.follows().await;
    is_near(world.alice.confirmed_sat().await, World::funds_sat() - BOB_SAT);
    // Bob comes back to a channel that is long over, and has what was his.
    world.bob.restart().await;
    world.bob.follows().await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    world.both_follow().await;
    assert_eq!(world.bob.confirmed_sat().await, World::funds_sat() + BOB_SAT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_peer_is_gone_is_made_on_chain_and_shows_the_peer_the_preimage() {
    let Some(mut world) = World::start().await else { return };
    let id = world.open_channel().await.channel_id;
    let secret = Secret::new();
    let lock = held(&mut world, &id, &secret).await;
    world.alice.kill();
    let (client, claim, name) =
        (world.bob.client().clone(), secret.claim.clone(), lock.lock_id.clone());
    // It is answered when the lock is over, or not at all: what counts is what the chain does.
    let asking = tokio::spawn(async move {
        let key = IdempotencyKey::new("claim").unwrap();
        client.claim_lock(&key, &name, &claim).await
    });
    has(world.bob.client(), &secret.hash, LockState::Claiming).await;
    let blocks = lock.expiry - SETTLE_WITHIN - height(&world.bob).await;
    mine(&world.bitcoind, u64::from(blocks) - 1);
    world.bob.follows().await;
    assert_eq!(world.mempool().len(), 0, "as long as there is time the peer may come back");
    mine(&world.bitcoind, 1);
    world.bob.tells("strait_force_closes_total{reason=\"deadline\"}", 1).await;
    until("the commitment is on its way", async || (!world.mempool().is_empty()).then_some(()))
        .await;
    let claimed = mine_until(&world, &[&world.bob], &secret, LockState::Claimed).await;
    assert_eq!(claimed.lock_id, lock.lock_id);
    let told = events(&world.bob).await;
    let on_chain = EventKind::LockClaimedOnChain { lock_id: claimed.lock_id };
    assert!(told.contains(&on_chain), "{told:?}");
    is_near(world.bob.confirmed_sat().await, World::funds_sat() + BOB_SAT + LOCK_SAT);
    asking.abort();
    // Alice was away all the time: the chain shows her the receipt, and pays what is hers.
    world.alice.restart().await;
    world.alice.follows().await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    world.both_follow().await;
    let receipt = has(world.alice.client(), &secret.hash, LockState::Claimed).await;
    assert_eq!(receipt.preimage, Some(secret.claim.preimage));
    is_near(world.alice.confirmed_sat().await, World::funds_sat() - BOB_SAT - LOCK_SAT);
    const { assert!(BOB_SAT + LOCK_SAT < CAPACITY_SAT) };
}
