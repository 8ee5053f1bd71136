//! The channel protocol on one connection: negotiates the stream and runs its driver.

use core::fmt;
use core::future::{Ready, ready};
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use strait_primitives::NodeId;

use super::PROTOCOL;
use super::driver::drive;
use crate::address::Address;
use crate::event::{Direction, DisconnectReason};
use crate::limits::NEGOTIATE;
use crate::link::Link;
use crate::switchboard::Switchboard;

/// Who opens the stream of a pair of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// This node: its id is the smaller one.
    Opener,
    /// The peer.
    Accepter,
}

/// From the behaviour: open the stream on this connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open;

/// To the behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    /// The link is up.
    Up,
    /// The peer does not speak the protocol, or not in time.
    Unsupported,
    /// There is no room for another link.
    NoRoom,
    /// The link has ended: the connection is of no more use.
    Ended(DisconnectReason),
}

/// The protocol on one connection.
pub(crate) struct Handler {
    /// Shared with the rest of the node.
    board: Arc<Switchboard>,
    /// At the other end.
    peer: NodeId,
    /// Who opens the stream.
    role: Role,
    /// Who dialled.
    direction: Direction,
    /// Where the peer is.
    address: Address,
    /// Whether the behaviour asked for the stream and libp2p has not been told yet.
    open: Option<Open>,
    /// The link, once there was one; a connection has one in its life.
    link: Option<Arc<Link>>,
    /// Moves the link's frames until it ends.
    driver: Option<BoxFuture<'static, DisconnectReason>>,
    /// For the behaviour.
    reports: VecDeque<Report>,
}

impl Handler {
    /// The protocol on a connection that has just been established.
    pub(crate) fn new(
        board: Arc<Switchboard>,
        peer: NodeId,
        direction: Direction,
        address: Address,
    ) -> Self {
        let role = role(board.own, peer);
        Self {
            board,
            peer,
            role,
            direction,
            address,
            open: None,
            link: None,
            driver: None,
            reports: VecDeque::new(),
        }
    }

    /// Takes the negotiated stream into use.
    fn start(&mut self, stream: Stream) {
        if let Some(link) = &self.link {
            self.board.close(link, DisconnectReason::StreamFlood);
            self.reports.push_back(Report::Ended(DisconnectReason::StreamFlood));
            return;
        }
        match self.board.open(self.peer, self.direction, self.address.clone()) {
            Ok(live) => {
                tracing::info!(peer = %self.peer, address = %self.address, "peer connected");
                self.link = Some(Arc::clone(&live.link));
                self.driver = Some(drive(stream, live).boxed());
                self.reports.push_back(Report::Up);
            }
            Err(_) => self.reports.push_back(Report::NoRoom),
        }
    }
}

/// Who opens the stream between two nodes.
pub(crate) fn role(own: NodeId, peer: NodeId) -> Role {
    if own < peer { Role::Opener } else { Role::Accepter }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Report;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(
            match self.role {
                Role::Opener => Offer(None),
                Role::Accepter => Offer(Some(PROTOCOL)),
            },
            (),
        )
        .with_timeout(NEGOTIATE)
    }

    fn on_behaviour_event(&mut self, event: Open) {
        self.open = Some(event);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events grow with its versions, and the rest do not concern us"
    )]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.start(protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let report = match error {
                    StreamUpgradeError::Io(_) => Report::Ended(DisconnectReason::ConnectionLost),
                    StreamUpgradeError::Timeout
                    | StreamUpgradeError::NegotiationFailed
                    | StreamUpgradeError::Apply(_) => Report::Unsupported,
                };
                self.reports.push_back(report);
            }
            _ => {}
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, (), Report>> {
        if let Some(report) = self.reports.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        if let Some(Open) = self.open.take() {
            let protocol =
                SubstreamProtocol::new(Offer(Some(PROTOCOL)), ()).with_timeout(NEGOTIATE);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let Some(driver) = &mut self.driver else { return Poll::Pending };
        driver.poll_unpin(cx).map(|reason| {
            self.driver = None;
            ConnectionHandlerEvent::NotifyBehaviour(Report::Ended(reason))
        })
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handler({})", self.peer)
    }
}

/// The negotiation of a stream: the channel protocol, or none.
#[derive(Debug, Clone)]
pub(crate) struct Offer(Option<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
