//! Measures the round trip of a small frame, and the flow of large ones, between two services over loopback.
//!
//! `cargo run --release -p strait-net --example round_trip`

#![expect(clippy::print_stdout, reason = "its one purpose is to print figures")]

use core::time::Duration;
use std::sync::Arc;

use strait_net::{
    Events, Frame, Handle, Identity, Net, NetEvent, Options, Policies, PolicySettings, SendError,
};
use strait_primitives::NodeId;
use tokio::time::Instant;

const WARM_UP: usize = 2_000;
const ROUNDS: usize = 20_000;
const LARGE_BYTES: usize = 512 << 10;
const LARGE_FRAMES: usize = 400;

type Failure = Box<dyn core::error::Error>;

fn main() -> Result<(), Failure> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let single = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (runtime, name) in [(threads, "two threads"), (single, "one thread")] {
        for transport in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
            println!("{name}, {transport}");
            runtime.block_on(measure(transport))?;
        }
    }
    Ok(())
}

/// One node.
async fn node(secret: u8, listen: &str) -> Result<(Handle, Events), Failure> {
    // The default allowance is far below what loopback carries, and would be all that one sees.
    let unlimited = PolicySettings { peer_bytes_per_second: 0, ..PolicySettings::default() };
    let policies = Arc::new(Policies::new(unlimited));
    let identity = Identity::from_secret([secret; 32])?;
    let options = Options { policies, ..Options::new(identity, vec![listen.parse()?]) };
    let (service, handle, events) = Net::bind(options).await?;
    tokio::spawn(service.run(core::future::pending()));
    Ok((handle, events))
}

/// The next frame's sender.
async fn frame(events: &mut Events) -> Option<NodeId> {
    loop {
        if let NetEvent::Frame { peer, .. } = events.next().await? {
            return Some(peer);
        }
    }
}

async fn measure(listen: &str) -> Result<(), Failure> {
    let (a, mut a_events) = node(1, listen).await?;
    let (b, mut b_events) = node(2, listen).await?;
    let address = b.listen_addresses().into_iter().next().ok_or("b does not listen")?;
    a.connect(b.node_id(), address).await?;
    let peer = b.node_id();
    let echo = tokio::spawn(async move {
        while let Some(peer) = frame(&mut b_events).await {
            let small = Frame::new(vec![1; 64]).expect("64 bytes are a frame");
            if b.send(peer, small).is_err() {
                break;
            }
        }
    });
    let mut trips = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let begin = Instant::now();
        a.send(peer, Frame::new(vec![0; 64])?)?;
        frame(&mut a_events).await.ok_or("the service ended")?;
        if round >= WARM_UP {
            trips.push(begin.elapsed());
        }
    }
    trips.sort();
    let at = |share: usize| trips.get(trips.len() * share / 100).copied().unwrap_or(Duration::MAX);
    println!("  64 bytes there and back: p50 {:?}, p99 {:?}", at(50), at(99));
    let begin = Instant::now();
    let mut answers = 0;
    for _ in 0..LARGE_FRAMES {
        let large = Frame::new(vec![0; LARGE_BYTES])?;
        while let Err(SendError::PeerFull { .. }) = a.send(peer, large.clone()) {
            frame(&mut a_events).await.ok_or("the service ended")?;
            answers += 1;
        }
    }
    while answers < LARGE_FRAMES {
        frame(&mut a_events).await.ok_or("the service ended")?;
        answers += 1;
    }
    let rate = LARGE_BYTES * LARGE_FRAMES / usize::try_from(begin.elapsed().as_micros())?;
    println!("  512 KiB frames, each answered: {rate} MB/s");
    echo.abort();
    Ok(())
}
