//! What the service, its handles and the drivers of its links share: who is connected, and the budgets of all.
//!
//! Lock order: `links` before a link's gate; a gate or a queue is never held while taking another lock.

use core::sync::atomic::AtomicUsize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, RwLock};

use strait_primitives::NodeId;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::address::Address;
use crate::counters::Meters;
use crate::dialer::Dialer;
use crate::event::{Direction, DisconnectReason, LinkId, NetEvent, Queued, Room};
use crate::frame::Frame;
use crate::limits::{CROWDED_OUT_MAX, KEPT_MAX, LISTEN_ADDRESSES_MAX, Limits};
use crate::link::{End, Link, Refusal, Refused, charge_of};
use crate::lock::{exclusive, locked, shared};
use crate::policies::Policies;

/// The state behind every [`crate::Handle`].
#[derive(Debug)]
pub(crate) struct Switchboard {
    /// This node.
    pub(crate) own: NodeId,
    /// As bound.
    pub(crate) limits: Limits,
    /// How much peers may ask of this node.
    pub(crate) policies: Arc<Policies>,
    /// What was done so far.
    pub(crate) meters: Meters,
    /// Whom to keep connected.
    pub(crate) dialer: Mutex<Dialer>,
    /// Wakes the service after a change to `dialer`.
    pub(crate) wake: Notify,
    /// The live link of each peer.
    links: RwLock<Links>,
    /// To the consumer, until the service has stopped.
    events: Mutex<Option<mpsc::UnboundedSender<Queued>>>,
    /// How many links may be live or have events that nobody has taken.
    link_room: Arc<Semaphore>,
    /// Room for frames of all peers that wait for the consumer.
    incoming_room: Arc<Semaphore>,
    /// What waits to be written to all peers.
    outgoing_bytes: AtomicUsize,
    /// Where the node listens now.
    listening: Mutex<BTreeSet<Address>>,
    /// Every address that was ever reported, so that each is reported once.
    reported: Mutex<BTreeSet<Address>>,
}

/// The live links.
#[derive(Debug, Default)]
struct Links {
    /// By peer.
    live: BTreeMap<NodeId, Arc<Link>>,
    /// The number of the newest that ever was. It is taken under the lock under which a link is told, so that numbers are
    /// told in their order.
    newest: LinkId,
}

