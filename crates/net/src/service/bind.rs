//! From options to a service that listens.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;
use std::sync::Arc;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, connection_limits, identify, noise, ping, tcp, yamux};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Behaviours, Service};
use crate::address::{Address, Host};
use crate::channel;
use crate::event::Events;
use crate::handle::Handle;
use crate::identity::Identity;
use crate::limits::{
    CONNECTIONS_PENDING_MAX, CONNECTS_WAITING_MAX, IDLE, LISTEN, Limits, LimitsError, NEGOTIATE,
    PING_INTERVAL, PING_TIMEOUT, QUIC_CONNECTION_BYTES, QUIC_STREAM_BYTES, QUIC_STREAMS,
    STREAMS_NEGOTIATING_MAX, YAMUX_STREAMS,
};
use crate::policies::Policies;
use crate::switchboard::Switchboard;

/// The entrance: binds a [`Service`].
#[derive(Debug)]
pub struct Net;

/// What a service is bound with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node's key.
    pub identity: Identity,
    /// Where to listen; port 0 takes a free one. Empty: peers cannot dial this node.
    pub listen: Vec<Address>,
    /// Where peers can reach the node beyond what it sees itself (behind a forwarded port); told to them.
    pub announce: Vec<Address>,
    /// Bounds.
    pub limits: Limits,
    /// How much peers may ask of this node; whoever holds them too tunes them while it runs.
    pub policies: Arc<Policies>,
}

impl Options {
    /// Listens at `listen`, with everything else at its default.
    #[must_use]
    pub fn new(identity: Identity, listen: Vec<Address>) -> Self {
        Self {
            identity,
            listen,
            announce: Vec::new(),
            limits: Limits::default(),
            policies: Arc::default(),
        }
    }
}

/// Why a service could not be bound.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// A limit makes no sense.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A node listens at an IP address, not at a name.
    #[error("cannot listen at {address}: not an IP address")]
    Named {
        /// The address.
        address: Address,
    },
    /// The address is in use, not ours, or forbidden.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: Address,
        /// The system's word.
        #[source]
        source: Box<dyn core::error::Error + Send + Sync>,
    },
    /// The system did not say where it listens.
    #[error("listening at {address} did not begin within {} s", limit.as_secs())]
    ListenTimedOut {
        /// The address.
        address: Address,
        /// How long we waited.
        limit: Duration,
    },
    /// The handshake could not be set up with this key.
    #[error("the node key does not fit the handshake")]
    Handshake(#[source] Box<dyn core::error::Error + Send + Sync>),
}

impl Net {
    /// Binds a service and waits until it listens. Must be called inside a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// When a limit makes no sense or an address cannot be listened at.
    pub async fn bind(options: Options) -> Result<(Service, Handle, Events), BindError> {
        options.limits.check()?;
        let (events, receiver) = mpsc::unbounded_channel();
        let own = options.identity.node_id();
        let policies = Arc::clone(&options.policies);
        let board = Arc::new(Switchboard::new(own, options.limits.clone(), policies, events));
        let swarm = swarm(&options, &board)?;
        let (connect, connects) = mpsc::channel(CONNECTS_WAITING_MAX);
        let handle = Handle::new(Arc::clone(&board), connect);
        let mut service = Service {
            swarm,
            board,
            connects,
            waiters: Vec::new(),
            resolving: JoinSet::new(),
            dialing: BTreeMap::new(),
            bypassing: BTreeSet::new(),
            entropy: RandomState::new(),
        };
        service.listen(&options.listen).await?;
        Ok((service, handle, Events { receiver }))
    }
}

impl Service {
    /// Listens at each address and waits until the system has named the ports.
    ///
    /// libp2p sets `SO_REUSEPORT` on its TCP listeners, so a second node on the same port would share it and get half
    /// of the peers. Therefore each port is first bound without, which fails as it should. Not needed any more when
    /// libp2p's TCP transport can be told to keep a port to itself.
    async fn listen(&mut self, addresses: &[Address]) -> Result<(), BindError> {
        let mut pending: Vec<(ListenerId, Address)> = Vec::new();
        for address in addresses {
            let address = address.clone();
            let Host::Ip(ip) = address.host() else {
                return Err(BindError::Named { address });
            };
            if address.is_tcp()
                && let Err(source) = TcpListener::bind((ip, address.port())).await
            {
                return Err(BindError::Listen { address, source: Box::new(source) });
            }
            match self.swarm.listen_on(address.as_multiaddr().clone()) {
                Ok(listener) => pending.push((listener, address)),
                Err(error) => {
                    return Err(BindError::Listen { address, source: Box::new(error) });
                }
            };
        }
        while let Some((_, address)) = pending.first().cloned() {
            let Ok(event) = timeout(LISTEN, self.swarm.select_next_some()).await else {
                return Err(BindError::ListenTimedOut { address, limit: LISTEN });
            };
            if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                pending.retain(|(id, _)| id != listener_id);
            }
            if let SwarmEvent::ListenerClosed { listener_id, reason: Err(source), .. } = event {
                let failed = pending.iter().find(|(id, _)| *id == listener_id);
                let address = failed.map_or(address, |(_, address)| address.clone());
                return Err(BindError::Listen { address, source: Box::new(source) });
            }
            self.handle_event(event);
        }
        Ok(())
    }
}

/// Sets libp2p up: transports, protocols, limits.
fn swarm(options: &Options, board: &Arc<Switchboard>) -> Result<Swarm<Behaviours>, BindError> {
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(YAMUX_STREAMS);
        config
    };
    let mut swarm =
        libp2p::SwarmBuilder::with_existing_identity(options.identity.keypair().clone())
            .with_tokio()
            .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, multiplexer)
            .map_err(|error| BindError::Handshake(Box::new(error)))?
            .with_quic_config(|mut config| {
                config.max_concurrent_stream_limit = QUIC_STREAMS;
                config.max_stream_data = QUIC_STREAM_BYTES;
                config.max_connection_data = QUIC_CONNECTION_BYTES;
                config.handshake_timeout = NEGOTIATE;
                config
            })
            .with_behaviour(|_| behaviours(options, board))
            .unwrap_or_else(|error| match error {})
            .with_swarm_config(|config| {
                config
                    .with_idle_connection_timeout(IDLE)
                    .with_max_negotiating_inbound_streams(STREAMS_NEGOTIATING_MAX)
                    .with_smart_dial()
            })
            .with_connection_timeout(NEGOTIATE)
            .build();
    for address in &options.announce {
        swarm.add_external_address(Multiaddr::clone(address.as_multiaddr()));
    }
    Ok(swarm)
}

/// The protocols.
fn behaviours(options: &Options, board: &Arc<Switchboard>) -> Behaviours {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
        .with_max_established_incoming(Some(options.limits.connections_inbound_max))
        .with_max_established(Some(options.limits.connections_max));
    let identify = identify::Config::new("/strait/1".into(), options.identity.keypair().public())
        .with_agent_version(concat!("strait/", env!("CARGO_PKG_VERSION")).into())
        .with_cache_size(0);
    let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    Behaviours {
        limits: connection_limits::Behaviour::new(limits),
        channel: channel::Behaviour::new(Arc::clone(board)),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
    }
}
