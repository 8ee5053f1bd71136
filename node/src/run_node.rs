//! `strait node`: a node in the foreground, until a signal or a fault ends it.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{CliError, NodeArgs};
use crate::config::Setting;
use crate::production::init_with;

/// Runs a node until SIGINT or SIGTERM, or until it cannot go on.
///
/// # Errors
/// [`CliError`] if it does not start, or if it had to stop.
pub async fn run(file: Option<&Path>, args: &NodeArgs) -> Result<(), CliError> {
    let flags: Vec<Setting> = args.settings.to_settings();
    let stop = |kind| signal(kind).map_err(|source| CliError::Start { source });
    let mut interrupt = stop(SignalKind::interrupt())?;
    let mut terminate = stop(SignalKind::terminate())?;
    let mut node = init_with(file, &flags)
        .await
        .map_err(|source| CliError::NodeStart { source: Box::new(source) })?;
    let halted = tokio::select! {
        halted = node.halted() => halted,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    node.stop().await;
    halted.map_err(|source| CliError::NodeHalted { source })
}
