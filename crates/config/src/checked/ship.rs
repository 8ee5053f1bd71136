//! `[ship]`, checked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Checker;
use crate::raw::RawShip;
use crate::shape;

/// `[ship]`: the log in a second folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipConfig {
    /// `ship.folder`.
    pub folder: Option<PathBuf>,
    /// `ship.every_ms`.
    pub every: Duration,
    /// `ship.recipients`.
    pub recipients: Vec<String>,
}

impl Checker {
    pub(super) fn ship(&mut self, raw: RawShip, data_dir: &Path) -> ShipConfig {
        let folder = raw.folder.map(|folder| self.path("ship.folder", folder));
        if let Some(folder) = folder.as_deref().filter(|folder| folder.starts_with(data_dir)) {
            let shown = folder.display().to_string();
            self.wrong_because(
                "ship.folder",
                &shown,
                "a folder outside of data_dir, on another disk, is right",
            );
        }
        let recipients = raw.recipients.into_vec();
        for recipient in recipients.iter().filter(|recipient| !shape::is_recipient(recipient)) {
            self.wrong("ship.recipients", recipient);
        }
        let every = self.millis("ship.every_ms", raw.every_ms);
        ShipConfig { folder, every, recipients }
    }
}
