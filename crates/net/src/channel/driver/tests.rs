//! The driver over a pipe, in time that passes only when everyone waits.

use core::time::Duration;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;
use crate::event::{Events, NetEvent};
use crate::limits::Limits;
use crate::link::Link;
use crate::switchboard::tests::{PEER, board, open};

/// A driven link, its peer's end of the stream, and the consumer's end of the queue.
struct Driven {
    peer: DuplexStream,
    link: Arc<Link>,
    driver: JoinHandle<DisconnectReason>,
    events: Events,
}

/// Starts a driver over a pipe of so many bytes.
async fn driven(limits: Limits, pipe_bytes: usize) -> Driven {
    let (board, mut events) = board(limits);
    let live = open(&board, PEER).unwrap();
    let link = Arc::clone(&live.link);
    let (ours, peer) = duplex(pipe_bytes);
    let driver = tokio::spawn(drive(ours.compat(), live));
    assert!(matches!(events.next().await, Some(NetEvent::Connected { .. })));
    Driven { peer, link, driver, events }
}

impl Driven {
    /// The driver's word, which must also be the link's.
    async fn end(mut self) -> DisconnectReason {
        let end = self.driver.await.unwrap();
        loop {
            match self.events.next().await {
                Some(NetEvent::Disconnected { reason, .. }) => {
                    assert_eq!(reason, end);
                    return end;
                }
                Some(_) => {}
                None => panic!("no last event"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_drips_in_too_slowly_ends_the_link() {
    let mut driven = driven(Limits::default(), 64).await;
    driven.peer.write_all(&[0, 0, 0, 200]).await.unwrap();
    let begin = Instant::now();
    let mut peer = driven.peer;
    let drip = tokio::spawn(async move {
        while peer.write_all(&[1]).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        peer
    });
    let end = driven.driver.await.unwrap();
    assert_eq!(end, DisconnectReason::FrameStalled, "a byte a second buys no time");
    assert_eq!(begin.elapsed().as_secs(), FRAME_STALL.as_secs());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_between_frames_lives_for_ever() {
    let mut driven = driven(Limits::default(), 64).await;
    for _ in 0..3 {
        driven.peer.write_all(b"\0\0\0\x02hi").await.unwrap();
        assert!(matches!(driven.events.next().await, Some(NetEvent::Frame { .. })));
        sleep(Duration::from_secs(100_000)).await;
    }
    drop(driven.peer);
    assert_eq!(driven.driver.await.unwrap(), DisconnectReason::ClosedByPeer);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_given_up() {
    let driven = driven(Limits::default(), 64).await;
    let total = core::sync::atomic::AtomicUsize::new(0);
    driven.link.enqueue(Frame::new(vec![1; 1000]).unwrap(), &Limits::default(), &total).unwrap();
    let begin = Instant::now();
    let _peer = &driven.peer;
    let end = driven.driver.await.unwrap();
    assert_eq!(end, DisconnectReason::WriteStalled);
    assert_eq!(begin.elapsed().as_secs(), WRITE_STALL.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_inside_a_frame_delivers_nothing_of_it() {
    let mut driven = driven(Limits::default(), 64).await;
    driven.peer.write_all(b"\0\0\0\x02hi\0\0\0\x05hal").await.unwrap();
    driven.peer.shutdown().await.unwrap();
    assert!(matches!(driven.events.next().await, Some(NetEvent::Frame { .. })));
    assert_eq!(driven.end().await, DisconnectReason::ClosedByPeer);
}

#[tokio::test(start_paused = true)]
async fn a_requested_end_writes_what_was_queued_and_waits_for_a_silent_peer_only_so_long() {
    let mut driven = driven(Limits::default(), 4096).await;
    let total = core::sync::atomic::AtomicUsize::new(0);
    let frame = Frame::new(b"last".to_vec()).unwrap();
    driven.link.enqueue(frame, &Limits::default(), &total).unwrap();
    driven.link.shut(DisconnectReason::Requested).unwrap();
    let begin = Instant::now();
    assert_eq!(driven.driver.await.unwrap(), DisconnectReason::Requested);
    assert_eq!(begin.elapsed(), LINGER);
    let mut written = Vec::new();
    driven.peer.read_to_end(&mut written).await.unwrap();
    assert_eq!(written, b"\0\0\0\x04last");
}

#[tokio::test(start_paused = true)]
async fn while_nobody_takes_frames_the_stream_is_not_read_beyond_the_room() {
    let limits = Limits {
        incoming_per_peer_bytes: crate::limits::FRAME_BYTES_MAX
            + crate::limits::FRAME_OVERHEAD_BYTES,
        ..Limits::default()
    };
    let mut driven = driven(limits, 4096).await;
    let mut stream = Vec::new();
    Frame::new(vec![9; 100_000]).unwrap().append_to(&mut stream);
    let mut accepted = 0;
    while timeout(Duration::from_secs(60), driven.peer.write_all(&stream)).await.is_ok() {
        accepted += 1;
        assert!(accepted < 20, "read without bound");
    }
    assert!(accepted >= 10, "{accepted} frames were taken in");
    assert!(matches!(driven.events.next().await, Some(NetEvent::Frame { .. })));
}
