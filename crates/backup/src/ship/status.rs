//! How shipping is doing, for metrics and health: written by the thread, read by whoever asks, also while the thread hangs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use strait_primitives::EventSeq;

use crate::disk::Disk;

/// Without a look for so long the thread hangs, and what it does not see counts as lag.
const HANGS_AFTER: Duration = Duration::from_secs(5);

/// How shipping is doing.
#[derive(Debug)]
pub struct ShipStatus {
    /// The last event that is synced in the folder, with a base before it.
    shipped: AtomicU64,
    /// The last event of the log that the thread saw.
    seen: AtomicU64,
    /// When everything was shipped, milliseconds since 1970; at first when the thread began.
    whole_ms: AtomicU64,
    /// When the thread looked last.
    looked_ms: AtomicU64,
    errors: AtomicU64,
    /// Whether the folder was last seen on the node's own disk.
    is_on_nodes_disk: AtomicBool,
    /// What is wrong.
    trouble: Mutex<Option<String>>,
}

impl ShipStatus {
    pub(super) fn new() -> Self {
        let now = now_ms();
        Self {
            shipped: AtomicU64::new(0),
            seen: AtomicU64::new(1),
            whole_ms: AtomicU64::new(now),
            looked_ms: AtomicU64::new(now),
            errors: AtomicU64::new(0),
            is_on_nodes_disk: AtomicBool::new(false),
            trouble: Mutex::new(None),
        }
    }

    /// The last event that a restore would bring back.
    #[must_use]
    pub fn head(&self) -> EventSeq {
        EventSeq::new(self.shipped.load(Ordering::Relaxed))
    }

    /// What failed so far.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// How long ago the folder held the whole log; zero if it does.
    #[must_use]
    pub fn lag(&self) -> Duration {
        let now = now_ms();
        let since =
            |at: &AtomicU64| Duration::from_millis(now.saturating_sub(at.load(Ordering::Relaxed)));
        let unseen = since(&self.looked_ms);
        if self.shipped.load(Ordering::Relaxed) < self.seen.load(Ordering::Relaxed) {
            since(&self.whole_ms)
        } else if unseen > HANGS_AFTER {
            unseen
        } else {
            Duration::ZERO
        }
    }

    /// The disk that the folder lies on.
    #[must_use]
    pub fn disk(&self) -> Disk {
        match self.is_on_nodes_disk.load(Ordering::Relaxed) {
            true => Disk::Nodes,
            false => Disk::Another,
        }
    }

    /// What is wrong, in words; `None` while all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The thread sees how far the log reaches.
    pub(super) fn looked(&self, head: EventSeq) {
        self.seen.store(head.to_u64(), Ordering::Relaxed);
        self.looked_ms.store(now_ms(), Ordering::Relaxed);
    }

    /// So far it is shipped; `since` is when the log was seen to end there.
    pub(super) fn shipped(&self, head: EventSeq) {
        self.shipped.store(head.to_u64(), Ordering::Relaxed);
        if head.to_u64() >= self.seen.load(Ordering::Relaxed) {
            let looked = self.looked_ms.load(Ordering::Relaxed);
            self.whole_ms.store(looked, Ordering::Relaxed);
        }
    }

    /// The folder is on this disk; true if it was believed to be on the other.
    pub(super) fn found_on(&self, disk: Disk) -> bool {
        let is_nodes = disk == Disk::Nodes;
        self.is_on_nodes_disk.swap(is_nodes, Ordering::Relaxed) != is_nodes
    }

    /// Something failed.
    pub(super) fn failed(&self, words: String) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    /// Nothing fails any more; true if something did.
    pub(super) fn recovered(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

/// Now, by the wall clock: for gauges, and for the age in a manifest.
pub(super) fn now_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how old a copy is, only the clock can tell")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
