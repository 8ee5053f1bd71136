//! The power goes: a node is killed in the middle of its work and started again, as a supervisor would.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::Scene;

/// How often.
const CUTS: u32 = 5;
/// How long it runs in between.
const RUNS: Duration = Duration::from_secs(5);

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    let mut slowest = Duration::ZERO;
    for _ in 0..CUTS {
        scene.world.alice.kill().await?;
        let begun = Instant::now();
        scene.world.alice.start().await?;
        slowest = slowest.max(begun.elapsed());
        sleep(RUNS).await;
        scene.watch(RUNS).await?;
    }
    scene.note(format!(
        "alice is killed {CUTS} times and started again, ready after {:.1} s at the most",
        slowest.as_secs_f64()
    ));
    Ok(())
}
