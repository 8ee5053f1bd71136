//! What the network tells its consumer, and the queue it comes through.

use core::fmt;

use strait_primitives::NodeId;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::address::Address;
use crate::frame::{Frame, FrameError};

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer dialled us.
    Inbound,
    /// We dialled the peer.
    Outbound,
}

/// The number of a link, on this node and in this process alone: links are numbered in the order in which they are told.
///
/// Whoever has been told of one number has been told of all below it. So the last one that was told when something was
/// decided says for every peer whether the link that it has now was known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkId(u64);

impl LinkId {
    /// Below the first.
    pub const NONE: Self = Self(0);

    /// The number after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Something that happened on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// Frames can be sent to `peer`, and its frames follow.
    Connected {
        /// Who.
        peer: NodeId,
        /// The link's number, above those of all links told before.
        link: LinkId,
        /// Who began the connection.
        direction: Direction,
        /// Where the peer is.
        address: Address,
    },
    /// No more frames of `peer` until it is connected again. Frames sent to it and not yet answered may be lost.
    Disconnected {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A message of `peer`.
    Frame {
        /// Who sent it.
        peer: NodeId,
        /// What.
        frame: Frame,
    },
    /// The node can be reached here, at least from its own network.
    Listening {
        /// Where.
        address: Address,
    },
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// [`crate::Handle::disconnect`] was called.
    Requested,
    /// The peer closed the stream in good order.
    ClosedByPeer,
    /// The connection broke.
    ConnectionLost,
    /// The peer came back on a new connection.
    Replaced,
    /// This service is stopping.
    Shutdown,
    /// The peer announced a frame that may not exist.
    BadFrame(FrameError),
    /// The peer began a frame and did not finish it in time.
    FrameStalled,
    /// The peer did not read what we wrote.
    WriteStalled,
    /// The peer read so much less than others that the room of its queue was needed for theirs.
    CrowdedOut,
    /// A stranger that had its time made room for a newcomer.
    MadeRoom,
    /// The peer opened a second stream.
    StreamFlood,
    /// The peer answers no pings.
    PingTimeout,
}

impl DisconnectReason {
    /// Whether the peer broke a rule that no honest implementation breaks.
    #[must_use]
    pub const fn is_violation(self) -> bool {
        match self {
            Self::BadFrame(_) | Self::FrameStalled | Self::StreamFlood => true,
            Self::Requested
            | Self::ClosedByPeer
            | Self::ConnectionLost
            | Self::Replaced
            | Self::Shutdown
            | Self::WriteStalled
            | Self::CrowdedOut
            | Self::MadeRoom
            | Self::PingTimeout => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "disconnected on request",
            Self::ClosedByPeer => "closed by the peer",
            Self::ConnectionLost => "the connection broke",
            Self::Replaced => "replaced by a newer connection",
            Self::Shutdown => "this node is stopping",
            Self::BadFrame(error) => return write!(f, "the peer announced {error}"),
            Self::FrameStalled => "the peer did not finish a frame",
            Self::WriteStalled => "the peer does not read",
            Self::CrowdedOut => "the room of its unread messages was needed for others",
            Self::MadeRoom => "its place was needed for a newcomer",
            Self::StreamFlood => "the peer opened more than one stream",
            Self::PingTimeout => "the peer answers no pings",
        })
    }
}

/// An event in the queue, with the room it takes; taking it out frees the room.
#[derive(Debug)]
pub(crate) struct Queued {
    /// What happened.
    pub(crate) event: NetEvent,
    /// The room.
    pub(crate) room: Room,
}

/// Room that an event taken by [`Events::next_held`] still takes in the budgets of its peer and of all; dropping it
/// gives the room back, and the peer is read further.
#[derive(Debug)]
#[must_use = "dropping it lets the peer send more"]
pub struct Held {
    #[expect(dead_code, reason = "held for its drop")]
    room: Room,
}

/// What bounds the queue: each event but a few holds permits of a semaphore.
#[derive(Debug)]
#[expect(dead_code, reason = "held for their drop")]
pub(crate) enum Room {
    /// [`NetEvent::Connected`] shares the room of the `Disconnected` that will follow it, and
    /// [`NetEvent::Listening`] comes once per address.
    Free,
    /// [`NetEvent::Disconnected`] gives the link's room back.
    Link(OwnedSemaphorePermit),
    /// [`NetEvent::Frame`]: a place among the peer's frames, bytes of its budget, and of all peers'.
    Frame([OwnedSemaphorePermit; 3]),
}

/// The consumer's end of the queue. While nobody takes events, peers are not read.
///
/// Ends, with `None`, when the service has stopped and everything has been taken.
#[derive(Debug)]
#[must_use = "peers are not read until their events are taken"]
pub struct Events {
    /// The queue; its bound is in the permits.
    pub(crate) receiver: mpsc::UnboundedReceiver<Queued>,
}

impl Events {
    /// Waits for the next event, and leaves it to the caller when its room is given back: for consumers with a queue of
    /// their own, which these budgets then bound too. Safe to cancel.
    pub async fn next_held(&mut self) -> Option<(NetEvent, Held)> {
        let Queued { event, room } = self.receiver.recv().await?;
        Some((event, Held { room }))
    }

    /// Waits for the next event, and gives its room back. Safe to cancel.
    pub async fn next(&mut self) -> Option<NetEvent> {
        self.receiver.recv().await.map(take)
    }

    /// The next event, if there is one now.
    pub fn next_now(&mut self) -> Option<NetEvent> {
        self.receiver.try_recv().ok().map(take)
    }

    /// Waits for at least one event and appends what there is, up to `most`, to `out`. Returns how many: none means
    /// the end. Safe to cancel.
    pub async fn next_many(&mut self, out: &mut Vec<NetEvent>, most: usize) -> usize {
        if most == 0 {
            return 0;
        }
        let Some(first) = self.next().await else { return 0 };
        out.push(first);
        let mut count = 1;
        while count < most {
            let Some(event) = self.next_now() else { break };
            out.push(event);
            count += 1;
        }
        count
    }
}

/// Frees the room.
fn take(Queued { event, room }: Queued) -> NetEvent {
    drop(room);
    event
}