/// There is no room for another link: the consumer has not taken the events of old ones, or the service has stopped.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Switchboard {
    /// A board without links.
    pub(crate) fn new(
        own: NodeId,
        limits: Limits,
        policies: Arc<Policies>,
        events: mpsc::UnboundedSender<Queued>,
    ) -> Self {
        let peers = usize::try_from(limits.connections_max).unwrap_or(KEPT_MAX);
        Self {
            own,
            meters: Meters::default(),
            dialer: Mutex::new(Dialer::new(Arc::clone(&policies))),
            policies,
            wake: Notify::new(),
            links: RwLock::default(),
            events: Mutex::new(Some(events)),
            link_room: Arc::new(Semaphore::new(peers.saturating_add(KEPT_MAX))),
            incoming_room: Arc::new(Semaphore::new(limits.incoming_total_bytes)),
            outgoing_bytes: AtomicUsize::new(0),
            listening: Mutex::default(),
            reported: Mutex::default(),
            limits,
        }
    }

    /// Brings up a link on a negotiated stream, in the place of an older one.
    pub(crate) fn open(
        self: &Arc<Self>,
        peer: NodeId,
        direction: Direction,
        address: Address,
    ) -> Result<LiveLink, NoRoom> {
        let room = Arc::clone(&self.link_room).try_acquire_owned().map_err(|_| NoRoom)?;
        let mut links = exclusive(&self.links);
        let events = locked(&self.events).clone().ok_or(NoRoom)?;
        if let Some(older) = links.live.remove(&peer) {
            self.shut(&older, DisconnectReason::Replaced);
        }
        links.newest = links.newest.next();
        let end = End { peer, direction, address };
        let link = Arc::new(Link::open(links.newest, end, &self.limits, events, room));
        links.live.insert(peer, Arc::clone(&link));
        self.meters.links_opened.count();
        Ok(LiveLink { board: Arc::clone(self), link })
    }

    /// Ends a link; the first reason counts.
    pub(crate) fn close(&self, link: &Arc<Link>, reason: DisconnectReason) {
        let mut links = exclusive(&self.links);
        if links.live.get(&link.peer).is_some_and(|live| Arc::ptr_eq(live, link)) {
            links.live.remove(&link.peer);
        }
        self.shut(link, reason);
    }

    /// Shuts a link that is out of `links`.
    fn shut(&self, link: &Link, reason: DisconnectReason) {
        if link.shut(reason).is_ok() {
            tracing::info!(peer = %link.peer, %reason, "peer disconnected");
            self.meters.links_closed.count();
            if reason.is_violation() {
                self.meters.violations.count();
            }
        }
    }

    /// The live link of `peer`.
    pub(crate) fn link(&self, peer: &NodeId) -> Option<Arc<Link>> {
        shared(&self.links).live.get(peer).cloned()
    }

    /// All live links, by peer.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        shared(&self.links).live.values().cloned().collect()
    }

    /// Queues a frame for `peer`, if its link is none that came up after `told`; `None` when it has no link.
    ///
    /// When the room of all is full, whoever takes most of it has to go, so that peers that do not read cannot cut off
    /// those that do. A stranger never costs a kept peer its link.
    pub(crate) fn send(
        &self,
        peer: &NodeId,
        frame: Frame,
        told: Option<LinkId>,
    ) -> Option<Result<(), Refusal>> {
        let mut frame = frame;
        let mut victims = 0;
        loop {
            let sent = {
                let links = shared(&self.links);
                let link = links.live.get(peer)?;
                if told.is_some_and(|told| link.id > told) {
                    return Some(Err(Refusal::Replaced));
                }
                link.enqueue(frame, &self.limits, &self.outgoing_bytes)
            };
            let Refused { reason, frame: back } = match sent {
                Ok(()) => return Some(Ok(())),
                Err(refused) => refused,
            };
            let victim = match reason {
                Refusal::TotalFull { .. } if victims < CROWDED_OUT_MAX => self.in_the_way_of(peer),
                Refusal::TotalFull { .. }
                | Refusal::Closed
                | Refusal::Replaced
                | Refusal::PeerFull { .. } => None,
            };
            let Some(victim) = victim else {
                self.meters.frames_refused.count();
                return Some(Err(reason));
            };
            self.close(&victim, DisconnectReason::CrowdedOut);
            victim.shed(&self.outgoing_bytes);
            victims += 1;
            frame = back;
        }
    }

    /// Whose link has to make room for a frame to `peer`: the stranger with the longest queue; for a kept peer, where no
    /// stranger has one, the kept peer with the longest. `None` if that is `peer` itself.
    fn in_the_way_of(&self, peer: &NodeId) -> Option<Arc<Link>> {
        let kept: BTreeSet<NodeId> = locked(&self.dialer).kept().collect();
        let links = self.links();
        let queues = links.iter().map(|link| (link.queued_bytes(), link));
        let (ours, strangers): (Vec<_>, Vec<_>) = queues
            .filter(|(queued_bytes, _)| *queued_bytes > 0)
            .partition(|(_, link)| kept.contains(&link.peer));
        let longest = |queues: Vec<(usize, &Arc<Link>)>| {
            let longest = queues.into_iter().max_by_key(|(queued_bytes, _)| *queued_bytes);
            longest.map(|(_, link)| Arc::clone(link))
        };
        let victim = if kept.contains(peer) {
            longest(strangers).or_else(|| longest(ours))
        } else {
            longest(strangers)
        };
        victim.filter(|link| link.peer != *peer)
    }

    /// Takes note of an address the node listens at.
    pub(crate) fn listening(&self, address: &Address) {
        locked(&self.listening).insert(address.clone());
        let mut reported = locked(&self.reported);
        if reported.len() < LISTEN_ADDRESSES_MAX && reported.insert(address.clone()) {
            tracing::info!(%address, "listening");
            let event = NetEvent::Listening { address: address.clone() };
            if let Some(events) = &*locked(&self.events) {
                let _ = events.send(Queued { event, room: Room::Free });
            }
        }
    }

    /// Takes note of an address that is gone.
    pub(crate) fn listens_no_more(&self, address: &Address) {
        locked(&self.listening).remove(address);
    }

    /// Where the node listens now.
    pub(crate) fn listen_addresses(&self) -> Vec<Address> {
        locked(&self.listening).iter().cloned().collect()
    }

    /// Ends every link and, once their last events are taken, the stream of events.
    pub(crate) fn stop(&self) {
        // First the sender, so that no link comes up behind our back.
        locked(&self.events).take();
        let links = core::mem::take(&mut exclusive(&self.links).live);
        for link in links.values() {
            self.shut(link, DisconnectReason::Shutdown);
        }
    }
}

/// A link in the hands of its driver. Dropped, it ends the link: a connection that vanishes takes its link along.
#[derive(Debug)]
pub(crate) struct LiveLink {
    /// Where it hangs.
    pub(crate) board: Arc<Switchboard>,
    /// The link.
    pub(crate) link: Arc<Link>,
}

impl LiveLink {
    /// Ends the link.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        self.board.close(&self.link, reason);
    }

    /// The budget that [`Link::settle`] gives back to.
    pub(crate) fn outgoing_total(&self) -> &AtomicUsize {
        &self.board.outgoing_bytes
    }

    /// Waits until the consumer has room for `frame`: that is the back-pressure on the peer.
    pub(crate) async fn room_for(&self, frame: &Frame) -> Room {
        let charge = u32::try_from(charge_of(frame)).expect("a frame's charge is near its limit");
        let take = async |room: &Arc<Semaphore>, permits: u32| {
            let room = Arc::clone(room);
            match Arc::clone(&room).try_acquire_many_owned(permits) {
                Ok(permit) => permit,
                Err(_) => {
                    room.acquire_many_owned(permits).await.expect("these semaphores never close")
                }
            }
        };
        let place = take(&self.link.incoming_places, 1).await;
        let own = take(&self.link.incoming_room, charge).await;
        Room::Frame([place, own, take(&self.board.incoming_room, charge).await])
    }
}

impl Drop for LiveLink {
    fn drop(&mut self) {
        self.close(DisconnectReason::ConnectionLost);
        self.link.abandon(&self.board.outgoing_bytes);
    }
}

#[cfg(test)]
pub(crate) mod tests;
