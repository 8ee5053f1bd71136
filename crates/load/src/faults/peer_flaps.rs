//! The connection between the nodes breaks again and again: what was in flight is settled on the next one.
//!
//! Nodes tell each other where they listen, so a relay between them is soon gone around. The kernel aborts their
//! connections instead (`ss --kill`), as often as they come back, which takes root.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::Scene;

/// How often it breaks.
const BREAKS: u32 = 20;
/// For how long each time.
const AWAY: Duration = Duration::from_millis(1_500);
/// How long it holds in between.
const THERE: Duration = Duration::from_millis(3_500);
/// The pause between two aborts while it is broken.
const ABORT_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    let ports = scene.world.machines().map(|machine| machine.ports().p2p);
    let links = async |scene: &Scene<'_>| {
        let (_, page) = scene.world.alice.ask("/metrics").await?;
        Ok::<f64, anyhow::Error>(crate::sample::value(&page, "strait_net_links_closed_total"))
    };
    let before = links(scene).await?;
    for _ in 0..BREAKS {
        let until = Instant::now() + AWAY;
        while Instant::now() < until {
            abort(&ports).await?;
            sleep(ABORT_EVERY).await;
        }
        scene.watch(THERE).await?;
    }
    let lost = links(scene).await? - before;
    ensure!(lost >= BREAKS.into(), "only {lost} links went down in {BREAKS} breaks");
    scene.note(format!(
        "the connection breaks {BREAKS} times, for {:.1} s each; {lost} links go down",
        AWAY.as_secs_f64()
    ));
    Ok(())
}

/// Aborts every connection to or from these ports.
async fn abort(ports: &[u16]) -> Result<()> {
    let any: Vec<String> =
        ports.iter().map(|port| format!("dport = :{port} or sport = :{port}")).collect();
    let killed = Command::new("ss")
        .args(["--kill", "--no-header", "--tcp", "state", "established"])
        .arg(format!("( {} )", any.join(" or ")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .context("ss, of iproute2, cannot be run")?;
    ensure!(killed.success(), "ss cannot abort connections: that takes root");
    Ok(())
}
