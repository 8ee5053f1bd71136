//! Peers that are not ours: bare libp2p with the right handshake and the wrong manners.

use core::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::{Keypair, secp256k1};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, noise, tcp, yamux};
use libp2p_stream::Control;
use strait_net::{ConnectError, DisconnectReason, FRAME_BYTES_MAX, FrameError};
use strait_primitives::NodeId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::pair::{Node, PATIENCE, TCP, frame, identity, node, soon, until};

const CHANNEL: StreamProtocol = StreamProtocol::new("/strait/channel/1");

/// The victim; its id is larger than [`SMALL`]'s, so the stranger opens the stream.
const LARGE: u8 = 1;
/// The stranger.
const SMALL: u8 = 2;

/// Bare libp2p.
struct Stranger {
    peer_id: PeerId,
    control: Control,
    address: Multiaddr,
    running: JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// The same key as `identity(secret)`.
fn key(secret: u8) -> Keypair {
    let secret = secp256k1::SecretKey::try_from_bytes([secret; 32]).unwrap();
    secp256k1::Keypair::from(secret).into()
}

/// Runs bare libp2p with `key` and dials `node`.
async fn stranger(key: Keypair, dial: Option<&Node>) -> Stranger {
    let peer_id = key.public().to_peer_id();
    let mut swarm = libp2p::SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(PATIENCE))
        .build();
    let control = swarm.behaviour().new_control();
    swarm.listen_on(TCP.parse().unwrap()).unwrap();
    let address = soon(async {
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    })
    .await;
    if let Some(node) = dial {
        swarm.dial(node.address().to_string().parse::<Multiaddr>().unwrap()).unwrap();
        soon(async {
            while !matches!(
                swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        })
        .await;
    }
    let running = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    Stranger { peer_id, control, address, running }
}

fn peer_id(secret: u8) -> PeerId {
    key(secret).public().to_peer_id()
}

/// The victim and a stranger that has opened the channel's stream to it.
async fn met() -> (Node, Stranger, Stream) {
    let mut victim = node(LARGE, TCP).await;
    let mut stranger = stranger(key(SMALL), Some(&victim)).await;
    let stream = soon(stranger.control.open_stream(peer_id(LARGE), CHANNEL)).await.unwrap();
    victim.connected(small()).await;
    (victim, stranger, stream)
}

fn small() -> NodeId {
    identity(SMALL).node_id()
}

#[test]
fn the_stranger_has_the_smaller_id() {
    assert!(small() < identity(LARGE).node_id());
}

/// What `bytes` on the stream lead to.
async fn check(bytes: &[u8], expect: DisconnectReason) {
    let (mut victim, _stranger, mut stream) = met().await;
    AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
    AsyncWriteExt::flush(&mut stream).await.unwrap();
    assert_eq!(victim.disconnected(small()).await, expect);
    until(|| victim.handle.counters().violations == 1).await;
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "nothing is said to a peer that breaks the rules");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_that_may_not_be_end_the_link() {
    let too_large =
        |actual_bytes| DisconnectReason::BadFrame(FrameError::TooLarge { actual_bytes });
    check(&[0, 0, 0, 0], DisconnectReason::BadFrame(FrameError::Empty)).await;
    check(&[0, 0x10, 0, 1], too_large(FRAME_BYTES_MAX + 1)).await;
    check(&[0xff; 100], too_large(0xffff_ffff)).await;
    check(b"GET / HTTP/1.1\r\n\r\n", too_large(0x4745_5420)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_length_after_good_frames_ends_the_link_after_those_frames() {
    let (mut victim, _stranger, mut stream) = met().await;
    let bytes = b"\0\0\0\x03one\0\0\0\x03two\xff\xff\xff\xff";
    AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
    assert_eq!(victim.frame().await, b"one");
    assert_eq!(victim.frame().await, b"two");
    assert!(matches!(victim.disconnected(small()).await, DisconnectReason::BadFrame(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_stream_ends_the_link() {
    let (mut victim, mut stranger, _stream) = met().await;
    let _second = soon(stranger.control.open_stream(peer_id(LARGE), CHANNEL)).await;
    assert_eq!(victim.disconnected(small()).await, DisconnectReason::StreamFlood);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_smaller_id_may_open_the_stream() {
    // Here the victim has the smaller id: it opens the stream itself and accepts none.
    let victim = node(SMALL, TCP).await;
    let mut stranger = stranger(key(LARGE), Some(&victim)).await;
    let mut incoming = stranger.control.accept(CHANNEL).unwrap();
    let refused = soon(stranger.control.open_stream(peer_id(SMALL), CHANNEL)).await;
    assert!(refused.is_err());
    drop(incoming.next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_comes_back_replaces_its_old_link() {
    let (mut victim, _old, mut old_stream) = met().await;
    let mut new = stranger(key(SMALL), Some(&victim)).await;
    let mut stream = soon(new.control.open_stream(peer_id(LARGE), CHANNEL)).await.unwrap();
    assert_eq!(victim.disconnected(small()).await, DisconnectReason::Replaced);
    victim.connected(small()).await;
    let _ = AsyncWriteExt::write_all(&mut old_stream, b"\0\0\0\x03old").await;
    let _ = AsyncWriteExt::flush(&mut old_stream).await;
    AsyncWriteExt::write_all(&mut stream, b"\0\0\0\x03new").await.unwrap();
    assert_eq!(victim.frame().await, b"new", "frames of the old stream are not heard any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_key_of_another_kind_is_refused() {
    let victim = node(LARGE, TCP).await;
    let foreign = stranger(Keypair::generate_ed25519(), Some(&victim)).await;
    until(|| victim.handle.counters().connections_refused == 1).await;
    assert!(victim.handle.peers().is_empty());
    let address = foreign.address.to_string().parse().unwrap();
    match soon(victim.handle.connect(small(), address)).await {
        Err(ConnectError::OtherPeer { found, .. }) => {
            assert_eq!(found, foreign.peer_id.to_base58());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_speaks_another_protocol_is_told_apart_from_one_that_is_away() {
    let victim = node(SMALL, TCP).await;
    let other = stranger(key(LARGE), None).await;
    let address = other.address.to_string().parse().unwrap();
    let result = soon(victim.handle.connect(identity(LARGE).node_id(), address)).await;
    assert!(matches!(result, Err(ConnectError::Unsupported { .. })), "{result:?}");
}

/// Floods of streams, of connections and of noise do not keep an honest peer from its frames.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_leave_honest_peers_alone() {
    let mut victim = node(LARGE, TCP).await;
    let mut honest = node(4, TCP).await;
    let flooder = stranger(key(SMALL), Some(&victim)).await;
    let streams: Vec<_> = (0..64)
        .map(|_| {
            let mut control = flooder.control.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let other = StreamProtocol::new("/other/1");
                    let _ = control.open_stream(peer_id(LARGE), other).await;
                }
            })
        })
        .collect();
    let port: u16 = victim.address().to_string().rsplit('/').next().unwrap().parse().unwrap();
    let mut sockets = Vec::new();
    for index in 0..100_u8 {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = socket.write_all(&[index; 600]).await;
        sockets.push(socket);
    }
    // Handshakes under way have a limit; the garbage ones fail at once and make room.
    soon(async {
        while honest.handle.connect(victim.id(), victim.address()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    honest.connected(victim.id()).await;
    victim.connected(honest.id()).await;
    for count in 0..100 {
        honest.handle.send(victim.id(), frame([count])).unwrap();
        assert_eq!(victim.frame().await, [count]);
    }
    for stream in streams {
        stream.abort();
    }
}
