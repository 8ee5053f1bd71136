//! The connection between the nodes breaks again and again: what was in flight is settled on the next one.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::Scene;
use crate::relay::Mood;

/// How often it breaks.
const BREAKS: u32 = 20;
/// How long it is away each time.
const AWAY: Duration = Duration::from_millis(1_500);
/// How long it holds in between.
const THERE: Duration = Duration::from_millis(3_500);

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    for _ in 0..BREAKS {
        scene.world.to_peer.turn(Mood::Closing);
        sleep(AWAY).await;
        scene.world.to_peer.turn(Mood::Through);
        scene.watch(THERE).await?;
    }
    scene.note(format!(
        "the connection breaks {BREAKS} times, for {:.1} s each",
        AWAY.as_secs_f64()
    ));
    Ok(())
}
