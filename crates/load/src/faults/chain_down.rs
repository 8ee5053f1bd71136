//! The chain backend is away: the node goes on paying, says that it is not ready, and catches up.

use anyhow::Result;

use super::{Ready, Scene};
use crate::relay::Mood;
use crate::world::wait_for;

/// Blocks that are mined meanwhile.
const BLOCKS: u32 = 10;

pub(super) async fn happen(scene: &mut Scene<'_>) -> Result<()> {
    scene.world.to_chain.turn(Mood::Closing);
    scene.until_ready(Ready::No).await?;
    scene.world.backend.mine(BLOCKS).await?;
    scene.watch(scene.lasts / 2).await?;
    scene.world.to_chain.turn(Mood::Silent);
    scene.watch(scene.lasts / 2).await?;
    scene.world.to_chain.turn(Mood::Through);
    let height = scene.world.backend.height().await?;
    let alice = scene.world.alice.client()?;
    wait_for("alice at the tip", async || {
        let status = alice.status().await?;
        Ok((status.chain.tip_height >= height).then_some(()))
    })
    .await?;
    let seconds = scene.lasts.as_secs();
    scene.note(format!("alice's bitcoind is away for {seconds} s, first closed, then silent; {BLOCKS} blocks come meanwhile"));
    Ok(())
}
