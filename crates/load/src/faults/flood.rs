//! One client sends ten thousand bad requests a second: it is refused cheaply, and the others are served.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Scene;

/// Requests a second.
const PER_SECOND: u32 = 10_000;
/// Connections they come over.
const CONNECTIONS: u32 = 32;
/// Requests written at once on one connection.
const AT_ONCE: u32 = 10;
/// How long.
const LASTS: Duration = Duration::from_secs(60);
/// The client's address: another one than that of the honest traffic.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What became of the requests.
#[derive(Debug, Default)]
struct Flood {
    sent: AtomicU64,
    unauthorized: AtomicU64,
    limited: AtomicU64,
    closed: AtomicU64,
}

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.world.alice.ports().api));
    let flood = Arc::new(Flood::default());
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(pour(address, Arc::clone(&flood)));
    }
    scene.watch(LASTS).await?;
    connections.shutdown().await;
    let [sent, unauthorized, limited, closed] =
        [&flood.sent, &flood.unauthorized, &flood.limited, &flood.closed]
            .map(|count| count.load(Ordering::Relaxed));
    ensure!(unauthorized + limited + closed > 0, "nobody refused anything");
    scene.note(format!(
        "{sent} requests with a wrong token within {} s from one client: {unauthorized} refused as unauthorised, \
         {limited} as too many, {closed} connections closed",
        LASTS.as_secs()
    ));
    Ok(())
}

/// Sends bad requests over one connection after the other.
async fn pour(address: SocketAddr, flood: Arc<Flood>) -> Result<()> {
    let request = "GET /v1/status HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\n\r\n"
        .repeat(usize::try_from(AT_ONCE)?);
    let mut ticks = interval(Duration::from_secs(1) / (PER_SECOND / CONNECTIONS / AT_ONCE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let until = Instant::now() + LASTS;
    while Instant::now() < until {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((CLIENT, 0)))?;
        let Ok(stream) = socket.connect(address).await else {
            flood.closed.fetch_add(1, Ordering::Relaxed);
            ticks.tick().await;
            continue;
        };
        let (mut from, mut to) = stream.into_split();
        let counts = Arc::clone(&flood);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1_024];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                count_answers(buffer.get(..count).unwrap_or_default(), &counts);
            }
        });
        loop {
            ticks.tick().await;
            if reading.is_finished() || to.write_all(request.as_bytes()).await.is_err() {
                flood.closed.fetch_add(1, Ordering::Relaxed);
                break;
            }
            flood.sent.fetch_add(AT_ONCE.into(), Ordering::Relaxed);
        }
        reading.abort();
    }
    Ok(())
}

/// Counts status lines; one that is cut in two is missed, which figures of this size bear.
fn count_answers(bytes: &[u8], flood: &Flood) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.split("HTTP/1.1 ").skip(1) {
        let count = match line.get(..3) {
            Some("401") => &flood.unauthorized,
            Some("429") => &flood.limited,
            _ => continue,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
