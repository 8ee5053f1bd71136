//! What the switchboard does with links that come, cross, replace each other and go.

use super::*;
use crate::event::Events;

const OWN: NodeId = NodeId::from_bytes([2; 33]);

/// A board with room for few links, and its consumer's end.
pub(crate) fn board(limits: Limits) -> (Arc<Switchboard>, Events) {
    let (events, receiver) = mpsc::unbounded_channel();
    let board = Switchboard::new(OWN, limits, Arc::default(), events);
    (Arc::new(board), Events { receiver })
}

/// The peer that the tests have.
pub(crate) const PEER: NodeId = NodeId::from_bytes([3; 33]);

/// A link to a peer.
pub(crate) fn open(board: &Arc<Switchboard>, peer: NodeId) -> Result<LiveLink, NoRoom> {
    board.open(peer, Direction::Inbound, "/ip4/192.0.2.1/tcp/1".parse().unwrap())
}

fn frame(length: usize) -> Frame {
    Frame::new(vec![1; length]).unwrap()
}

/// Says something on whatever link there is.
fn send(board: &Switchboard, peer: NodeId, frame: Frame) -> Option<Result<(), Refusal>> {
    board.send(&peer, frame, None)
}

/// The names of all events there are.
fn names(events: &mut Events) -> Vec<&'static str> {
    core::iter::from_fn(|| events.next_now())
        .map(|event| match event {
            NetEvent::Connected { .. } => "connected",
            NetEvent::Disconnected { reason: DisconnectReason::Replaced, .. } => "replaced",
            NetEvent::Disconnected { .. } => "disconnected",
            NetEvent::Frame { .. } => "frame",
            NetEvent::Listening { .. } => "listening",
        })
        .collect()
}

#[tokio::test]
async fn a_new_link_comes_after_the_end_of_the_old_and_hears_nothing_of_it() {
    let (board, mut events) = board(Limits::default());
    let old = open(&board, PEER).unwrap();
    let first = frame(1);
    let room = old.room_for(&first).await;
    old.link.deliver(first, room).unwrap();
    let new = open(&board, PEER).unwrap();
    let late = frame(2);
    let room = old.room_for(&late).await;
    assert!(old.link.deliver(late, room).is_err(), "the gate is shut");
    old.close(DisconnectReason::ConnectionLost);
    drop(old);
    assert!(board.link(&PEER).is_some(), "the end of the old link leaves the new one alone");
    drop(new);
    assert_eq!(names(&mut events), ["connected", "frame", "replaced", "connected", "disconnected"]);
}

#[tokio::test]
async fn what_was_decided_before_a_link_came_up_is_not_said_on_it() {
    let (board, mut events) = board(Limits::default());
    let mut told = || match events.next_now() {
        Some(NetEvent::Connected { link, .. }) => link,
        other => panic!("no link is told: {other:?}"),
    };
    let first = open(&board, PEER).unwrap();
    let one = told();
    let _other = open(&board, NodeId::from_bytes([4; 33])).unwrap();
    let two = told();
    assert!(LinkId::NONE < one && one < two, "{one:?} {two:?}");
    let say = |told| board.send(&PEER, frame(1), Some(told));
    assert_eq!(
        [LinkId::NONE, one, two].map(say),
        [Some(Err(Refusal::Replaced)), Some(Ok(())), Some(Ok(()))]
    );
    let _second = open(&board, PEER).unwrap();
    assert_eq!([one, two].map(say), [Some(Err(Refusal::Replaced)); 2]);
    drop(first);
    assert!(board.link(&PEER).is_some_and(|link| link.id > two));
}

#[tokio::test]
async fn room_that_the_consumer_still_holds_lets_the_peer_send_no_more() {
    let limits = Limits { incoming_per_peer_bytes: FRAME_BYTES_MAX_CHARGE, ..Limits::default() };
    let (board, mut events) = board(limits);
    let live = open(&board, PEER).unwrap();
    let first = frame(crate::limits::FRAME_BYTES_MAX);
    let room = live.room_for(&first).await;
    live.link.deliver(first, room).unwrap();
    let (connected, _) = events.next_held().await.unwrap();
    assert!(matches!(connected, NetEvent::Connected { .. }));
    let (event, held) = events.next_held().await.unwrap();
    assert!(matches!(event, NetEvent::Frame { .. }));
    let second = frame(1);
    let mut room = core::pin::pin!(live.room_for(&second));
    assert!(futures::poll!(room.as_mut()).is_pending(), "the frame still lies in a queue");
    drop(held);
    assert!(futures::poll!(room).is_ready());
}

/// Forty thousand frames of a few bytes fitted into a peer's room, and stood before every other peer's.
#[tokio::test]
async fn small_frames_that_wait_have_a_bound_of_their_own() {
    let limits = Limits { incoming_per_peer_frames: 3, ..Limits::default() };
    let (board, mut events) = board(limits);
    let [live, other] = [PEER, NodeId::from_bytes([4; 33])].map(|peer| open(&board, peer).unwrap());
    for _ in 0..3 {
        let small = frame(1);
        let room = live.room_for(&small).await;
        live.link.deliver(small, room).unwrap();
    }
    let small = frame(1);
    let mut fourth = core::pin::pin!(live.room_for(&small));
    assert!(futures::poll!(fourth.as_mut()).is_pending());
    let _others = other.room_for(&small).await;
    while !matches!(events.next().await, Some(NetEvent::Frame { .. })) {}
    assert!(futures::poll!(fourth).is_ready());
}

