//! The one queue into the engine: bounded, so that whoever feeds it too fast waits.

use strait_engine::Input;
use strait_net::Held;
use tokio::sync::mpsc;

/// Inputs that may wait. A message holds up to a mebibyte; it lies here with its room in the network's budgets, which
/// bound what all messages take. The rest is small, or the answer to one that waits for it.
const INPUTS_MAX: usize = 4_096;
/// Inputs the engine takes at once: enough for a full group commit, few enough that answers are not held up.
pub(crate) const BATCH_MAX: usize = 512;

/// What lies in the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// Something for the engine, and, if it came from a peer, the room it holds until the engine has taken it.
    Input(Input, Option<Held>),
    /// The node is to stop.
    Stop,
}

/// Where inputs go in.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    sender: mpsc::Sender<Queued>,
}

/// The engine is gone: the process is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineGone;

impl Inbox {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(INPUTS_MAX);
        (Self { sender }, receiver)
    }

    pub(crate) async fn put(&self, input: Input) -> Result<(), EngineGone> {
        self.sender.send(Queued::Input(input, None)).await.map_err(|_| EngineGone)
    }

    /// Puts what a peer sent, together with the room it holds.
    pub(crate) async fn put_held(&self, input: Input, room: Held) -> Result<(), EngineGone> {
        self.sender.send(Queued::Input(input, Some(room))).await.map_err(|_| EngineGone)
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
        self.sender.blocking_send(Queued::Input(input, None)).map_err(|_| EngineGone)
    }
}
