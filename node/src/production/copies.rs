//! What there is of the log elsewhere: starts the shipper, and shows it and the last backup in metrics and health.
//!
//! **Invariant:** nothing here can stop the node or make it unready: what goes wrong with a copy degrades its component.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strait_backup::{Disk, SealKey, ShipOptions, ShipStatus, Shipper, note_node_id, read_stamp};
use strait_primitives::NodeId;
use strait_seal::{Recipient, RecipientError};
use strait_store_sqlite::Reader;
use strait_telemetry::{Component, Health, Metrics};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::MissedTickBehavior;

use crate::config::Config;

/// How often metrics and health are renewed.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// What was started.
#[derive(Debug)]
pub(super) struct Copies {
    shipper: Option<Shipper>,
    telling: JoinHandle<()>,
}

impl Copies {
    /// Notes which node runs here, and starts shipping, if there is a folder to ship to, and telling. What cannot be noted or
    /// started is told.
    pub(super) fn start(
        config: &Config,
        id: NodeId,
        reader: Reader,
        (metrics, health): (&Arc<Metrics>, &Arc<Health>),
    ) -> Self {
        if let Err(error) = note_node_id(&config.data_dir, &id.to_string()) {
            tracing::warn!(%error, "backups will not say which node they are of");
        }
        health.started(Component::Ship);
        let shipper = config.ship.folder.clone().and_then(|folder| {
            let started = ship(config, folder, reader);
            started
                .inspect_err(|words| {
                    tracing::error!(error = %words, "the log is not shipped");
                    health.concerns(Component::Ship, Some(words.clone()));
                })
                .ok()
        });
        let status = shipper.as_ref().map(Shipper::status);
        let (metrics, health) = (Arc::clone(metrics), Arc::clone(health));
        let telling = tokio::spawn(tell(config.data_dir.clone(), status, metrics, health));
        Self { shipper, telling }
    }

    /// Ships what there is, and ends.
    pub(super) async fn stop(self) {
        self.telling.abort();
        if let Some(shipper) = self.shipper {
            // A thread that panicked has stopped as well.
            let _stopped = spawn_blocking(|| shipper.stop()).await;
        }
    }
}

/// Starts the shipper; in words why not.
fn ship(config: &Config, folder: PathBuf, reader: Reader) -> Result<Shipper, String> {
    let recipients: Result<Vec<Recipient>, RecipientError> =
        config.ship.recipients.iter().map(|text| text.parse()).collect();
    let recipients = recipients.map_err(|error| format!("ship.recipients: {error}"))?;
    let seal =
        if recipients.is_empty() { SealKey::Nobody } else { SealKey::Recipients(recipients) };
    let options = ShipOptions {
        data_dir: config.data_dir.clone(),
        folder,
        every: config.ship.every,
        seal,
        free_bytes_min: config.store.free_bytes_min,
        version: env!("CARGO_PKG_VERSION"),
    };
    Shipper::start(options, reader).map_err(|error| format!("no thread to ship with: {error}"))
}

/// Renews metrics and health; does not end.
async fn tell(
    data_dir: PathBuf,
    status: Option<Arc<ShipStatus>>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
) {
    let mut ticks = tokio::time::interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let folder = data_dir.clone();
        if let Ok(Some(last)) = spawn_blocking(move || read_stamp(&folder)).await {
            metrics.set_last_backup(last.taken, last.bytes);
        }
        if let Some(status) = &status {
            metrics.set_shipped(status.head(), status.lag(), status.errors());
            metrics.set_ship_same_disk(u64::from(status.disk() == Disk::Nodes));
            health.concerns(Component::Ship, concern(status));
        }
    }
}

/// What is wrong with the shipped log, in words: that it is not written, or that it would go with the log.
fn concern(status: &ShipStatus) -> Option<String> {
    status.trouble().or_else(|| match status.disk() {
        Disk::Nodes => Some("ship.folder lies on the node's own disk".to_owned()),
        Disk::Another => None,
    })
}
