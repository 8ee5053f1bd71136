//! Killed while a channel opens.

use std::collections::BTreeMap;
use std::time::Duration;

use strait_api_types::{Channel, ChannelPhase, ErrorCode, OpenChannelRequest, PaymentRequest};
use strait_client::ClientError;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep};

use super::dice::Dice;
use super::harness::{Side, World, in_world, until_answered, wait_for};
use super::steps::{Role, STEPS, Step, Witness};

/// Openings in a run, each with one kill in it: no more than these, whatever was seen.
const OPENINGS_MAX: u64 = 70;
/// How often each step must have been the last one that the dead node had on disk.
const DEATHS_EACH: u32 = 4;
/// A kill that may come before anything is on disk comes at most this long after the opening was asked for.
const EARLY: Duration = Duration::from_millis(4);
const CAPACITY_SAT: u64 = 1_000_000;
/// More than any funding transaction of these tests costs.
const FEE_SAT_MAX: u64 = 20_000;

/// Goal: at whatever step of an opening either node dies, the channel opens, once, and works.
/// Method: a caller asks for a channel until it is answered, with one key. The test reads a node's log beside it and
/// kills the node as soon as the step is there that was seen least at a death so far; what the dead node has on disk
/// tells the step that it was. Then the node comes back, both must show the channel and pay over it, and no satoshi may
/// be missing but fees. It ends when openers and acceptors have died at each of their steps.
#[test]
fn a_channel_opens_once_whichever_node_dies_on_the_way() {
    in_world(kill_during_openings);
}

async fn kill_during_openings(mut world: World) {
    let mut dice = Dice::roll("openings");
    let mut deaths: BTreeMap<(Role, Step), u32> = STEPS.iter().map(|step| (*step, 0)).collect();
    for turn in 0..OPENINGS_MAX {
        let (role, aim) = *deaths.iter().min_by_key(|(_, count)| **count).expect("seven").0;
        if deaths.values().all(|count| *count >= DEATHS_EACH) {
            break;
        }
        let opener = dice.either(Side::Alice, Side::Bob);
        let victim = match role {
            Role::Opener => opener,
            Role::Acceptor => opener.other(),
        };
        let before = [wallet_sat(&world, opener).await, wallet_sat(&world, opener.other()).await];
        let mut witness = Witness::of(&world.machine(victim).data_dir());
        let asked = tokio::spawn(open(&world, opener, format!("open-{turn}")));
        if aim == Step::Nothing {
            sleep(dice.moment(EARLY)).await;
        }
        reaches(&mut witness, aim, &asked).await;
        world.machine_mut(victim).kill();
        let died_at = witness.look().unwrap();
        println!("opening {turn} of {opener:?}: the {role:?} dies at {died_at:?}");
        *deaths.entry((role, died_at)).or_default() += 1;
        world.machine_mut(victim).start(&[]);
        world.machine_mut(victim).ready().await;
        let opened = asked.await.unwrap();
        let opened = opened.unwrap_or_else(|error| {
            panic!("opening {turn}: the {role:?} died at {died_at:?}: {error:?}")
        });
        until_usable(&world, &opened.channel_id).await;
        let payment = PaymentRequest::single(opened.channel_id.clone(), 1_000_000);
        let (client, payment) = (&world.client(opener), &payment);
        let key = format!("use-{turn}");
        let paid = until_answered(&key, |key| async move { client.pay(&key, payment).await });
        paid.await.unwrap();
        world.agreed(&opened.channel_id).await;
        for side in Side::BOTH {
            let listed = world.client(side).channels().await.unwrap().channels;
            let expect = usize::try_from(turn + 1).unwrap();
            assert_eq!(listed.len(), expect, "{side:?} lists another channel: {listed:#?}");
        }
        let after = [wallet_sat(&world, opener).await, wallet_sat(&world, opener.other()).await];
        let fee = before[0].checked_sub(after[0] + CAPACITY_SAT).expect("coins come from nowhere");
        assert!(fee <= FEE_SAT_MAX, "{opener:?} misses {fee} sat");
        assert_eq!(before[1], after[1], "whoever is asked for a channel keeps its coins");
    }
    let unseen: Vec<_> = deaths.iter().filter(|(_, count)| **count == 0).collect();
    assert!(unseen.is_empty(), "nobody died at {unseen:?} in {OPENINGS_MAX} openings: {deaths:?}");
}

