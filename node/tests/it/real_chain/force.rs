//! One side closes alone: its commitment goes out with the child that pays for it, the other side is paid at once, and
//! its own money waits for its delay.

use strait_api_types::{ChannelOutcome, ChannelPhase, CloseMode};

use super::metered;
use super::world::{CAPACITY_SAT, FINAL_BLOCKS, World, mine, pay};
use crate::nodes::Node;

/// Blocks that the broadcaster's own money waits, as the nodes are configured.
const DELAY_BLOCKS: u64 = 6;

/// Who closes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closer {
    Opener,
    Acceptor,
}

/// What is in the channel beside the balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contracts {
    /// Nothing.
    Absent,
    /// A contract in the middle of its life.
    Live,
}

/// What the acceptor has of a contract: on chain a live one pays, within the balances, what it would if it ended now.
async fn earned_sat(world: &mut World, channel_id: &str, contracts: Contracts) -> u64 {
    match contracts {
        Contracts::Absent => 0,
        Contracts::Live => {
            let contract = metered::open_and_use(world, channel_id).await;
            let seen = world.alice.client().contract(&contract).await.unwrap();
            assert_eq!(seen.outcome_holder_msat, metered::CAP_MSAT - metered::SPENT_MSAT);
            metered::SPENT_MSAT / 1_000
        }
    }
}

/// The closer and the other.
const fn parted(world: &World, closer: Closer) -> (&Node, &Node) {
    match closer {
        Closer::Opener => (&world.alice, &world.bob),
        Closer::Acceptor => (&world.bob, &world.alice),
    }
}

async fn both_count_it(world: &World, closer: Closer) {
    let (closer, other) = parted(world, closer);
    closer.tells("strait_force_closes_total{reason=\"operator\"}", 1).await;
    closer.tells("strait_channel_funding_spent_total{by=\"holder\"}", 1).await;
    other.tells("strait_channel_funding_spent_total{by=\"counterparty\"}", 1).await;
    other.tells("strait_channels{state=\"force_closing\"}", 1).await;
}

async fn both_tell_whose_it_was(world: &World, id: &str, closer: Closer) {
    let (closer, other) = parted(world, closer);
    assert_eq!(world.resolved(closer, id).await, ChannelOutcome::HolderCommitment);
    assert_eq!(world.resolved(other, id).await, ChannelOutcome::CounterpartyCommitment);
    closer.follows().await;
    other.follows().await;
}

async fn force_close_by(closer: Closer, contracts: Contracts) {
    let Some(mut world) = World::start().await else { return };
    let channel = world.open_channel().await;
    let id = channel.channel_id.as_str();
    let funding = world.seen(channel.funding_txid.as_deref().unwrap());
    pay(&mut world.alice, id, 1_000_000, 3_000).await;
    let bob_sat = 3_000_000 + earned_sat(&mut world, id, contracts).await;
    let alice_sat = CAPACITY_SAT - bob_sat;

    let (node, own_sat, peer_sat) = match closer {
        Closer::Opener => (&mut world.alice, alice_sat, bob_sat),
        Closer::Acceptor => (&mut world.bob, bob_sat, alice_sat),
    };
    let key = node.key();
    node.client().close_channel(&key, id, CloseMode::Force).await.unwrap();
    let commitment = world.unconfirmed_spender(&funding.txid).await;
    let child = world.unconfirmed_spender(&commitment.txid).await;
    let mut outputs_sat = commitment.outputs_sat.clone();
    outputs_sat.sort_unstable();
    let mut expected_sat = match contracts {
        Contracts::Absent => vec![0, own_sat, peer_sat],
        Contracts::Live => vec![0, 0, own_sat, peer_sat],
    };
    expected_sat.sort_unstable();
    assert_eq!(outputs_sat, expected_sat, "balances, an empty anchor, the hash of a live ledger");
    assert!(child.vbytes <= 1_000, "a version-3 child has at most 1,000 vB: {}", child.vbytes);
    world.judge.learn(&world.bitcoind.client());
    world.judge.refuses(&commitment.hex, "min relay fee not met");
    world.judge.accepts_package(&commitment.hex, &child.hex);

    // The other side has its money with the first block; the closer has to wait.
    world.mine(1).await;
    world.both_reach(id, ChannelPhase::ForceClosing).await;
    both_count_it(&world, closer).await;
    let fees_sat = world.fee_sat(&funding);
    let bump_sat = world.fee_sat(&child);
    let funds_sat = World::funds_sat();
    let of_alice = |closer_sat: u64| funds_sat - CAPACITY_SAT - fees_sat + closer_sat;
    match closer {
        Closer::Opener => {
            assert_eq!(world.bob.confirmed_sat().await, funds_sat + bob_sat);
            assert_eq!(world.alice.confirmed_sat().await, of_alice(0) - bump_sat);
        }
        Closer::Acceptor => {
            assert_eq!(world.alice.confirmed_sat().await, of_alice(alice_sat));
            assert_eq!(world.bob.confirmed_sat().await, funds_sat - bump_sat);
        }
    }
    world.mine(DELAY_BLOCKS - 2).await;
    assert_eq!(world.mempool().len(), 0, "nothing is claimed before the delay is over");
    world.mine(1).await;
    let sweep = world.unconfirmed_spender(&commitment.txid).await;
    world.judge.learn(&world.bitcoind.client());
    world.judge.accepts(&sweep.hex);
    mine(&world.bitcoind, FINAL_BLOCKS);
    both_tell_whose_it_was(&world, id, closer).await;
    let sweep_sat = world.fee_sat(&sweep);
    let (alice_pays_sat, bob_pays_sat) = match closer {
        Closer::Opener => (fees_sat + bump_sat + sweep_sat, 0),
        Closer::Acceptor => (fees_sat, bump_sat + sweep_sat),
    };
    assert_eq!(world.alice.confirmed_sat().await, funds_sat - bob_sat - alice_pays_sat);
    assert_eq!(world.bob.confirmed_sat().await, funds_sat + bob_sat - bob_pays_sat);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opener_closes_alone_and_every_coin_is_where_it_belongs() {
    force_close_by(Closer::Opener, Contracts::Absent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acceptor_closes_alone_and_every_coin_is_where_it_belongs() {
    force_close_by(Closer::Acceptor, Contracts::Absent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opener_closes_alone_amid_a_contract_and_it_is_paid_as_it_stands() {
    force_close_by(Closer::Opener, Contracts::Live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acceptor_closes_alone_amid_a_contract_and_it_is_paid_as_it_stands() {
    force_close_by(Closer::Acceptor, Contracts::Live).await;
}
