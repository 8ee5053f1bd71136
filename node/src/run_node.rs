//! `strait node`: a node in the foreground, until a signal or a fault ends it. SIGHUP makes it read its configuration again.

use std::path::Path;
use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{CliError, NodeArgs};
use crate::config::{self, Setting};
use crate::live::LiveSettings;
use crate::production::{InitError, start};
use crate::stop::asked_to_stop;

/// Runs a node until somebody stops it, or until it cannot go on.
///
/// # Errors
/// [`CliError`] if it does not start, or if it had to stop.
pub async fn run(file: Option<&Path>, args: &NodeArgs) -> Result<(), CliError> {
    let flags: Vec<Setting> = args.settings.to_settings();
    let stop = asked_to_stop(args.stop.into()).map_err(|source| CliError::Start { source })?;
    let hangups = signal(SignalKind::hangup()).map_err(|source| CliError::Start { source })?;
    let mut stop = pin!(stop);
    let failed = |source| CliError::NodeStart { source: Box::new(source) };
    let loaded = config::load(file, std::env::vars(), &flags);
    let loaded = loaded.map_err(|source| failed(InitError::from(source)))?;
    let started = tokio::select! {
        started = start(loaded) => started,
        // A start that is broken off leaves what a crash would: the next one reads the log from its beginning.
        () = &mut stop => return Ok(()),
    };
    let mut node = started.map_err(failed)?;
    let settings = node.settings();
    let halted = tokio::select! {
        halted = node.halted() => halted,
        () = stop => Ok(()),
        () = reload_on(hangups, &settings, file, &flags) => Ok(()),
    };
    node.stop().await;
    halted.map_err(|source| CliError::NodeHalted { source })
}

/// Reads the configuration again for every signal; does not end.
async fn reload_on(
    mut hangups: Signal,
    settings: &LiveSettings,
    file: Option<&Path>,
    flags: &[Setting],
) {
    // The system delivers signals for as long as the process lives; without them there is nothing to do any more.
    while hangups.recv().await.is_some() {
        settings.handle_hangup(config::load(file, std::env::vars(), flags));
    }
    std::future::pending().await
}
