//! The one queue into the engine: bounded, so that whoever feeds it too fast waits.

use std::sync::Arc;

use strait_engine::Input;
use tokio::sync::mpsc;

use crate::block_room::{BlockRoom, Room};

/// Inputs that may wait. A frame holds up to a mebibyte, but the net's own budget bounds those; blocks have one below.
const INPUTS_MAX: usize = 4_096;
/// Inputs the engine takes at once: enough for a full group commit, few enough that answers are not held up.
pub(crate) const BATCH_MAX: usize = 512;

/// What lies in the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// An input.
    Input(Input),
    /// A block, and the room it takes until the engine has handled it.
    Block(Input, Room),
    /// The node is to stop.
    Stop,
}

/// Where inputs go in.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    sender: mpsc::Sender<Queued>,
    room: Arc<BlockRoom>,
}

/// The engine is gone: the process is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineGone;

impl Inbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(INPUTS_MAX);
        (Self { sender, room: Arc::default() }, receiver)
    }

    pub(crate) async fn put(&self, input: Input) -> Result<(), EngineGone> {
        self.sender.send(Queued::Input(input)).await.map_err(|_| EngineGone)
    }

    /// Asks the engine to take what lies in the queue, and nothing after it.
    ///
    /// Threads keep their ends of the queue for as long as they wait for something else, so that the engine cannot
    /// know the end by everyone having left.
    pub(crate) async fn stop(&self) {
        // An engine that is gone has stopped.
        let _ = self.sender.send(Queued::Stop).await;
    }

    /// For threads of their own; never from within the asynchronous runtime.
    pub(crate) fn put_blocking(&self, input: Input) -> Result<(), EngineGone> {
        self.sender.blocking_send(Queued::Input(input)).map_err(|_| EngineGone)
    }

    /// Puts a block of so many bytes, and waits until there is room for it; as [`Inbox::put_blocking`].
    pub(crate) fn put_block(&self, input: Input, bytes: usize) -> Result<(), EngineGone> {
        let room = BlockRoom::take(&self.room, bytes);
        self.sender.blocking_send(Queued::Block(input, room)).map_err(|_| EngineGone)
    }
}
