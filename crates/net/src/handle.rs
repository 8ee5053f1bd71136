//! What the rest of the node holds: sends frames, asks for connections, reads what is.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use strait_primitives::NodeId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::address::Address;
use crate::counters::Counters;
use crate::event::{Direction, DisconnectReason, LinkId};
use crate::frame::Frame;
use crate::identity::{IdentityError, to_peer_id};
use crate::limits::{CONNECT, CONNECTS_WAITING_MAX, KEPT_MAX};
use crate::link::{Link, Refusal};
use crate::lock::locked;
use crate::switchboard::Switchboard;

/// A cheap, clonable door to the running [`crate::Service`].
#[derive(Debug, Clone)]
pub struct Handle {
    /// Shared with the service.
    board: Arc<Switchboard>,
    /// Dials that someone waits for.
    connects: mpsc::Sender<Connect>,
}

/// A dial that someone waits for.
#[derive(Debug)]
pub(crate) struct Connect {
    /// Whom to expect.
    pub(crate) peer: NodeId,
    /// Where.
    pub(crate) address: Address,
    /// To the one who waits.
    pub(crate) answer: oneshot::Sender<Result<(), ConnectError>>,
}

/// Why a frame was not taken. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no link to the peer now.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// Whom the frame was for.
        peer: NodeId,
    },
    /// The link that the frame was meant for is gone, and another is in its place.
    #[error("the link to peer {peer} is a newer one than the frame was meant for")]
    Replaced {
        /// Whom the frame was for.
        peer: NodeId,
    },
    /// The peer does not read as fast as we write.
    #[error("{queued_bytes} bytes wait for peer {peer}, where {limit_bytes} is the most")]
    PeerFull {
        /// Whom the frame was for.
        peer: NodeId,
        /// Bytes that wait for it.
        queued_bytes: usize,
        /// Bytes that may wait.
        limit_bytes: usize,
    },
    /// All peers together do not read as fast as we write.
    #[error("{queued_bytes} bytes wait for all peers, where {limit_bytes} is the most")]
    TotalFull {
        /// Bytes that wait for all.
        queued_bytes: usize,
        /// Bytes that may wait.
        limit_bytes: usize,
    },
}

/// The peer has no link to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("peer {peer} is not connected")]
pub struct NotConnected {
    /// Who was meant.
    pub peer: NodeId,
}

/// Why a peer cannot be kept connected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// A node is not its own peer.
    #[error("a node does not connect to itself")]
    Itself,
    /// The id is no key.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// Too many peers are kept.
    #[error("{KEPT_MAX} peers are kept connected, which is the most")]
    Full,
}

/// Why [`Handle::connect`] did not connect.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A node is not its own peer.
    #[error("a node does not connect to itself")]
    Itself,
    /// The id is no key.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// The host's name has no address.
    #[error("the host of {address} does not resolve")]
    Unresolved {
        /// Where we were sent.
        address: Address,
    },
    /// Nobody answers there.
    #[error("{address} cannot be reached")]
    Unreachable {
        /// Where we were sent.
        address: Address,
        /// What the system or the handshake said.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// Another node answers there.
    #[error("{address} is the address of {found}, not of {expected}")]
    OtherPeer {
        /// Where we were sent.
        address: Address,
        /// Whom we looked for.
        expected: NodeId,
        /// Whom we found, in libp2p's form: it may have no node id.
        found: String,
    },
    /// A limit of this node stands in the way.
    #[error("this node has no room for a connection to {peer}")]
    Refused {
        /// Whom we looked for.
        peer: NodeId,
        /// Which limit.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The node there does not speak `/strait/channel/1`.
    #[error("peer {peer} does not speak the channel protocol")]
    Unsupported {
        /// Whom we reached.
        peer: NodeId,
    },
    /// The peer hung up before the channel's stream was there: it has no room, or refuses us.
    #[error("peer {peer} closed the connection at once")]
    Closed {
        /// Whom we reached.
        peer: NodeId,
    },
    /// The peer, or its network, took too long.
    #[error("peer {peer} did not answer in {} s", limit.as_secs())]
    TimedOut {
        /// Whom we looked for.
        peer: NodeId,
        /// How long we waited.
        limit: Duration,
    },
    /// Too many callers wait already.
    #[error("{CONNECTS_WAITING_MAX} dials are waiting, which is the most")]
    Busy,
    /// The service has stopped.
    #[error("the network service has stopped")]
    Stopped,
}

/// A peer that is connected, or kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who.
    pub peer: NodeId,
    /// Whether it is dialled again when it is lost.
    pub is_kept: bool,
    /// What there is now.
    pub state: PeerState,
}

/// Whether frames can be sent to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerState {
    /// They can.
    Connected {
        /// Who began the connection.
        direction: Direction,
        /// Where the peer is.
        address: Address,
        /// The last ping's round trip.
        round_trip: Option<Duration>,
        /// What waits to be written, with its overhead.
        queued_bytes: usize,
    },
    /// They cannot; it is being dialled, or will be.
    Waiting,
}

impl Handle {
    /// A door to `board`.
    pub(crate) const fn new(board: Arc<Switchboard>, connects: mpsc::Sender<Connect>) -> Self {
        Self { board, connects }
    }

