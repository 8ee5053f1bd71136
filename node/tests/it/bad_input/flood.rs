//! Floods: many strangers who say all they can, and come back when they are shown out. The node's memory stays bounded,
//! and its channel with its honest peer is served all the while.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use strait_net::{FRAME_BYTES_MAX, Frame, Identity, Net, Options, SendError};
use strait_primitives::NodeId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::stranger::{hello, regtest, stray};
use crate::nodes::{Node, until};
use crate::world::{on_a_chain, still_pays, with_channel};

/// Strangers who flood at once: more than the node has threads, few enough for two cores.
const STRANGERS: u8 = 8;
/// Payments that the honest peer makes meanwhile.
const PAYMENTS: usize = 8;
/// What the flood may add to the node's memory: eight peers' queues of 4 MiB, what the transports hold beside them, and
/// what the allocator keeps.
const GROWTH_KIB_MAX: u64 = 160 << 10;

/// What the strangers have said so far.
#[derive(Debug, Default)]
struct Said {
    is_over: AtomicBool,
    frames: AtomicU64,
}

/// Goal: what strangers send is bounded in memory and takes no other peer's turn. Method: eight of them greet, then send
/// greetings, words about unknown channels, and the largest frames that a node must ignore, for as long as eight
/// payments take.
#[test]
fn a_flood_of_strangers_costs_bounded_memory_and_no_payment() {
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        let id = channel.channel_id.as_str();
        still_pays(&mut alice, &bob, id).await;
        let before = resident_kib(&alice);
        let said = Arc::new(Said::default());
        let floods: Vec<_> = (1..=STRANGERS).map(|secret| flood(&alice, secret, &said)).collect();
        let begun = async || (said.frames.load(Ordering::Relaxed) > 1_000).then_some(());
        until("the flood has begun", begun).await;
        for _ in 0..PAYMENTS {
            still_pays(&mut alice, &bob, id).await;
        }
        let after = peak_kib(&alice);
        said.is_over.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.await.unwrap();
        }
        still_pays(&mut alice, &bob, id).await;
        let frames = said.frames.load(Ordering::Relaxed);
        println!("{frames} frames; {before} KiB before, {after} KiB at most");
        assert!(after < before + GROWTH_KIB_MAX, "{before} KiB grew to {after} KiB");
    });
}

/// One stranger: connects, floods until it is shown out, and comes again.
fn flood(node: &Node, secret: u8, said: &Arc<Said>) -> JoinHandle<()> {
    let peer: NodeId = node.id().parse().unwrap();
    let address: strait_net::Address =
        format!("/ip4/127.0.0.1/tcp/{}", node.p2p_port()).parse().unwrap();
    let said = Arc::clone(said);
    tokio::spawn(async move {
        let identity = Identity::from_secret([secret; 32]).unwrap();
        let (service, stranger, mut events) =
            Net::bind(Options::new(identity, Vec::new())).await.unwrap();
        let (leave, left) = oneshot::channel::<()>();
        let running = tokio::spawn(service.run(async { drop(left.await) }));
        let hearing = tokio::spawn(async move { while events.next().await.is_some() {} });
        while !said.is_over.load(Ordering::Relaxed) {
            if stranger.connect(peer, address.clone()).await.is_err() {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            for word in words(secret) {
                if said.is_over.load(Ordering::Relaxed) || !say(&stranger, peer, word).await {
                    break;
                }
                said.frames.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(leave);
        running.await.unwrap();
        hearing.abort();
    })
}

/// What a stranger says on one connection: each of three kinds says something else after its greeting.
fn words(secret: u8) -> impl Iterator<Item = Vec<u8>> {
    let greeting = hello(1, regtest());
    let again = match secret % 3 {
        0 => greeting.clone(),
        1 => stray(),
        _ => vec![0xff; FRAME_BYTES_MAX],
    };
    std::iter::once(greeting).chain(std::iter::repeat(again))
}

/// Says one thing; false if nobody listens any more.
async fn say(stranger: &strait_net::Handle, peer: NodeId, word: Vec<u8>) -> bool {
    let frame = Frame::new(word).unwrap();
    loop {
        match stranger.send(peer, frame.clone()) {
            Ok(()) => return true,
            Err(SendError::PeerFull { .. } | SendError::TotalFull { .. }) => {
                sleep(Duration::from_millis(1)).await;
            }
            Err(_) => return false,
        }
    }
}

/// What the process has in memory now.
fn resident_kib(node: &Node) -> u64 {
    status_kib(node, "VmRSS:")
}

/// The most that it ever had.
fn peak_kib(node: &Node) -> u64 {
    status_kib(node, "VmHWM:")
}

fn status_kib(node: &Node, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
