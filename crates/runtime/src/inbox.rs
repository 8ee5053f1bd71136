//! The one queue into the engine: bounded, so that whoever feeds it too fast waits.

use std::sync::Arc;

use strait_engine::Input;
use strait_net::{Held, LinkId};
use strait_primitives::NodeId;
use tokio::sync::mpsc;
use tracing::Span;

use crate::block_room::{BlockRoom, Room};

/// Inputs that may wait. A message holds up to a mebibyte; it lies here with its room in the network's budgets, which
/// bound what all messages take, and a block with its room in a budget of its own. The rest is small, or the answer to
/// one that waits for it.
const INPUTS_MAX: usize = 4_096;
/// Inputs the engine takes at once: enough for a full group commit, few enough that answers are not held up.
pub(crate) const BATCH_MAX: usize = 512;

/// In whose budget the bytes of an input are counted, until this is dropped.
#[derive(Debug)]
pub(crate) enum Place {
    /// In nobody's: it is small.
    Small,
    /// In the network's, on its peer's account.
    OfPeer {
        /// What is given back.
        _room: Held,
    },
    /// In that of the blocks.
    OfBlock {
        /// What is given back.
        _room: Room,
    },
}

/// What lies in the queue.
#[derive(Debug)]
pub(crate) enum Queued {
    /// Something for the engine, the room it takes until the engine has handled it, and its span, if it is traced.
    Input(Input, Place, Span),
    /// A link to a peer is up, and has this number.
    Connected(NodeId, LinkId),
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

    pub(crate) async fn put(&self, input: Input, span: Span) -> Result<(), EngineGone> {
        self.sender.send(Queued::Input(input, Place::Small, span)).await.map_err(|_| EngineGone)
    }

    /// Puts what a peer sent, together with the room it holds.
    pub(crate) async fn put_held(
        &self,
        input: Input,
        room: Held,
        span: Span,
    ) -> Result<(), EngineGone> {
        let place = Place::OfPeer { _room: room };
        self.sender.send(Queued::Input(input, place, span)).await.map_err(|_| EngineGone)
    }

    /// Puts that a link is up.
    pub(crate) async fn put_link(&self, peer: NodeId, link: LinkId) -> Result<(), EngineGone> {
        self.sender.send(Queued::Connected(peer, link)).await.map_err(|_| EngineGone)
    }

    /// Asks the engine to take what lies in the queue, and nothing after it.
    ///
    /// Threads keep their ends of the queue for as long as they wait for something else, so that the engine cannot
    /// know the end by everyone having left.
    pub(crate) async fn stop(&self) {
        // An engine that is gone has stopped.
        let _ = self.sender.send(Queued::Stop).await;
    }

    /// Puts what is small, if there is room at once; true if it did. For those whom the engine may be waiting for.
    pub(crate) fn try_put(&self, input: Input) -> bool {
        self.sender.try_send(Queued::Input(input, Place::Small, Span::none())).is_ok()
    }

    /// For threads of their own; never from within the asynchronous runtime.
    pub(crate) fn put_blocking(&self, input: Input) -> Result<(), EngineGone> {
        let queued = Queued::Input(input, Place::Small, Span::none());
        self.sender.blocking_send(queued).map_err(|_| EngineGone)
    }

    /// Puts a block of so many bytes, and waits until there is room for it; as [`Inbox::put_blocking`].
    pub(crate) fn put_block(&self, input: Input, bytes: usize) -> Result<(), EngineGone> {
        let place = Place::OfBlock { _room: BlockRoom::take(&self.room, bytes) };
        self.sender.blocking_send(Queued::Input(input, place, Span::none())).map_err(|_| EngineGone)
    }
}
