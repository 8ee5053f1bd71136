//! `strait node`: a node in the foreground, until a signal or a fault ends it.

use std::path::Path;
use std::pin::pin;

use crate::cli::{CliError, NodeArgs};
use crate::config::Setting;
use crate::production::init_with;
use crate::stop::asked_to_stop;

/// Runs a node until somebody stops it, or until it cannot go on.
///
/// # Errors
/// [`CliError`] if it does not start, or if it had to stop.
pub async fn run(file: Option<&Path>, args: &NodeArgs) -> Result<(), CliError> {
    let flags: Vec<Setting> = args.settings.to_settings();
    let stop = asked_to_stop(args.stop.into()).map_err(|source| CliError::Start { source })?;
    let mut stop = pin!(stop);
    let started = tokio::select! {
        started = init_with(file, &flags) => started,
        // A start that is broken off leaves what a crash would: the next one reads the log from its beginning.
        () = &mut stop => return Ok(()),
    };
    let mut node = started.map_err(|source| CliError::NodeStart { source: Box::new(source) })?;
    let halted = tokio::select! {
        halted = node.halted() => halted,
        () = stop => Ok(()),
    };
    node.stop().await;
    halted.map_err(|source| CliError::NodeHalted { source })
}
