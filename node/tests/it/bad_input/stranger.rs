//! Peers that break the protocol: they lose their connection, and nobody else loses anything.
//!
//! They speak through `strait-net`, as a node does. Frames longer than their header may say, and streams that are none,
//! cannot be sent that way: those are in the tests of that crate.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use strait_net::{
    FRAME_BYTES_MAX, Frame, Handle, Identity, Net, NetEvent, Options, PeerState, SendError,
};
use strait_primitives::{ChannelId, CommitmentNumber, Digest, NodeId};
use strait_wire::{Fault, FaultCode, Hello, Message, Note, RequestTurn};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::nodes::{Node, until};
use crate::world::{on_a_chain, still_pays, with_channel};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one stranger says.
type Words = Vec<Vec<u8>>;

/// The genesis block of the devnet, which is the one of every regtest, as it is on the wire.
pub(super) fn regtest() -> Digest {
    let genesis = bitcoin::constants::genesis_block(bitcoin::Network::Regtest).block_hash();
    Digest::from_bytes(bitcoin::hashes::Hash::to_byte_array(genesis))
}

pub(super) fn hello(version: u16, chain: Digest) -> Vec<u8> {
    Message::from(Hello { version, chain }).to_frame()
}

pub(super) fn stray() -> Vec<u8> {
    let (channel, number) = (ChannelId::from_bytes([7; 32]), CommitmentNumber::FIRST);
    Message::from(RequestTurn { channel, number }).to_frame()
}

fn fault(code: FaultCode) -> Vec<u8> {
    Message::from(Fault { channel: None, code, note: Note::cut("because") }).to_frame()
}

/// What becomes of a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It loses its connection.
    ShownOut,
    /// What it says is no reason to hang up, or not one yet.
    Borne,
}

/// Goal: whatever a stranger sends, the node goes on, and its channel with its honest peer works after each of them.
/// Method: strangers by table, each with a key of its own.
#[test]
fn strangers_that_break_the_protocol_hurt_nobody() {
    use Manner::{Borne, ShownOut};
    let greeting = hello(1, regtest());
    let faults = [FaultCode::Violation, FaultCode::UnknownChannel].repeat(1_000);
    let faults = faults.into_iter().map(fault).collect();
    let rows: [(&str, Words, Manner); 11] = [
        ("garbage", vec![vec![0x7f; 300]], ShownOut),
        ("one byte", vec![vec![0]], ShownOut),
        ("the longest frame, of nothing", vec![vec![0; FRAME_BYTES_MAX]], ShownOut),
        ("another chain", vec![hello(1, Digest::from_bytes([3; 32]))], ShownOut),
        ("another version", vec![hello(u16::MAX, regtest())], ShownOut),
        ("a greeting cut short", vec![greeting[..5].to_vec()], ShownOut),
        ("a greeting, then garbage", vec![greeting.clone(), vec![0x7f; 3]], ShownOut),
        ("a message of a later version", vec![vec![0xff; 300]], Borne),
        ("a message before its greeting", vec![stray(), greeting.clone()], Borne),
        ("a greeting again and again", vec![greeting.clone(); 500], Borne),
        ("many faults", [vec![greeting], faults].concat(), Borne),
    ];
    on_a_chain(async |backend| {
        let (mut alice, bob, channel) = with_channel(&backend).await;
        for ((what, words, manner), secret) in rows.into_iter().zip(1..) {
            println!("{what}");
            visit(&alice, secret, words, manner).await;
            still_pays(&mut alice, &bob, &channel.channel_id).await;
        }
        knock_without_a_handshake(&alice);
        still_pays(&mut alice, &bob, &channel.channel_id).await;
    });
}

/// A stranger comes, says what it has to say, and waits until it is shown out where it must be.
async fn visit(node: &Node, secret: u8, words: Words, manner: Manner) {
    let peer: NodeId = node.id().parse().unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", node.p2p_port()).parse().unwrap();
    let identity = Identity::from_secret([secret; 32]).unwrap();
    let options = Options::new(identity, Vec::new());
    let (service, stranger, mut events) = Net::bind(options).await.unwrap();
    let (leave, left) = oneshot::channel::<()>();
    let running = tokio::spawn(service.run(async { drop(left.await) }));
    stranger.connect(peer, address).await.unwrap();
    say(&stranger, peer, words).await;
    if manner == Manner::ShownOut {
        let shown_out = async {
            while let Some(event) = events.next().await {
                if matches!(event, NetEvent::Disconnected { .. }) {
                    return;
                }
            }
        };
        timeout(PATIENCE, shown_out).await.expect("whoever breaks the protocol is shown out");
    } else {
        until("all is said", async || {
            let waits = |state: &PeerState| match state {
                PeerState::Connected { queued_bytes, .. } => *queued_bytes > 0,
                PeerState::Waiting => false,
            };
            stranger.peers().iter().all(|peer| !waits(&peer.state)).then_some(())
        })
        .await;
    }
    drop(leave);
    running.await.unwrap();
}

/// Says all of it, as fast as the other hears it; stops when nobody listens any more.
async fn say(stranger: &Handle, peer: NodeId, words: Words) {
    for word in words {
        let frame = Frame::new(word).unwrap();
        let said =
            until("there is room for a frame", async || match stranger.send(peer, frame.clone()) {
                Ok(()) => Some(true),
                Err(SendError::PeerFull { .. } | SendError::TotalFull { .. }) => None,
                Err(_) => Some(false),
            });
        if !said.await {
            return;
        }
    }
}

/// Bytes from somebody who speaks another language altogether, and connections on which nothing is said.
fn knock_without_a_handshake(node: &Node) {
    let silent: Vec<TcpStream> = (0..20).map(|_| knock(node)).collect();
    for words in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4_096], &[0xff; 4_096]] {
        // The node may hang up before it has heard it all.
        let _ = knock(node).write_all(words);
    }
    drop(silent);
}

fn knock(node: &Node) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, node.p2p_port())).unwrap()
}
