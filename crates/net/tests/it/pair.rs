//! A bound and running service with its events, and waiting for conditions with a limit.

use core::time::Duration;
use std::sync::Arc;

use strait_net::{
    Address, Direction, DisconnectReason, Events, Frame, Handle, Identity, Limits, Net, NetEvent,
    Options, Policies, PolicySettings, Service,
};
use strait_primitives::NodeId;
use strait_resilience::Backoff;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// More than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The transports under test.
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
/// See [`TCP`].
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A node's network, running.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// A key from one byte.
pub(crate) fn identity(secret: u8) -> Identity {
    Identity::from_secret([secret; 32]).unwrap()
}

/// Quick to redial, so that tests are.
pub(crate) fn options(secret: u8, listen: &str) -> Options {
    let redial = Backoff { first: Duration::from_millis(50), most: Duration::from_millis(400) };
    let policies = Policies::new(PolicySettings { redial, ..PolicySettings::default() });
    let policies = Arc::new(policies);
    Options { policies, ..Options::new(identity(secret), vec![listen.parse().unwrap()]) }
}

/// Binds and runs.
pub(crate) async fn start(options: Options) -> Node {
    run(Net::bind(options).await.unwrap())
}

/// Starts a node where it was before. QUIC keeps its socket for a moment after the service has stopped.
pub(crate) async fn again(secret: u8, address: &Address) -> Node {
    let options = Options { listen: vec![address.clone()], ..options(secret, TCP) };
    soon(async {
        loop {
            match Net::bind(options.clone()).await {
                Ok(bound) => return run(bound),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await
}

/// Runs what was bound.
fn run((service, handle, events): (Service, Handle, Events)) -> Node {
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(service.run(async {
        let _ = stopped.await;
    }));
    Node { handle, events, stop, running }
}

/// A node of default limits.
pub(crate) async fn node(secret: u8, listen: &str) -> Node {
    start(options(secret, listen)).await
}

/// Waits, but not for ever.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("happens soon")
}

/// Waits until `done` says so.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    soon(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A frame.
pub(crate) fn frame(bytes: impl Into<Vec<u8>>) -> Frame {
    Frame::new(bytes.into()).unwrap()
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.handle.node_id()
    }

    pub(crate) fn address(&self) -> Address {
        self.handle.listen_addresses()[0].clone()
    }

    /// The next event that is not about listening.
    pub(crate) async fn next(&mut self) -> NetEvent {
        loop {
            let event = soon(self.events.next()).await.expect("the service runs");
            if !matches!(event, NetEvent::Listening { .. }) {
                return event;
            }
        }
    }

    /// The next event must be that `expect` is connected.
    pub(crate) async fn connected(&mut self, expect: NodeId) -> Direction {
        let event = self.next().await;
        let NetEvent::Connected { peer, direction, .. } = event else {
            panic!("{expect} did not connect: {event:?}");
        };
        assert_eq!(peer, expect);
        direction
    }

    /// The next event must be that `expect` is gone.
    pub(crate) async fn disconnected(&mut self, expect: NodeId) -> DisconnectReason {
        let event = self.next().await;
        let NetEvent::Disconnected { peer, reason } = event else {
            panic!("{expect} did not disconnect: {event:?}");
        };
        assert_eq!(peer, expect);
        reason
    }

    /// The next event must be a frame.
    pub(crate) async fn frame(&mut self) -> Vec<u8> {
        let event = self.next().await;
        let NetEvent::Frame { frame, .. } = event else { panic!("not a frame: {event:?}") };
        frame.into_bytes()
    }

    /// Stops and waits for the end of the task; the events stay to be read.
    pub(crate) async fn stop(self) -> Events {
        self.stop.send(()).unwrap();
        soon(self.running).await.unwrap();
        self.events
    }
}

/// Two connected nodes; the first has dialled. Over `listen`, with the limits given for both.
pub(crate) async fn pair(secrets: [u8; 2], listen: &str, limits: &Limits) -> [Node; 2] {
    let with = |secret| Options { limits: limits.clone(), ..options(secret, listen) };
    let [mut a, mut b] = [start(with(secrets[0])).await, start(with(secrets[1])).await];
    soon(a.handle.connect(b.id(), b.address())).await.unwrap();
    assert_eq!(a.connected(b.id()).await, Direction::Outbound);
    assert_eq!(b.connected(a.id()).await, Direction::Inbound);
    [a, b]
}
