//! Nodes on backups and copies: what they refuse, how each choice of the operator ends, and who is paid.
//!
//! The backups are made by `strait backup` while the node runs, and come back by `strait restore` or a plain copy.

use std::fs;
use std::path::{Path, PathBuf};

use strait_api_types::{
    ChannelOutcome, ChannelPhase, CloseMode, ErrorCode, PaymentRequest, RecoverRequest, Recovery,
    RecoveryDoubt,
};
use strait_client::ClientError;

use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, mine, pay};
use crate::nodes::{Node, until};
use crate::processes::strait;

/// What all transactions of a close may cost together.
const FEES_SAT_MAX: u64 = 40_000;

/// Copies the log of a node that runs.
fn back_up(node: &Node, name: &str) -> PathBuf {
    let file = node.data_dir().with_file_name(name);
    let made = strait().args(["backup", "--config"]).arg(node.config()).arg(&file).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}

/// The disk is gone, but for the seed: what the operator puts back.
fn lose_disk(node: &mut Node) {
    node.kill();
    for entry in fs::read_dir(node.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap().to_str().unwrap() {
            "seed" => {}
            _ if path.is_dir() => fs::remove_dir_all(path).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
    }
}

/// Runs `strait restore`; its exit code and its words.
fn restore(node: &Node, file: &Path) -> (Option<i32>, String) {
    let run = strait().args(["restore", "--config"]).arg(node.config()).arg(file).output().unwrap();
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    match answer {
        Err(ClientError::Refused { error, .. }) => error.code,
        other => panic!("{other:?}"),
    }
}

/// What the node knows of a channel, once its peer has told where it is.
async fn told(node: &Node, id: &str) -> Recovery {
    until("the peer has told where it is", async || {
        let list = node.client().recoveries().await.unwrap().channels;
        let channel = list.into_iter().find(|known| known.channel_id == id)?;
        channel.close_brings_sat.is_some().then_some(channel)
    })
    .await
}

/// Goal: nothing old leaves a restored node, and each choice brings what it promises. Method: three channels, of which
/// two are used after the backup, and one choice for each.
#[tokio::test(flavor = "multi_thread")]
async fn each_choice_for_a_restored_channel_ends_with_the_right_amounts() {
    let Some(mut world) = World::start().await else { return };
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = world.open_channel().await.channel_id;
        pay(&mut world.alice, &id, 1_000_000, 1_000).await;
        ids.push(id);
    }
    let [asked, approved, accepted] = ids.try_into().unwrap();
    let file = back_up(&world.alice, "monday.db");
    for id in [&asked, &approved] {
        pay(&mut world.alice, id, 1_000_000, 500).await;
    }
    let (code, words) = restore(&world.alice, &file);
    assert_eq!(code, Some(1), "a folder with a log takes none: {words}");
    lose_disk(&mut world.alice);
    let (code, words) = restore(&world.alice, &file);
    assert_eq!(code, Some(0), "{words}");
    world.alice.restart().await;
    world.alice.tells("strait_channels{state=\"quarantined\"}", 3).await;

    let node = &mut world.alice;
    for id in [&asked, &approved, &accepted] {
        let (pay_key, close_key) = (node.key(), node.key());
        let payment = PaymentRequest::single(id.clone(), 1_000);
        assert_eq!(refusal(node.client().pay(&pay_key, &payment).await), ErrorCode::Quarantined);
        let close = node.client().close_channel(&close_key, id, CloseMode::Force).await;
        assert_eq!(refusal(close), ErrorCode::Quarantined);
    }
    let mut seen = Vec::new();
    for id in [&asked, &approved, &accepted] {
        seen.push(told(node, id).await);
        assert_eq!(world.bob.channel(id).await.phase, ChannelPhase::Open, "the peer waits");
    }
    let doubts: Vec<RecoveryDoubt> = seen.iter().map(|recovery| recovery.doubt).collect();
    assert_eq!(doubts, [RecoveryDoubt::Outdated, RecoveryDoubt::Outdated, RecoveryDoubt::Restored]);
    assert_eq!(seen[1].holder_balance_msat, (CAPACITY_SAT - 1_000_000) * 1_000, "of the backup");
    assert!(world.mempool().is_empty(), "nothing has left");

    choose(&mut world.alice, &asked, &RecoverRequest::AskPeer).await;
    world.bob.reaches(&asked, ChannelPhase::ForceClosing).await;

    let brings = seen[1].close_brings_sat.unwrap();
    assert!(brings < CAPACITY_SAT - 1_500_000 && brings > CAPACITY_SAT - 1_510_000, "{brings}");
    let more = RecoverRequest::ApproveClose { at_least_sat: brings + 1 };
    choose(&mut world.alice, &approved, &more).await;
    assert_eq!(world.alice.channel(&approved).await.closing_txid, None);
    let enough = RecoverRequest::ApproveClose { at_least_sat: brings - 1_000 };
    choose(&mut world.alice, &approved, &enough).await;
    let closing = world.alice.reaches(&approved, ChannelPhase::Closing).await;
    let closing = world.unconfirmed(closing.closing_txid.as_deref().unwrap()).await;
    assert!(closing.outputs_sat.contains(&1_500_000), "{closing:?}");

    let little = RecoverRequest::AcceptLoss { may_lose_sat: 1 };
    assert_eq!(refused(&mut world.alice, &accepted, &little).await, ErrorCode::InvalidField);
    let loss = RecoverRequest::AcceptLoss { may_lose_sat: CAPACITY_SAT };
    assert_eq!(refused(&mut world.alice, &asked, &loss).await, ErrorCode::ChannelNotReady);
    choose(&mut world.alice, &accepted, &loss).await;

    for _ in 0..3 {
        world.mine(FINAL_BLOCKS).await;
    }
    let outcomes = [
        (asked, ChannelOutcome::CounterpartyCommitment),
        (approved, ChannelOutcome::Cooperative),
        (accepted, ChannelOutcome::HolderCommitment),
    ];
    for (id, outcome) in outcomes {
        assert_eq!(world.resolved(&world.alice, &id).await, outcome);
    }
    let paid_sat = 1_500_000 + 1_500_000 + 1_000_000;
    assert_wallet(&world.alice, World::funds_sat() - paid_sat).await;
    assert_wallet(&world.bob, World::funds_sat() + paid_sat).await;
    world.alice.tells("strait_channels{state=\"quarantined\"}", 0).await;
}

