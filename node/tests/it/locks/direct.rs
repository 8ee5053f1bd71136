//! A lock between two nodes.

use strait_api_types::{EventKind, LockCancelReason, LockRole, LockState, LockStep};
use strait_client::ClientError;
use tempfile::TempDir;

use super::{Secret, TestDevnetRef, has, height, lock_of, mine, on_devnet, row};
use crate::nodes::{Node, until};
use crate::real_chain::world::events;

const AMOUNT_MSAT: u64 = 5_000_000;
/// Blocks until the expiry: what the receiver needs is 42, two margins and its delay.
const LEAD: u32 = 100;

/// What a node has in its channel.
async fn balance_msat(node: &Node, channel: &str) -> u64 {
    node.channel(channel).await.holder_balance_msat
}

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Refused { error, .. }) => {
            assert!(!error.hint.is_empty(), "{error:?}");
            format!("{} {}", error.code, error.message)
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Bob holds a lock across a restart, refuses what does not open it, and has the money once he shows what does.
#[test]
fn a_lock_is_held_across_a_restart_and_claimed_by_its_preimage_alone() {
    on_devnet(hold_and_claim);
}

async fn hold_and_claim(devnet: TestDevnetRef, folder: TempDir) {
    let (mut nodes, channels) = row::<2>(&devnet, folder.path()).await;
    let [alice, bob] = nodes.get_disjoint_mut([0, 1]).unwrap();
    let channel = channels[0].as_str();
    let (secret, before) = (Secret::new(), balance_msat(alice, channel).await);
    let (key, tip) = (alice.key(), height(alice).await);
    let request = lock_of(channel, AMOUNT_MSAT, &secret, tip + LEAD, Vec::new());
    let offered = alice.client().offer_lock(&key, &request).await.unwrap();
    assert_eq!((offered.state, offered.role), (LockState::Standing, LockRole::Payer));
    assert_eq!(alice.client().offer_lock(&key, &request).await.unwrap(), offered, "asked again");
    assert_eq!(balance_msat(alice, channel).await, before - AMOUNT_MSAT);

    let held = has(bob.client(), &secret.hash, LockState::Held).await;
    assert_eq!((held.amount_msat, held.expiry), (AMOUNT_MSAT, tip + LEAD));
    bob.tells("strait_locks{state=\"held\"}", 1).await;
    bob.tells("strait_locks_value_sat{direction=\"received\"}", AMOUNT_MSAT / 1_000).await;
    bob.kill();
    bob.restart().await;
    let (claim_key, wrong_key) = (bob.key(), bob.key());
    let wrong = bob.client().claim_lock(&wrong_key, &held.lock_id, &Secret::new().claim).await;
    assert!(code(wrong).starts_with("WRONG_PREIMAGE"));
    let claimed = bob.client().claim_lock(&claim_key, &held.lock_id, &secret.claim).await.unwrap();
    assert_eq!(
        (claimed.state, balance_msat(bob, channel).await),
        (LockState::Claimed, AMOUNT_MSAT)
    );
    let again = bob.client().claim_lock(&claim_key, &held.lock_id, &secret.claim).await.unwrap();
    assert_eq!(again, claimed);
    let receipt = has(alice.client(), &secret.hash, LockState::Claimed).await;
    assert_eq!(receipt.preimage, Some(secret.claim.preimage.clone()));
    both_told_it(alice, bob, &offered.lock_id, &held.lock_id).await;
    for node in [alice, bob] {
        let words = node.words();
        assert!(!words.contains(&secret.claim.preimage.0), "a preimage is in the log of {words}");
    }
}

/// The events of both tell the lock's life.
async fn both_told_it(alice: &Node, bob: &Node, sent: &str, received: &str) {
    let steps = async |node: &Node, lock: &str| {
        let page = node.client().events_page(1, 1_000).await.unwrap().events;
        let changes = page.into_iter().flat_map(|event| event.locks);
        changes.filter(|change| change.lock_id == lock).map(|change| change.step).collect()
    };
    until("both tell the lock's life", async || {
        let told: [Vec<LockStep>; 2] = [steps(alice, sent).await, steps(bob, received).await];
        (told == [[LockStep::Added, LockStep::Claimed], [LockStep::Added, LockStep::Claimed]])
            .then_some(())
    })
    .await;
    let decided = events(bob).await;
    for kind in [
        EventKind::LockHeld { lock_id: received.to_owned() },
        EventKind::LockClaiming { lock_id: received.to_owned() },
    ] {
        assert!(decided.contains(&kind), "{decided:?}");
    }
}

/// Bob gives one lock back by himself; the next goes back when its expiry comes near. What cannot be offered is refused
/// with what could be.
#[test]
fn a_lock_that_is_declined_or_forgotten_goes_back_and_a_bad_one_is_never_offered() {
    on_devnet(give_back);
}

async fn give_back(devnet: TestDevnetRef, folder: TempDir) {
    let (mut nodes, channels) = row::<2>(&devnet, folder.path()).await;
    let [alice, bob] = nodes.get_disjoint_mut([0, 1]).unwrap();
    let channel = channels[0].as_str();
    let (before, tip) = (balance_msat(alice, channel).await, height(alice).await);
    refuses_what_cannot_be(alice, channel, tip).await;

    let (key, declined) = (alice.key(), Secret::new());
    let request = lock_of(channel, AMOUNT_MSAT, &declined, tip + LEAD, Vec::new());
    alice.client().offer_lock(&key, &request).await.unwrap();
    let held = has(bob.client(), &declined.hash, LockState::Held).await;
    let key = bob.key();
    let cancelled = bob.client().cancel_lock(&key, &held.lock_id).await.unwrap();
    assert_eq!(cancelled.reason, Some(LockCancelReason::Declined));
    let (key, claim) = (bob.key(), declined.claim.clone());
    let late = bob.client().claim_lock(&key, &held.lock_id, &claim).await;
    assert!(code(late).starts_with("LOCK_NOT_HELD"));
    let back = has(alice.client(), &declined.hash, LockState::Cancelled).await;
    assert_eq!(back.reason, Some(LockCancelReason::Declined));

    let (key, forgotten) = (alice.key(), Secret::new());
    let request = lock_of(channel, AMOUNT_MSAT, &forgotten, tip + LEAD, Vec::new());
    alice.client().offer_lock(&key, &request).await.unwrap();
    has(bob.client(), &forgotten.hash, LockState::Held).await;
    mine(&devnet, u64::from(LEAD) - 20);
    let back = has(alice.client(), &forgotten.hash, LockState::Cancelled).await;
    assert_eq!(back.reason, Some(LockCancelReason::Expired));
    assert_eq!(balance_msat(alice, channel).await, before);
    bob.tells("strait_locks_returned_total{reason=\"expired\"}", 2).await;
}

async fn refuses_what_cannot_be(alice: &mut Node, channel: &str, tip: u32) {
    let rows = [
        (AMOUNT_MSAT, tip + 5, "EXPIRY_OUT_OF_RANGE", format!("{} to {}", tip + 19, tip + 2_016)),
        (AMOUNT_MSAT, tip + 3_000, "EXPIRY_OUT_OF_RANGE", format!("to {}", tip + 2_016)),
        (999_999, tip + LEAD, "INVALID_FIELD", "the smallest allowed is".to_owned()),
        (20_000_000_000, tip + LEAD, "INSUFFICIENT_BALANCE", "can be spent".to_owned()),
    ];
    for (amount_msat, expiry, expected, words) in rows {
        let key = alice.key();
        let request = lock_of(channel, amount_msat, &Secret::new(), expiry, Vec::new());
        let said = code(alice.client().offer_lock(&key, &request).await);
        assert!(said.starts_with(expected) && said.contains(&words), "{amount_msat}: {said}");
    }
    let unknown = format!("{channel}-received-9");
    assert!(code(alice.client().lock(&unknown).await).starts_with("LOCK_NOT_FOUND"));
    let key = alice.key();
    let request = lock_of(channel, AMOUNT_MSAT, &Secret::new(), tip + LEAD, Vec::new());
    let first = alice.client().offer_lock(&key, &request).await.unwrap();
    let other = lock_of(channel, AMOUNT_MSAT, &Secret::new(), tip + LEAD, Vec::new());
    let reused = alice.client().offer_lock(&key, &other).await;
    assert!(code(reused).starts_with("IDEMPOTENCY_KEY_REUSED"));
    let key = alice.key();
    let own = alice.client().cancel_lock(&key, &first.lock_id).await;
    assert!(code(own).starts_with("LOCK_NOT_HELD"));
}
