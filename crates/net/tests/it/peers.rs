//! Who is connected to whom: dials, keeping, both at once.

use strait_net::{
    BindError, ConnectError, DisconnectReason, KeepError, Limits, Net, NetEvent, Options, PeerState,
};

use crate::pair::{QUIC, TCP, again, frame, identity, node, options, pair, soon, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_peer_is_found_again_after_a_restart_on_the_same_port() {
    for listen in [TCP, QUIC] {
        let mut a = node(1, listen).await;
        let mut b = node(2, listen).await;
        let (peer, address) = (b.id(), b.address());
        a.handle.keep_connected(peer, std::slice::from_ref(&address)).unwrap();
        for round in 0..3 {
            a.connected(peer).await;
            b.connected(a.id()).await;
            b.handle.send(a.id(), frame([round])).unwrap();
            assert_eq!(a.frame().await, [round]);
            let _ = b.stop().await;
            a.disconnected(peer).await;
            let waiting = a.handle.peers();
            assert!(waiting.len() == 1 && waiting[0].is_kept);
            b = again(2, &address).await;
        }
        a.connected(peer).await;
        a.handle.forget(peer);
        a.handle.disconnect(peer).unwrap();
        assert_eq!(a.disconnected(peer).await, DisconnectReason::Requested);
        until(|| a.handle.peers().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_peer_that_comes_up_late_is_found() {
    let mut a = node(2, TCP).await;
    let b = node(1, TCP).await;
    let (peer, address) = (b.id(), b.address());
    let _ = b.stop().await;
    a.handle.keep_connected(peer, std::slice::from_ref(&address)).unwrap();
    until(|| a.handle.counters().dial_failures >= 3).await;
    assert_eq!(a.handle.peers()[0].state, PeerState::Waiting);
    let _b = again(1, &address).await;
    a.connected(peer).await;
}

/// Both dial at once, many times. Whatever the race, one link comes out and carries frames both ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_at_once_have_one_link() {
    for listen in [TCP, QUIC] {
        for _ in 0..10 {
            let mut a = node(1, listen).await;
            let mut b = node(2, listen).await;
            let (to_b, to_a) =
                (a.handle.connect(b.id(), b.address()), b.handle.connect(a.id(), a.address()));
            let (there, back) = tokio::join!(soon(to_b), soon(to_a));
            assert!(there.is_ok() && back.is_ok(), "{there:?} {back:?}");
            a.connected(b.id()).await;
            b.connected(a.id()).await;
            for count in 0..50 {
                a.handle.send(b.id(), frame([count])).unwrap();
                assert_eq!(b.frame().await, [count]);
                b.handle.send(a.id(), frame([count])).unwrap();
                assert_eq!(a.frame().await, [count], "no other event came between");
            }
            assert_eq!(a.handle.counters().links_opened, 1);
            assert_eq!(b.handle.counters().links_opened, 1);
        }
    }
}

/// Both keep each other and both lose the link many times: they always come back to one link, and the events of each
/// side alternate between connected and disconnected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_come_and_go_one_at_a_time() {
    let [mut a, mut b] = [node(1, TCP).await, node(2, TCP).await];
    a.handle.keep_connected(b.id(), &[b.address()]).unwrap();
    b.handle.keep_connected(a.id(), &[a.address()]).unwrap();
    for round in 0..20 {
        until(|| a.handle.is_connected(b.id()) && b.handle.is_connected(a.id())).await;
        let _ =
            if round % 2 == 0 { a.handle.disconnect(b.id()) } else { b.handle.disconnect(a.id()) };
    }
    until(|| a.handle.is_connected(b.id()) && b.handle.is_connected(a.id())).await;
    for node in [&mut a, &mut b] {
        let mut is_connected = false;
        let mut links = 0;
        while let Some(event) = node.events.next_now() {
            match event {
                NetEvent::Connected { .. } => {
                    assert!(!is_connected, "connected twice");
                    (is_connected, links) = (true, links + 1);
                }
                NetEvent::Disconnected { .. } => {
                    assert!(is_connected, "disconnected without a link");
                    is_connected = false;
                }
                NetEvent::Frame { .. } => panic!("nobody sent frames"),
                NetEvent::Listening { .. } => {}
            }
        }
        assert!(links > 10, "{links} links");
    }
}

/// Whoever hangs up and connects again finds the old connection still in its way, on either side. It once waited in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hung_up_connects_again_at_once() {
    for listen in [TCP, QUIC] {
        for secrets in [[1, 2], [2, 1]] {
            let [mut a, mut b] = pair(secrets, listen, &Limits::default()).await;
            let (peer, address) = (b.id(), b.address());
            for _ in 0..5 {
                a.handle.disconnect(peer).unwrap();
                a.disconnected(peer).await;
                soon(a.handle.connect(peer, address.clone())).await.unwrap();
                a.connected(peer).await;
                b.disconnected(a.id()).await;
                b.connected(a.id()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_fails_says_why() {
    let a = node(1, TCP).await;
    let b = node(2, TCP).await;
    let stranger = identity(3).node_id();
    match soon(a.handle.connect(stranger, b.address())).await {
        Err(ConnectError::OtherPeer { expected, .. }) if expected == stranger => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(soon(a.handle.connect(a.id(), b.address())).await, Err(ConnectError::Itself)));
    let closed = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    match soon(a.handle.connect(b.id(), closed)).await {
        Err(ConnectError::Unreachable { source, .. }) => {
            assert!(source.to_string().contains("Connection refused"), "{source}");
        }
        other => panic!("{other:?}"),
    }
    let nowhere = "/dns4/no-such-host.invalid/tcp/1".parse().unwrap();
    assert!(matches!(
        soon(a.handle.connect(b.id(), nowhere)).await,
        Err(ConnectError::Unresolved { .. })
    ));
    assert_eq!(a.handle.keep_connected(a.id(), &[]), Err(KeepError::Itself));
    let none = strait_primitives::NodeId::from_bytes([9; 33]);
    assert!(matches!(a.handle.keep_connected(none, &[]), Err(KeepError::Key(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_name_is_resolved_before_it_is_dialled() {
    let mut a = node(1, TCP).await;
    let b = node(2, TCP).await;
    let named = b.address().to_string().replace("/ip4/127.0.0.1", "/dns4/localhost");
    soon(a.handle.connect(b.id(), named.parse().unwrap())).await.unwrap();
    a.connected(b.id()).await;
    soon(a.handle.connect(b.id(), b.address())).await.expect("connected already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_refused_with_the_address() {
    let a = node(1, TCP).await;
    let options = Options::new(identity(2), a.handle.listen_addresses());
    match Net::bind(options).await.map(|_| ()) {
        Err(BindError::Listen { address, .. }) => assert_eq!(address, a.address()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_the_limit_are_refused_and_kept_peers_are_not() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let mut hub = start(Options { limits, ..options(1, TCP) }).await;
    let [first, second, kept] = [node(2, TCP).await, node(3, TCP).await, node(4, TCP).await];
    soon(first.handle.connect(hub.id(), hub.address())).await.unwrap();
    hub.connected(first.id()).await;
    let refused = soon(second.handle.connect(hub.id(), hub.address())).await;
    assert!(matches!(refused, Err(ConnectError::Closed { .. })), "{refused:?}");
    assert!(hub.handle.counters().connections_refused > 0);
    hub.handle.keep_connected(kept.id(), &[kept.address()]).unwrap();
    hub.connected(kept.id()).await;
    assert!(hub.handle.is_connected(first.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_are_listed_with_their_round_trip() {
    let [a, b] = pair([1, 2], TCP, &Limits::default()).await;
    until(|| match &a.handle.peers()[..] {
        [info] => {
            assert!(info.peer == b.id() && !info.is_kept);
            matches!(info.state, PeerState::Connected { round_trip: Some(_), .. })
        }
        other => panic!("{other:?}"),
    })
    .await;
}
