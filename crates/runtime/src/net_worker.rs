//! From the network to the engine: frames become messages before they take a place in the queue.

use std::time::Duration;

use strait_engine::Input;
use strait_net::{Events, Handle as Net, LinkId, NetEvent};
use strait_wire::Message;
use tracing::Span;

use crate::ends::Guard;
use crate::inbox::Inbox;
use crate::observe::Observer;
use crate::spans;

/// How often the engine is told that time has passed.
const TICK: Duration = Duration::from_millis(500);

/// Feeds the engine from the network until either is gone. A network that ends first is missed: its guard tells.
pub(crate) async fn run(
    mut events: Events,
    net: Net,
    inbox: Inbox,
    observer: Observer,
    guard: Guard,
) {
    // What this thread has seen of links: a frame that is no message is of a link below.
    let mut told = LinkId::NONE;
    while let Some((event, room)) = events.next_held().await {
        let mut span = Span::none();
        let input = match event {
            NetEvent::Connected { peer, link, .. } => {
                tracing::info!(%peer, "connected");
                told = link;
                if inbox.put_link(peer, link).await.is_err() {
                    return guard.end_in_order();
                }
                continue;
            }
            NetEvent::Disconnected { peer, reason } => {
                tracing::info!(%peer, ?reason, "disconnected");
                Input::PeerDisconnected(peer)
            }
            NetEvent::Frame { peer, frame } => match Message::from_frame(frame.as_bytes()) {
                Ok(Some(message)) => {
                    observer.received(&message);
                    span = spans::receive(&observer.sampler, peer, &message);
                    Input::PeerMessage(peer, Box::new(message))
                }
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(%peer, %error, "a frame that is no message");
                    observer.garbled();
                    // Nothing this peer says on this stream can be trusted to be in step any more.
                    let _ = net.disconnect_as_of(peer, told);
                    continue;
                }
            },
            NetEvent::Listening { address } => {
                tracing::info!(%address, "listening");
                continue;
            }
        };
        if inbox.put_held(input, room, span).await.is_err() {
            return guard.end_in_order();
        }
    }
}

/// Tells the engine the time, and the metrics what the network counted, until the engine is gone.
pub(crate) async fn tick(inbox: Inbox, net: Net, observer: Observer, guard: Guard) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        observer.network(&net);
        if inbox.put(Input::Tick, Span::none()).await.is_err() {
            return guard.end_in_order();
        }
    }
}
