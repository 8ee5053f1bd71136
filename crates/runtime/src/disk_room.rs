//! Whether the log has room to grow: measured now and then, and told to the engine when it matters.
//!
//! The writer's thread looks, because it is the one that fills the disk: after each second, and after every 16 MiB. The
//! tick gives it something to do twice a second. There is room again only when a quarter more than the floor is free, so
//! that what goes and comes with each write does not turn the node to and fro.
//!
//! **Invariant:** nothing here waits: the engine may be waiting for the writer.

use std::io;
use std::time::{Duration, Instant};

use strait_engine::{DiskRoom, Input};

use crate::inbox::Inbox;
use crate::observe::Observer;

/// How long a look is good for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of events after which it is not, however young it is.
const LOOK_AFTER_BYTES: u64 = 16 << 20;

/// Asks the system how many bytes this process may still write where the log lies.
pub type FreeSpace = Box<dyn FnMut() -> io::Result<u64> + Send>;

/// Where the log lies, and how much of it is to stay free.
pub struct Disk {
    /// What is free now.
    pub free_bytes: FreeSpace,
    /// With less than this left nothing new is begun; with 0 it is, until the disk is full.
    pub floor_bytes: u64,
}

impl core::fmt::Debug for Disk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Disk").field("floor_bytes", &self.floor_bytes).finish_non_exhaustive()
    }
}

/// The eye on the disk.
pub(crate) struct DiskWatch {
    disk: Disk,
    inbox: Inbox,
    observer: Observer,
    /// What the engine believes.
    told: DiskRoom,
    /// When the last look was.
    looked: Option<Instant>,
    /// Bytes of events since.
    appended_bytes: u64,
    /// Whether the last look showed anything.
    sight: Sight,
}

/// Whether the system tells what is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Clear,
    Failed,
}

impl DiskWatch {
    pub(crate) const fn new(disk: Disk, inbox: Inbox, observer: Observer) -> Self {
        Self {
            disk,
            inbox,
            observer,
            told: DiskRoom::Ample,
            looked: None,
            appended_bytes: 0,
            sight: Sight::Clear,
        }
    }

    /// So many bytes of events were written.
    pub(crate) const fn appended(&mut self, bytes: u64) {
        self.appended_bytes = self.appended_bytes.saturating_add(bytes);
    }

    /// Looks, if it is time to.
    pub(crate) fn look(&mut self, now: Instant) {
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < LOOK_EVERY;
        if self.looked.is_some_and(is_fresh) && self.appended_bytes < LOOK_AFTER_BYTES {
            return;
        }
        (self.looked, self.appended_bytes) = (Some(now), 0);
        match (self.disk.free_bytes)() {
            Ok(free_bytes) => {
                self.sight = Sight::Clear;
                self.see(free_bytes);
            }
            Err(error) => {
                // Nothing is concluded from it; writing itself will tell.
                if self.sight == Sight::Clear {
                    tracing::warn!(%error, "the system does not tell what is free on the disk");
                }
                self.sight = Sight::Failed;
            }
        }
    }

    fn see(&mut self, free_bytes: u64) {
        let room = judge(self.told, free_bytes, self.disk.floor_bytes);
        self.observer.disk_seen(free_bytes, room);
        // While there is too little, the engine's answers say how much is left.
        if room == self.told || !self.inbox.try_put(Input::Disk(room)) {
            return;
        }
        match (self.told, room) {
            (DiskRoom::Ample, DiskRoom::Low { wanted_bytes, .. }) => tracing::warn!(
                free_bytes,
                floor_bytes = self.disk.floor_bytes,
                wanted_bytes,
                "low disk: nothing new is begun until there is room; closes, claims and penalties go on"
            ),
            (DiskRoom::Low { .. }, DiskRoom::Ample) => {
                tracing::warn!(free_bytes, "the disk has room again");
            }
            (DiskRoom::Ample, DiskRoom::Ample) | (DiskRoom::Low { .. }, DiskRoom::Low { .. }) => {}
        }
        self.told = room;
    }
}

/// What so much free space means, after what was said before.
fn judge(before: DiskRoom, free_bytes: u64, floor_bytes: u64) -> DiskRoom {
    let wanted_bytes = floor_bytes.saturating_add(floor_bytes / 4);
    let enough = match before {
        DiskRoom::Ample => floor_bytes,
        DiskRoom::Low { .. } => wanted_bytes,
    };
    if free_bytes < enough { DiskRoom::Low { free_bytes, wanted_bytes } } else { DiskRoom::Ample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_wavers_around_the_floor_changes_the_mode_once() {
        let low = |free_bytes| DiskRoom::Low { free_bytes, wanted_bytes: 1_250 };
        let rows = [
            (2_000, DiskRoom::Ample),
            (1_000, DiskRoom::Ample),
            (999, low(999)),
            (1_000, low(1_000)),
            (1_249, low(1_249)),
            (0, low(0)),
            (1_250, DiskRoom::Ample),
            (1_000, DiskRoom::Ample),
        ];
        let mut room = DiskRoom::Ample;
        for (free_bytes, expect) in rows {
            room = judge(room, free_bytes, 1_000);
            assert_eq!(room, expect, "{free_bytes} bytes");
        }
        assert_eq!(judge(DiskRoom::Ample, 0, 0), DiskRoom::Ample, "a floor of nothing is none");
        assert_eq!(judge(low(0), 0, 0), DiskRoom::Ample);
    }
}
