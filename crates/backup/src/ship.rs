//! Log shipping: every batch of the log, in a second folder, a moment after it is durable in the first.
//!
//! ```text
//! strait.db ──rows──▶ segment-…-….open ──full or a minute old──▶ segment-…-….log
//!     └────copy, when there is none or the segments have outgrown it────▶ base-….db
//! ```
//!
//! A base is a backup as `strait backup` makes it. Segments hold the batches after it, byte for byte with their checksums and
//! their chain, and each frame of them is synced before it counts. Closed segments never change, so that any tool may carry
//! them on. The thread reads the log as any reader does: the node knows nothing of it, and whatever goes wrong here is counted,
//! told and tried again, while the node runs on.
//!
//! **Invariant:** whatever moment the thread or the machine dies in, the folder restores to a prefix of the log: the newest base
//! stays until a newer one is durable, and no segment goes that a base needs.
//!
//! Spec: ADR-0016, `docs/storage-format.md`, "Shipped log".

mod bring_back;
mod carried_modules;
mod folder;
mod segment;
mod status;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use strait_log::StoreError;
use strait_primitives::EventSeq;
use strait_seal::SealError;
use strait_store::LogId;
use strait_store_sqlite::Reader;
use thiserror::Error;

pub use self::bring_back::{Shipped, restore_shipped};
pub use self::status::ShipStatus;
use self::worker::Worker;
use crate::audit::FoldError;
use crate::disk::PlaceError;
use crate::manifest::ManifestError;
use crate::seals::SealKey;
use crate::take::TakeError;

/// How long a stop waits for the last batch: a folder that hangs must not keep the node.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What is shipped, and where to.
#[derive(Debug)]
pub struct ShipOptions {
    /// The node's folder.
    pub data_dir: PathBuf,
    /// The second folder, on another disk. It must be there.
    pub folder: PathBuf,
    /// How often it looks for news.
    pub every: Duration,
    /// What to seal with.
    pub seal: SealKey,
    /// Bytes to leave free on the disk of the data directory.
    pub free_bytes_min: u64,
    /// The version of this program.
    pub version: &'static str,
}

/// Why the log is not being shipped. It is tried again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShipError {
    /// The folder, or a file in it, cannot be used; or it lies on the node's disk, which has too little room.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It is not there. It is never made here: where a disk is not mounted, that would be a folder on another one.
    #[error("{} is not there: mount the disk that it lies on, or make it once", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Something was mounted over it, or it was made anew.
    #[error("{} is another folder than a moment ago", folder.display())]
    Replaced {
        /// The folder.
        folder: PathBuf,
    },
    /// It is the node's own folder, or that of its modules.
    #[error("{} is the node's own folder: what is shipped lies apart from the log", folder.display())]
    NodesOwn {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process ships to it.
    #[error("another process ships to {}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It holds the log of another node.
    #[error("{} holds the log of another node, {shipped}: give each node a folder of its own", folder.display())]
    OtherLog {
        /// The folder.
        folder: PathBuf,
        /// Whose log is there.
        shipped: LogId,
    },
    /// It holds more than this node has, or something else: a node that was restored starts a new folder.
    #[error("{} reaches event {shipped}, and this log has another history there: move that folder away, it may be the better one", folder.display())]
    OtherHistory {
        /// The folder.
        folder: PathBuf,
        /// The last event there.
        shipped: EventSeq,
    },
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
    /// The log does not fold.
    #[error("the log does not fold")]
    Fold(#[from] FoldError),
    /// A base was not made.
    #[error("the base copy was not made")]
    Base(#[from] TakeError),
    /// A manifest cannot be used.
    #[error("the manifest of a base cannot be used")]
    Manifest(#[from] ManifestError),
    /// Nothing was sealed.
    #[error("a frame was not sealed")]
    Seal(#[from] SealError),
    /// The thread that makes bases died.
    #[error("the thread that makes base copies died")]
    BaseThread,
}

/// The thread that ships.
#[derive(Debug)]
pub struct Shipper {
    status: Arc<ShipStatus>,
    /// Taken when it is told to stop.
    stop: Option<SyncSender<()>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Shipper {
    /// Starts it. Whatever is wrong with the folder shows in its status.
    ///
    /// # Errors
    /// What the system said when it gave no thread.
    pub fn start(options: ShipOptions, reader: Reader) -> io::Result<Self> {
        let status = Arc::new(ShipStatus::new());
        let (stop, stopped) = sync_channel(1);
        let (ended, done) = sync_channel(1);
        let worker = Worker::new(options, reader, Arc::clone(&status));
        let thread = thread::Builder::new().name("ship".to_owned()).spawn(move || {
            worker.run(&stopped);
            // Nobody may be waiting any more.
            let _told = ended.send(());
        })?;
        Ok(Self { status, stop: Some(stop), done, thread: Some(thread) })
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> Arc<ShipStatus> {
        Arc::clone(&self.status)
    }

    /// Ships what there is and ends; a folder that hangs is left behind after a few seconds.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if self.done.recv_timeout(STOP_WITHIN).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // It told its end already.
            let _ended = thread.join();
        }
    }
}