#[test]
fn links_whose_events_nobody_takes_do_not_pile_up() {
    let (board, mut events) = board(Limits { connections_max: 1, ..Limits::default() });
    let mut links = 0;
    while let Ok(link) = open(&board, PEER) {
        links += 1;
        assert!(links <= KEPT_MAX + 1, "memory grows without bound");
        drop(link);
    }
    assert_eq!(names(&mut events).len(), 2 * links);
    assert!(open(&board, PEER).is_ok(), "there is room again when the events are taken");
}

#[test]
fn queues_have_a_bound_each_and_together_and_give_back_what_was_charged() {
    let cost = FRAME_BYTES_MAX_CHARGE;
    let limits = Limits {
        outgoing_per_peer_bytes: 2 * cost,
        outgoing_total_bytes: 3 * cost,
        ..Limits::default()
    };
    let (board, _events) = board(limits);
    let other = NodeId::from_bytes([4; 33]);
    let large = || frame(crate::limits::FRAME_BYTES_MAX);
    assert_eq!(send(&board, PEER, large()), None, "nobody is connected");
    let [first, second] = [PEER, other].map(|peer| open(&board, peer).unwrap());
    assert_eq!([(); 2].map(|()| send(&board, PEER, large())), [Some(Ok(())); 2]);
    let queued_bytes = 2 * cost;
    let full = Some(Err(Refusal::PeerFull { queued_bytes }));
    assert_eq!(send(&board, PEER, frame(1)), full);
    assert_eq!(send(&board, other, large()), Some(Ok(())));
    assert_eq!(send(&board, other, large()), Some(Ok(())), "who takes most makes room");
    assert_eq!(send(&board, PEER, frame(1)), None);
    drop(first);
    drop(second);
    assert_eq!(board.outgoing_bytes.load(core::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(board.meters.read().frames_refused, 1);
}

/// Fills the room of all with queues of the peers with these numbers, a frame each, then sends a frame to `to`. Tells
/// who is connected after that.
fn crowd(kept: &[u8], queues: &[u8], to: u8) -> (bool, Vec<u8>) {
    let cost = FRAME_BYTES_MAX_CHARGE;
    let limits = Limits {
        outgoing_per_peer_bytes: cost,
        outgoing_total_bytes: queues.len() * cost,
        ..Limits::default()
    };
    let (board, _events) = board(limits);
    let id = |number: u8| NodeId::from_bytes([number; 33]);
    for number in kept {
        locked(&board.dialer).keep(id(*number), &[], tokio::time::Instant::now()).unwrap();
    }
    let all: BTreeSet<u8> = queues.iter().copied().chain([to]).collect();
    let _live: Vec<_> = all.iter().map(|number| open(&board, id(*number)).unwrap()).collect();
    for number in queues {
        let large = frame(crate::limits::FRAME_BYTES_MAX);
        assert_eq!(send(&board, id(*number), large), Some(Ok(())));
    }
    let sent = send(&board, id(to), frame(1)) == Some(Ok(()));
    (sent, all.into_iter().filter(|number| board.link(&id(*number)).is_some()).collect())
}

#[tokio::test]
async fn strangers_that_do_not_read_cannot_cut_off_a_kept_peer() {
    assert_eq!(crowd(&[9], &[1], 9), (true, vec![9]));
    let strangers: Vec<u8> = (20..36).collect();
    let (sent, left) = crowd(&[9], &strangers, 9);
    assert_eq!((sent, left.len()), (true, 16), "one of sixteen strangers went");
    assert!(left.contains(&9));
    assert_eq!(crowd(&[8, 9], &[8], 9), (true, vec![9]), "a kept peer that does not read goes");
    assert_eq!(crowd(&[8, 9], &[7, 8], 9), (true, vec![8, 9]), "but a stranger goes first");
}

#[tokio::test]
async fn a_stranger_makes_no_room_for_itself_at_a_kept_peers_cost() {
    assert_eq!(crowd(&[8], &[8], 1), (false, vec![1, 8]));
    assert_eq!(crowd(&[8], &[2, 8], 1), (true, vec![1, 8]), "only at another stranger's");
}

/// What the largest frame is charged.
const FRAME_BYTES_MAX_CHARGE: usize =
    crate::limits::FRAME_BYTES_MAX + crate::limits::FRAME_OVERHEAD_BYTES;

#[test]
fn after_a_stop_there_are_no_links_and_the_events_end() {
    let (board, mut events) = board(Limits::default());
    let live = open(&board, PEER).unwrap();
    board.stop();
    assert!(board.links().is_empty() && open(&board, PEER).is_err());
    drop(live);
    assert_eq!(names(&mut events), ["connected", "disconnected"]);
    assert!(events.receiver.is_closed() || events.receiver.try_recv().is_err());
}