async fn refused(node: &mut Node, id: &str, choice: &RecoverRequest) -> ErrorCode {
    let key = node.key();
    refusal(node.client().recover(&key, id, choice).await)
}

async fn choose(node: &mut Node, id: &str, choice: &RecoverRequest) {
    let key = node.key();
    node.client().recover(&key, id, choice).await.unwrap();
}

/// The wallet holds so much, less what closes cost.
async fn assert_wallet(node: &Node, expect_sat: u64) {
    node.follows().await;
    let held = node.confirmed_sat().await;
    let range = expect_sat - 3 * FEES_SAT_MAX..=expect_sat;
    assert!(range.contains(&held), "{held} where {range:?} is right");
}

/// The peer publishes what it had revoked before the backup; the backup comes back as a plain copy of the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_punishes_a_state_that_was_revoked_before_its_backup() {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    let funding = world.seen(channel.funding_txid.as_deref().unwrap());
    pay(&mut world.alice, id, 1_000_000, 4_000).await;
    world.bob.kill();
    let old = world.bob.copy_folder();
    world.bob.restart().await;
    world.alice.connect(&world.bob).await;
    pay(&mut world.bob, id, 1_000_000, 1_000).await;
    let file = back_up(&world.alice, "monday.db");
    pay(&mut world.bob, id, 1_000_000, 1_000).await;
    world.bob.stop().await;
    lose_disk(&mut world.alice);

    let backend = world.bob.backend().clone();
    let mut cheater = Node::start_in(old, &backend).await;
    let key = cheater.key();
    cheater.client().close_channel(&key, id, CloseMode::Force).await.unwrap();
    let revoked = world.unconfirmed_spender(&funding.txid).await;
    cheater.kill();
    fs::copy(&file, world.alice.data_dir().join("strait.db")).unwrap();
    world.alice.restart().await;
    mine(&world.bitcoind, 1);
    world.alice.follows().await;
    let penalty = world.unconfirmed_spender(&revoked.txid).await;
    world.judge.learn(&world.bitcoind.client());
    world.judge.accepts(&penalty.hex);
    mine(&world.bitcoind, FINAL_BLOCKS);
    assert_eq!(world.resolved(&world.alice, id).await, ChannelOutcome::Penalty);
    assert_wallet(&world.alice, World::funds_sat()).await;
}

/// A copy of a folder has no mark: its peer proves that it is old, and it stops before it has signed anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_started_elsewhere_stops_and_is_paid() {
    let Some(mut world) = World::start().await else { return };
    let id = world.open_channel().await.channel_id;
    pay(&mut world.alice, &id, 1_000_000, 1_000).await;
    world.alice.stop().await;
    let folder = world.alice.copy_folder();
    world.alice.restart().await;
    world.alice.connect(&world.bob).await;
    pay(&mut world.alice, &id, 1_000_000, 500).await;
    world.alice.stop().await;

    let copy = Node::start_in(folder, &world.alice.backend().clone()).await;
    copy.reaches(&id, ChannelPhase::DataLost).await;
    let [lost] = copy.client().recoveries().await.unwrap().channels.try_into().unwrap();
    assert_eq!((lost.doubt, lost.backup_taken_at_ms), (RecoveryDoubt::Outdated, None));
    world.bob.reaches(&id, ChannelPhase::ForceClosing).await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    copy.follows().await;
    assert_eq!(world.resolved(&copy, &id).await, ChannelOutcome::CounterpartyCommitment);
    assert_wallet(&copy, World::funds_sat() - 1_500_000).await;
}

/// Nothing is left but the words. The node does not know its channels; its peers do, and pay.
#[tokio::test(flavor = "multi_thread")]
async fn the_seed_alone_finds_the_wallet_and_what_the_peers_close_pays() {
    let Some(mut world) = World::start().await else { return };
    for _ in 0..150 {
        world.alice.address().await;
    }
    let id = world.open_channel().await.channel_id;
    pay(&mut world.alice, &id, 1_000_000, 1_000).await;
    lose_disk(&mut world.alice);
    world.alice.restart().await;
    world.alice.connect(&world.bob).await;
    world.bob.reaches(&id, ChannelPhase::ForceClosing).await;
    mine(&world.bitcoind, FINAL_BLOCKS);
    assert_wallet(&world.alice, World::funds_sat() - 1_000_000).await;
}