/// Looks as fast as it can until a node has a step of the opening on disk, or a later one, or the opening is over.
async fn reaches<T>(witness: &mut Witness, step: Step, asked: &JoinHandle<T>) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    // A look may meet the writer in the middle of things; the next one sees what became of it.
    while witness.look().map_or(true, |seen| seen < step) && !asked.is_finished() {
        assert!(begun.elapsed() < PATIENCE, "{step:?} was not on disk within {PATIENCE:?}");
        yield_now().await;
    }
}

/// Goal: an opening that cannot go on holds its coins no longer than until the peer says so, whoever died meanwhile.
/// Method: the peer falls silent before it can answer; the opener dies and must still hold the coins; the peer dies,
/// comes back and takes no channels any more.
#[test]
fn an_opening_that_a_returned_peer_refuses_frees_its_coins_at_once() {
    in_world(refuse_after_return);
}

async fn refuse_after_return(mut world: World) {
    let free = wallet_sat(&world, Side::Alice).await;
    world.bob.freeze();
    let asked = tokio::spawn(open(&world, Side::Alice, "refused".into()));
    let alice = world.client(Side::Alice);
    let negotiating = async || {
        let channels = alice.channels().await.ok()?.channels;
        channels.iter().any(|c| c.phase == ChannelPhase::Negotiating).then_some(())
    };
    wait_for("an opening without an answer", negotiating).await;
    world.alice.kill();
    world.alice.start(&[]);
    world.alice.ready().await;
    wait_for("the opening, after the restart", negotiating).await;
    let held = alice.wallet().await.unwrap();
    assert!(
        held.spendable_sat + CAPACITY_SAT <= free,
        "the opening's coins are not held: {held:?}"
    );
    world.bob.kill();
    world.bob.start(&[("STRAIT_CHANNEL__ACCEPT_INBOUND", "false")]);
    world.bob.ready().await;
    match asked.await.unwrap() {
        Err(ClientError::Refused { error, .. }) if error.code == ErrorCode::PeerRefused => {}
        other => panic!("an opening that failed is told otherwise: {other:?}"),
    }
    assert_eq!(wallet_sat(&world, Side::Alice).await, free, "coins are still held");
    let told = alice.channels().await.unwrap().channels;
    assert_eq!(told.iter().map(|c| c.phase).collect::<Vec<_>>(), [ChannelPhase::Abandoned]);
    // Bob asked for nothing and has nothing to tell.
    assert_eq!(world.client(Side::Bob).channels().await.unwrap().channels, []);
}

/// Asks a node for a channel with the other until it is answered.
fn open(
    world: &World,
    opener: Side,
    key: String,
) -> impl Future<Output = Result<Channel, ClientError>> + Send + use<> {
    let request = OpenChannelRequest {
        node_id: world.machine(opener.other()).node_id().to_owned(),
        address: None,
        capacity_sat: CAPACITY_SAT,
        fee_rate_sat_per_kvb: None,
    };
    let client = world.client(opener);
    async move {
        let (client, request) = (&client, &request);
        until_answered(&key, |key| async move { client.open_channel(&key, request).await }).await
    }
}

/// Mines until both can use a channel.
async fn until_usable(world: &World, channel_id: &str) {
    let funded = async || (world.waiting_transactions() > 0).then_some(());
    wait_for("the funding transaction", funded).await;
    world.bury();
    world.agreed(channel_id).await;
}

/// What a node can spend and what it keeps for fees: all it has, unless coins are held.
async fn wallet_sat(world: &World, side: Side) -> u64 {
    let wallet = world.client(side).wallet().await.unwrap();
    assert_eq!(wallet.unconfirmed_sat, 0, "everything is mined: {wallet:?}");
    wallet.spendable_sat + wallet.reserve_sat
}
