//! `[ship]`, checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Checker;
use crate::raw::RawShip;
use crate::shape;

/// `[ship]`: the log in a second folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipConfig {
    /// `folder`: an absolute path, unset: nothing is shipped. A folder that is there, inside the mount of another disk: it is never
    /// made by the node. Whoever reads it sees every payment, unless it is sealed. Since 0.1.
    pub folder: Option<PathBuf>,
    /// `every_ms`: 10 to 60,000, default 200: how often the log is looked at. Longer loses more when the disk dies. Since 0.1.
    pub every: Duration,
    /// `recipients`: age keys to seal to, none: it is not sealed. Since 0.1.
    pub recipients: Vec<String>,
}

impl Checker {
    pub(super) fn ship(&mut self, raw: RawShip, data_dir: &Path) -> ShipConfig {
        let folder = raw.folder.map(|folder| self.path("ship.folder", folder));
        if let Some(folder) = folder.as_deref().filter(|folder| folder.starts_with(data_dir)) {
            let shown = folder.display().to_string();
            self.wrong(
                "ship.folder",
                &shown,
                "a folder outside of data_dir, on another disk, is right",
            );
        }
        let recipients = raw.recipients.into_vec();
        for recipient in &recipients {
            if let Err(right) = shape::recipient(recipient) {
                self.wrong("ship.recipients", recipient, right);
            }
        }
        let every = self.millis("ship.every_ms", raw.every_ms, 10..=60_000);
        ShipConfig { folder, every, recipients }
    }
}
