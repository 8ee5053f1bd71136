//! Frames between two honest nodes.

use std::sync::Arc;

use strait_net::{
    DisconnectReason, FRAME_BYTES_MAX, Limits, NetEvent, Options, Policies, PolicySettings,
    SendError,
};
use strait_resilience::Decision;

use crate::pair::{Node, QUIC, TCP, frame, node, options, pair, soon, start, until};

/// Sends numbered frames of many sizes from `a` to `b`, as the queue allows, and checks what arrives.
async fn check_order(a: &Node, b: &mut Node) {
    const FRAMES: usize = 5_000;
    let size = |index: usize| 8 + (index * 7919) % 3_000;
    let sender = {
        let (handle, peer) = (a.handle.clone(), b.id());
        tokio::spawn(async move {
            for index in 0..FRAMES {
                let mut bytes = vec![0; size(index)];
                bytes[..8].copy_from_slice(&u64::try_from(index).unwrap().to_be_bytes());
                while let Err(error) = handle.send(peer, frame(bytes.clone())) {
                    assert!(matches!(error, SendError::PeerFull { .. }), "{error}");
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    for index in 0..FRAMES {
        let bytes = b.frame().await;
        let number = u64::from_be_bytes(*bytes.first_chunk().unwrap());
        assert_eq!((usize::try_from(number).unwrap(), bytes.len()), (index, size(index)));
    }
    soon(sender).await.unwrap();
}

async fn check_transport(listen: &str) {
    // Both orders of node ids, so that opener and accepter each dial once.
    for secrets in [[1, 2], [2, 1]] {
        let [mut a, mut b] = pair(secrets, listen, &Limits::default()).await;
        check_order(&a, &mut b).await;
        check_order(&b, &mut a).await;
        for length in [1, 65_536, FRAME_BYTES_MAX] {
            let content: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            a.handle.send(b.id(), frame(content.clone())).unwrap();
            assert!(b.frame().await == content, "{length} bytes came through unchanged");
        }
        until(|| {
            let (a, b) = (a.handle.counters(), b.handle.counters());
            (a.frames_out, a.bytes_out) == (b.frames_in, b.bytes_in)
        })
        .await;
        let _ = a.stop().await;
        let reason = b.disconnected(a_id(secrets[0])).await;
        assert!(
            matches!(reason, DisconnectReason::ClosedByPeer | DisconnectReason::ConnectionLost),
            "{reason}"
        );
    }
}

fn a_id(secret: u8) -> strait_primitives::NodeId {
    crate::pair::identity(secret).node_id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_whole_and_in_order_over_tcp() {
    check_transport(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_whole_and_in_order_over_quic() {
    check_transport(QUIC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_stops_the_reading_and_then_the_sender_and_nothing_is_lost() {
    let limits = Limits {
        outgoing_per_peer_bytes: 2 * FRAME_BYTES_MAX,
        incoming_per_peer_bytes: 2 * FRAME_BYTES_MAX,
        ..Limits::default()
    };
    let [a, mut b] = pair([1, 2], TCP, &limits).await;
    let big = vec![7; FRAME_BYTES_MAX / 2];
    let mut sent = 0;
    let mut full = None;
    // Nobody takes the frames of b: the queues fill, and stay full.
    let mut calm = 0;
    while calm < 100 {
        match a.handle.send(b.id(), frame(big.clone())) {
            Ok(()) => (sent, calm) = (sent + 1, 0),
            Err(error) => {
                (full, calm) = (Some(error), calm + 1);
                tokio::time::sleep(core::time::Duration::from_millis(2)).await;
            }
        }
        assert!(sent < 64, "somewhere memory grows without bound");
    }
    assert!(matches!(full, Some(SendError::PeerFull { .. })), "{full:?}");
    assert!(a.handle.counters().frames_refused > 0);
    for _ in 0..sent {
        assert_eq!(b.frame().await.len(), big.len());
    }
    a.handle.send(b.id(), frame(*b"and on it goes")).unwrap();
    assert_eq!(b.frame().await, b"and on it goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_sends_too_fast_is_read_more_slowly() {
    let slow = PolicySettings { peer_frames_per_second: 400, ..PolicySettings::default() };
    let policies = Arc::new(Policies::new(slow));
    let b = Options { policies: Arc::clone(&policies), ..options(2, TCP) };
    let [mut a, mut b] = [node(1, TCP).await, start(b).await];
    soon(a.handle.connect(b.id(), b.address())).await.unwrap();
    a.connected(b.id()).await;
    b.connected(a.id()).await;
    let begin = tokio::time::Instant::now();
    for _ in 0..200 {
        a.handle.send(b.id(), frame(*b"flood")).unwrap();
    }
    for _ in 0..200 {
        b.frame().await;
    }
    assert!(begin.elapsed().as_millis() >= 200, "100 of 200 frames are above the burst");
    assert!(b.handle.counters().throttled > 0);
    let [_, incoming] = policies.rates().map(|tally| tally.counts());
    assert_eq!(incoming.of(Decision::Admitted), 200);
    assert_eq!(incoming.of(Decision::Refused), b.handle.counters().throttled);
    assert!(b.handle.is_connected(a.id()), "an eager peer is slowed, not dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_queued_before_a_disconnect_still_arrives() {
    for listen in [TCP, QUIC] {
        let [mut a, mut b] = pair([1, 2], listen, &Limits::default()).await;
        for _ in 0..20 {
            a.handle.send(b.id(), frame(vec![1; 50_000])).unwrap();
        }
        a.handle.disconnect(b.id()).unwrap();
        assert_eq!(a.disconnected(b.id()).await, DisconnectReason::Requested);
        assert!(matches!(
            a.handle.send(b.id(), frame(*b"late")),
            Err(SendError::NotConnected { .. })
        ));
        assert!(a.handle.disconnect(b.id()).is_err());
        for _ in 0..20 {
            assert_eq!(b.frame().await.len(), 50_000);
        }
        assert_eq!(b.disconnected(a.id()).await, DisconnectReason::ClosedByPeer);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_service_has_stopped_the_events_end() {
    let [a, b] = pair([1, 2], TCP, &Limits::default()).await;
    let (handle, peer) = (a.handle.clone(), b.id());
    let mut events = a.stop().await;
    let last = soon(events.next()).await;
    let reason = DisconnectReason::Shutdown;
    assert_eq!(last, Some(NetEvent::Disconnected { peer, reason }));
    assert_eq!(soon(events.next()).await, None);
    assert!(matches!(handle.send(peer, frame(*b"x")), Err(SendError::NotConnected { .. })));
    assert!(soon(handle.connect(peer, b.address())).await.is_err());
    until(|| !b.handle.is_connected(handle.node_id())).await;
}
