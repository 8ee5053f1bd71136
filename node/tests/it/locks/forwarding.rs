//! A lock over two channels: Alice pays Carol through Bob, whatever becomes of Bob's process on the way.

use std::time::Duration;

use strait_api_types::{
    EventKind, Lock, LockCancelReason, LockHop, LockRole, LockState, OfferLockRequest,
};
use strait_client::{Client, ClientError, IdempotencyKey, Outcome};
use tempfile::TempDir;
use tokio::time::sleep;

use super::steps::{STEPS, Step, Witness};
use super::{Secret, TestDevnetRef, has, height, lock_of, on_devnet, row};
use crate::nodes::{Node, until};
use crate::real_chain::world::events;

/// What Carol gets each time.
const AMOUNT_MSAT: u64 = 5_000_000;
/// What Bob takes for it: 1,000 and a thousandth.
const FEE_MSAT: u64 = 6_000;
/// Blocks that Carol's lock leads, and those that Bob needs on top: two delays of 6 and two margins of 18.
const LEAD: u32 = 80;
const BETWEEN: u32 = 48;
/// Attempts of a request whose node is dead or busy, and the pause between two.
const ATTEMPTS_MAX: u32 = 1_200;
const PAUSE: Duration = Duration::from_millis(50);
/// Looks at Bob's log: one each millisecond, for a minute.
const LOOKS_MAX: u32 = 60_000;

/// What each of the three has in its channels: Alice, Bob towards Alice, Bob towards Carol, Carol.
async fn balances(nodes: &[Node], channels: &[String]) -> [u64; 4] {
    let of = async |node: usize, channel: usize| {
        nodes[node].channel(&channels[channel]).await.holder_balance_msat
    };
    [of(0, 0).await, of(1, 0).await, of(1, 1).await, of(2, 1).await]
}

/// Alice's lock for Carol.
fn through_bob(nodes: &[Node], channels: &[String], secret: &Secret, tip: u32) -> OfferLockRequest {
    let carol = nodes[2].id().to_owned();
    let hop = LockHop { node_id: carol, amount_msat: AMOUNT_MSAT, expiry: tip + LEAD };
    lock_of(&channels[0], AMOUNT_MSAT + FEE_MSAT, secret, tip + LEAD + BETWEEN, vec![hop])
}

/// Asks until there is an answer, under one key.
async fn until_answered<T>(ask: impl AsyncFn() -> Result<T, ClientError>) -> T {
    for _ in 0..ATTEMPTS_MAX {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => match error.outcome() {
                Outcome::Unknown | Outcome::NotReached => sleep(PAUSE).await,
                Outcome::NotSent | Outcome::Refused => panic!("{error:?}"),
            },
        }
    }
    panic!("no answer");
}

/// Carol claims as soon as she has something to claim.
async fn claim_when_held(carol: &Client, secret: &Secret) -> Lock {
    let held = has(carol, &secret.hash, LockState::Held).await;
    let key = IdempotencyKey::new(format!("claim-{}", secret.hash)).unwrap();
    until_answered(async || carol.claim_lock(&key, &held.lock_id, &secret.claim).await).await
}