    /// This node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.board.own
    }

    /// Queues a frame for `peer`. Never waits. Frames of one caller arrive in order; a frame that was taken may
    /// still be lost with the connection.
    ///
    /// # Errors
    ///
    /// When the peer is not connected, or a queue is full.
    pub fn send(&self, peer: NodeId, frame: Frame) -> Result<(), SendError> {
        self.send_on(peer, frame, None)
    }

    /// As [`Self::send`], on a link that the caller knew of: `told` is the newest that it had been told of when it decided
    /// what to say. What was decided on a link that is gone would make no sense on the next.
    ///
    /// # Errors
    ///
    /// As there, and when the peer's link came up later.
    pub fn send_as_of(&self, peer: NodeId, frame: Frame, told: LinkId) -> Result<(), SendError> {
        self.send_on(peer, frame, Some(told))
    }

    fn send_on(&self, peer: NodeId, frame: Frame, told: Option<LinkId>) -> Result<(), SendError> {
        let limits = &self.board.limits;
        match self.board.send(&peer, frame, told) {
            Some(Ok(())) => Ok(()),
            Some(Err(Refusal::Replaced)) => Err(SendError::Replaced { peer }),
            None | Some(Err(Refusal::Closed)) => Err(SendError::NotConnected { peer }),
            Some(Err(Refusal::PeerFull { queued_bytes })) => {
                let limit_bytes = limits.outgoing_per_peer_bytes;
                Err(SendError::PeerFull { peer, queued_bytes, limit_bytes })
            }
            Some(Err(Refusal::TotalFull { queued_bytes })) => {
                let limit_bytes = limits.outgoing_total_bytes;
                Err(SendError::TotalFull { queued_bytes, limit_bytes })
            }
        }
    }

    /// Dials `peer` once and waits until it is connected; at once if it is already.
    ///
    /// # Errors
    ///
    /// When it could not be reached, is someone else, or does not speak our protocol.
    pub async fn connect(&self, peer: NodeId, address: Address) -> Result<(), ConnectError> {
        if peer == self.board.own {
            return Err(ConnectError::Itself);
        }
        to_peer_id(peer)?;
        let (answer, answered) = oneshot::channel();
        self.connects.try_send(Connect { peer, address, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ConnectError::Busy,
            mpsc::error::TrySendError::Closed(_) => ConnectError::Stopped,
        })?;
        match timeout(CONNECT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ConnectError::Stopped),
            Err(_) => Err(ConnectError::TimedOut { peer, limit: CONNECT }),
        }
    }

    /// Ends the link to `peer` after what is queued for it has been written, as far as that takes no longer than a
    /// second. A kept peer is dialled again: [`Self::forget`] it first.
    ///
    /// # Errors
    ///
    /// When there is no link.
    pub fn disconnect(&self, peer: NodeId) -> Result<(), NotConnected> {
        let link = self.board.link(&peer).ok_or(NotConnected { peer })?;
        self.board.close(&link, DisconnectReason::Requested);
        Ok(())
    }

    /// As [`Self::disconnect`], if the caller knew of the link: `told` is the newest that it had been told of when it decided
    /// to end it.
    ///
    /// # Errors
    ///
    /// When there is no link, or it came up later.
    pub fn disconnect_as_of(&self, peer: NodeId, told: LinkId) -> Result<(), NotConnected> {
        let link = self.board.link(&peer).filter(|link| link.id <= told);
        let link = link.ok_or(NotConnected { peer })?;
        self.board.close(&link, DisconnectReason::Requested);
        Ok(())
    }

    /// Stays connected to `peer` from now on: dials it at once and after every loss, with back-off, for ever. A
    /// second call replaces the addresses and dials at once. At most eight addresses count; those that the peer
    /// itself reports are tried after them.
    ///
    /// # Errors
    ///
    /// When the id is ours or no key, or too many peers are kept.
    pub fn keep_connected(&self, peer: NodeId, addresses: &[Address]) -> Result<(), KeepError> {
        if peer == self.board.own {
            return Err(KeepError::Itself);
        }
        to_peer_id(peer)?;
        let now = Instant::now();
        {
            let mut dialer = locked(&self.board.dialer);
            dialer.keep(peer, addresses, now).map_err(|_| KeepError::Full)?;
            if self.board.link(&peer).is_some() {
                dialer.handle_link_up(&peer, now);
            }
        }
        self.board.wake.notify_one();
        Ok(())
    }

    /// Stops dialling `peer`; a live link stays.
    pub fn forget(&self, peer: NodeId) {
        locked(&self.board.dialer).forget(&peer);
        self.board.wake.notify_one();
    }

    /// Every peer that is connected or kept, in order.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let links = self.board.links();
        let kept: BTreeSet<NodeId> = locked(&self.board.dialer).kept().collect();
        let waiting = kept.iter().filter(|peer| links.iter().all(|link| link.peer != **peer));
        let waiting = waiting.map(|peer| (*peer, PeerState::Waiting));
        let connected = links.iter().map(|link| (link.peer, connected(link)));
        let mut peers: Vec<_> = connected
            .chain(waiting)
            .map(|(peer, state)| PeerInfo { peer, is_kept: kept.contains(&peer), state })
            .collect();
        peers.sort_by_key(|info| info.peer);
        peers
    }

    /// Whether frames can be sent to `peer` now.
    #[must_use]
    pub fn is_connected(&self, peer: NodeId) -> bool {
        self.board.link(&peer).is_some()
    }

    /// Where the node listens now, with the ports that were really bound.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<Address> {
        self.board.listen_addresses()
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.board.meters.read()
    }
}

/// What there is to say about a live link.
fn connected(link: &Link) -> PeerState {
    PeerState::Connected {
        direction: link.direction,
        address: link.address.clone(),
        round_trip: link.round_trip(),
        queued_bytes: link.queued_bytes(),
    }
}
