//! The service: owns libp2p, dials who is due, answers who waits.
//!
//! **Invariant:** its loop never waits for the consumer, so a slow consumer stops reading peers and nothing else.

mod bind;
mod dialing;

pub use bind::{BindError, Net, Options};

use core::hash::BuildHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;
use std::sync::Arc;

use futures::StreamExt;
use libp2p::swarm::{ConnectionId, ListenError, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{connection_limits, identify, ping};
use strait_primitives::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::Address;
use crate::channel;
use crate::dialer::DOZE_MAX;
use crate::event::DisconnectReason;
use crate::handle::{Connect, ConnectError};
use crate::identity::{from_peer_id, to_peer_id};
use crate::limits::SHUTDOWN;
use crate::lock::locked;
use crate::switchboard::Switchboard;
use dialing::{Dial, Waiter, is_worth_learning};

/// What libp2p runs for us.
#[derive(NetworkBehaviour)]
struct Behaviours {
    /// First, so that what it denies costs the others nothing.
    limits: connection_limits::Behaviour,
    /// Ours.
    channel: channel::Behaviour,
    /// Tells peers where we are, and learns where they are.
    identify: identify::Behaviour,
    /// Finds dead peers.
    ping: ping::Behaviour,
}

/// The network of one node, to be run by one task.
#[must_use = "nothing happens until it runs"]
pub struct Service {
    /// libp2p.
    swarm: Swarm<Behaviours>,
    /// Shared with handles and drivers.
    board: Arc<Switchboard>,
    /// Dials that someone waits for.
    connects: mpsc::Receiver<Connect>,
    /// Who waits, at most [`crate::limits::CONNECTS_WAITING_MAX`].
    waiters: Vec<Waiter>,
    /// Names being resolved before they are dialled.
    resolving: JoinSet<Dial>,
    /// Dials under way.
    dialing: BTreeMap<ConnectionId, NodeId>,
    /// Kept peers that the limits have been told of.
    bypassing: BTreeSet<NodeId>,
    /// Makes the numbers for jitter: seeded by the system, and nothing secret hangs on it.
    entropy: RandomState,
}

impl Service {
    /// Serves until `shutdown` completes; then ends every link in good order, within two seconds.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = core::pin::pin!(shutdown);
        let board = Arc::clone(&self.board);
        loop {
            let due = self.dial_due();
            tokio::select! {
                () = &mut shutdown => break,
                event = self.swarm.select_next_some() => self.handle_event(event),
                Some(connect) = self.connects.recv() => self.handle_connect(connect),
                Some(Ok(dial)) = self.resolving.join_next() => self.dial(dial),
                () = board.wake.notified() => self.update_bypass(),
                () = sleep_until(due) => {}
            }
        }
        self.stop().await;
    }

    /// Ends every link and waits a little for connections to close.
    async fn stop(&mut self) {
        self.board.stop();
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                let _ = self.swarm.select_next_some().await;
            }
        };
        if timeout(SHUTDOWN, closed).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }

    /// Dials every kept peer that is due, answers who has waited long enough, and says when to look again.
    fn dial_due(&mut self) -> Instant {
        let now = Instant::now();
        loop {
            let due = locked(&self.board.dialer).poll_due(now, self.entropy());
            let Some((peer, addresses)) = due else { break };
            self.resolve_and_dial(Dial { peer, addresses, waiter: None });
        }
        let next_due = locked(&self.board.dialer).next_due(now);
        let times = [next_due, self.expire_waiters(now), Some(now + DOZE_MAX)];
        times.into_iter().flatten().min().expect("the last one is always there")
    }

    /// Lets kept peers past the limits, and others not.
    fn update_bypass(&mut self) {
        let kept: BTreeSet<NodeId> = locked(&self.board.dialer).kept().collect();
        let limits = &mut self.swarm.behaviour_mut().limits;
        for peer in kept.symmetric_difference(&self.bypassing) {
            let peer_id = to_peer_id(*peer).expect("checked before it was kept");
            if kept.contains(peer) {
                limits.bypass_peer_id(&peer_id);
            } else {
                limits.remove_peer_id(&peer_id);
            }
        }
        self.bypassing = kept;
    }

    /// What happened in libp2p.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's events grow with its versions, and the rest do not concern us"
    )]
    fn handle_event(&mut self, event: SwarmEvent<BehavioursEvent>) {
        match event {
            SwarmEvent::Behaviour(BehavioursEvent::Channel(notice)) => self.handle_notice(notice),
            SwarmEvent::Behaviour(BehavioursEvent::Identify(event)) => self.handle_identify(event),
            SwarmEvent::Behaviour(BehavioursEvent::Ping(event)) => self.handle_ping(event),
            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                self.dialing.remove(&connection_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, .. } => {
                if num_established == 0 {
                    self.handle_last_closed(&peer_id, connection_id);
                }
                if let Ok(peer) = from_peer_id(&peer_id)
                    && self.board.link(&peer).is_none()
                {
                    let entropy = self.entropy();
                    let mut dialer = locked(&self.board.dialer);
                    dialer.handle_link_down(&peer, Instant::now(), entropy);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.handle_dial_error(connection_id, error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.board.meters.connections_refused.count();
                log_refusal(&send_back_addr.to_string(), &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                if let Some(address) = Address::from_multiaddr(address) {
                    self.board.listening(&address);
                }
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                if let Some(address) = Address::from_multiaddr(address) {
                    self.board.listens_no_more(&address);
                }
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                for address in addresses.into_iter().filter_map(Address::from_multiaddr) {
                    self.board.listens_no_more(&address);
                }
                if let Err(error) = reason {
                    tracing::error!(%error, "a listener has failed");
                }
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            _ => {}
        }
    }

    /// What the channel protocol tells.
    fn handle_notice(&mut self, notice: channel::Notice) {
        match notice {
            channel::Notice::LinkUp(peer) => {
                if self.board.link(&peer).is_some() {
                    locked(&self.board.dialer).handle_link_up(&peer, Instant::now());
                }
                self.answer(&peer, || Ok(()));
            }
            channel::Notice::Unsupported(peer) => {
                tracing::warn!(%peer, "peer does not speak the channel protocol");
                self.answer(&peer, || Err(ConnectError::Unsupported { peer }));
            }
        }
    }

    /// A kept peer says where it is.
    fn handle_identify(&self, event: identify::Event) {
        let identify::Event::Received { connection_id, peer_id, info } = event else { return };
        let Ok(peer) = from_peer_id(&peer_id) else { return };
        let seen = self.swarm.behaviour().channel.address_of(connection_id);
        let Some(seen) = seen.and_then(Address::ip) else { return };
        let mut dialer = locked(&self.board.dialer);
        if dialer.is_kept(&peer) {
            let addresses = info.listen_addrs.into_iter().filter_map(Address::from_multiaddr);
            let addresses = addresses.filter(|address| is_worth_learning(address, seen));
            dialer.learn(&peer, addresses, Instant::now());
        }
    }

    /// A ping came back, or did not.
    fn handle_ping(&mut self, ping::Event { peer, connection, result }: ping::Event) {
        let link = from_peer_id(&peer).ok().and_then(|peer| self.board.link(&peer));
        match (result, link) {
            (Ok(round_trip), Some(link)) => link.note_round_trip(round_trip),
            (Ok(_), None) | (Err(ping::Failure::Unsupported), _) => {}
            (Err(ping::Failure::Timeout | ping::Failure::Other { .. }), link) => {
                if let Some(link) = link.filter(|link| {
                    self.swarm.behaviour().channel.address_of(connection) == Some(&link.address)
                }) {
                    self.board.close(&link, DisconnectReason::PingTimeout);
                }
                self.swarm.close_connection(connection);
            }
        }
    }

    /// A number for jitter.
    fn entropy(&self) -> u64 {
        self.entropy.hash_one(self.board.meters.read().dial_attempts)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.board.stop();
    }
}

/// Says why an inbound connection was turned away: strangers are no alarm, so quietly.
fn log_refusal(from: &str, error: &ListenError) {
    match error {
        ListenError::Denied { cause } => {
            tracing::debug!(from, error = %error, ?cause, "inbound connection refused");
        }
        ListenError::Aborted
        | ListenError::WrongPeerId { .. }
        | ListenError::LocalPeerId { .. }
        | ListenError::Transport(_) => {
            tracing::debug!(from, %error, "inbound connection failed");
        }
    }
}