/// Waits until Bob's log has a step, then ends his process and starts another.
async fn kill_at(bob: &mut Node, witness: &mut Witness, step: Step) {
    for _ in 0..LOOKS_MAX {
        if witness.look().unwrap() >= step {
            bob.kill();
            bob.restart().await;
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("{step:?} does not come: {}", bob.output());
}

/// Goal: at no moment does the death of the node in the middle lose anybody's money, or the payment.
/// Method: once for each step that Bob writes on the way, his process is killed as soon as the step is on disk. Then
/// Carol must have her amount, Bob his fee, and Alice the receipt, to the millisatoshi.
#[test]
fn a_lock_is_passed_on_and_paid_whenever_the_node_in_the_middle_is_killed() {
    on_devnet(kill_the_middle);
}

async fn kill_the_middle(devnet: TestDevnetRef, folder: TempDir) {
    let (mut nodes, channels) = row::<3>(&devnet, folder.path()).await;
    let tip = height(&nodes[0]).await;
    for step in STEPS {
        let [alice, bob_in, bob_out, carol] = balances(&nodes, &channels).await;
        let secret = Secret::new();
        let request = through_bob(&nodes, &channels, &secret, tip);
        let mut witness = Witness::of(&nodes[1].data_dir());
        let (key, payer) = (nodes[0].key(), nodes[0].client().clone());
        let payee = nodes[2].client().clone();
        let (offered, claimed, ()) = tokio::join!(
            until_answered(async || payer.offer_lock(&key, &request).await),
            claim_when_held(&payee, &secret),
            kill_at(&mut nodes[1], &mut witness, step),
        );
        assert_eq!(claimed.state, LockState::Claimed);
        let receipt = has(nodes[0].client(), &secret.hash, LockState::Claimed).await;
        assert_eq!(receipt.lock_id, offered.lock_id);
        assert_eq!(receipt.preimage, Some(secret.claim.preimage.clone()));
        let paid = AMOUNT_MSAT + FEE_MSAT;
        let expected = [alice - paid, bob_in + paid, bob_out - AMOUNT_MSAT, carol + AMOUNT_MSAT];
        until(&format!("{step:?}: the balances are {expected:?}"), async || {
            (balances(&nodes, &channels).await == expected).then_some(())
        })
        .await;
        until("nothing is left over", async || {
            let mut left = 0;
            for channel in &channels {
                left += nodes[1].channel(channel).await.locks;
            }
            (left == 0).then_some(())
        })
        .await;
    }
    let told = events(&nodes[1]).await;
    let forwarded = told.iter().filter(|kind| matches!(kind, EventKind::LockForwarding { .. }));
    assert_eq!(forwarded.count(), STEPS.len());
}

/// What Carol declines comes all the way back; what Bob will not or cannot pass on comes back from him, with the reason.
#[test]
fn a_lock_that_ends_anywhere_on_its_way_comes_all_the_way_back() {
    on_devnet(come_back);
}

async fn come_back(devnet: TestDevnetRef, folder: TempDir) {
    let (mut nodes, channels) = row::<3>(&devnet, folder.path()).await;
    let (before, tip) = (balances(&nodes, &channels).await, height(&nodes[0]).await);
    let secret = Secret::new();
    let (key, request) = (nodes[0].key(), through_bob(&nodes, &channels, &secret, tip));
    nodes[0].client().offer_lock(&key, &request).await.unwrap();
    let held = has(nodes[2].client(), &secret.hash, LockState::Held).await;
    let passed = has(nodes[1].client(), &secret.hash, LockState::Forwarding).await;
    assert_eq!(passed.role, LockRole::Forwarder);
    let onward = nodes[1].client().lock(passed.forwarded_to.as_deref().unwrap()).await.unwrap();
    assert_eq!(onward.forwarded_from, Some(passed.lock_id));
    let key = nodes[2].key();
    nodes[2].client().cancel_lock(&key, &held.lock_id).await.unwrap();
    let back = has(nodes[0].client(), &secret.hash, LockState::Cancelled).await;
    assert_eq!(back.reason, Some(LockCancelReason::Downstream));

    let stranger = format!("02{}", "ab".repeat(32));
    type Change = fn(&mut OfferLockRequest, String);
    let rows: [(Change, LockCancelReason); 3] = [
        (|lock, _| lock.amount_msat -= 1, LockCancelReason::Terms),
        (|lock, _| lock.expiry -= 1, LockCancelReason::Terms),
        (|lock, stranger| lock.route[0].node_id = stranger, LockCancelReason::NoRoute),
    ];
    for (change, reason) in rows {
        let secret = Secret::new();
        let (key, mut request) = (nodes[0].key(), through_bob(&nodes, &channels, &secret, tip));
        change(&mut request, stranger.clone());
        nodes[0].client().offer_lock(&key, &request).await.unwrap();
        let back = has(nodes[0].client(), &secret.hash, LockState::Cancelled).await;
        assert_eq!(back.reason, Some(reason));
    }
    assert_eq!(balances(&nodes, &channels).await, before);
}
