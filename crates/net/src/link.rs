//! One peer's live stream, as the rest of the crate sees it: a gate towards the consumer and a queue towards the peer.
//!
//! The gate is what keeps the order of events: events of a link pass it one at a time, and once it is shut nothing
//! of that link passes any more, whatever its driver still reads.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use strait_primitives::NodeId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::address::Address;
use crate::event::{Direction, DisconnectReason, LinkId, NetEvent, Queued, Room};
use crate::frame::Frame;
use crate::limits::{BATCH_BYTES, FRAME_OVERHEAD_BYTES, Limits};
use crate::lock::locked;

/// One stream of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its number.
    pub(crate) id: LinkId,
    /// At the other end.
    pub(crate) peer: NodeId,
    /// Who dialled.
    pub(crate) direction: Direction,
    /// Where the peer is.
    pub(crate) address: Address,
    /// Open until [`Self::shut`].
    gate: Mutex<Option<Gate>>,
    /// Frames waiting to be written.
    outgoing: Mutex<Outgoing>,
    /// Room for frames of this peer that wait for the consumer.
    pub(crate) incoming_room: Arc<Semaphore>,
    /// One permit for each of them, however small.
    pub(crate) incoming_places: Arc<Semaphore>,
    /// Told once, when the gate is shut.
    pub(crate) closing: Notify,
    /// The last round trip of a ping, in microseconds; zero before the first.
    round_trip_us: AtomicU64,
}

/// Who is at the other end of a new link, and how it came to be.
#[derive(Debug)]
pub(crate) struct End {
    /// Who.
    pub(crate) peer: NodeId,
    /// Who dialled.
    pub(crate) direction: Direction,
    /// Where the peer is.
    pub(crate) address: Address,
}

/// What an open gate holds.
#[derive(Debug)]
struct Gate {
    /// To the consumer.
    events: mpsc::UnboundedSender<Queued>,
    /// The link's place in the queue of events, given back with its `Disconnected`.
    room: OwnedSemaphorePermit,
}

/// The queue towards the peer.
#[derive(Debug, Default)]
struct Outgoing {
    /// In order.
    frames: VecDeque<Frame>,
    /// What they are charged, and what is being written.
    charged_bytes: usize,
    /// Whether more may be added.
    phase: OutgoingPhase,
    /// The driver, when it waits for frames.
    waker: Option<Waker>,
}

/// The end of a queue comes in two steps.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum OutgoingPhase {
    /// Takes frames.
    #[default]
    Open,
    /// Writes what it has and takes no more.
    Draining,
}

/// Why a link does not take a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The link is ending.
    Closed,
    /// The frame was meant for an older link.
    Replaced,
    /// This peer's queue is full.
    PeerFull {
        /// Bytes that wait.
        queued_bytes: usize,
    },
    /// All queues together are full.
    TotalFull {
        /// Bytes that wait.
        queued_bytes: usize,
    },
}

/// A frame that a link did not take.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: Refusal,
    /// The frame.
    pub(crate) frame: Frame,
}

/// Frames that are being written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    /// How many.
    pub(crate) frames: usize,
    /// Their content.
    pub(crate) bytes: usize,
    /// What to give back once they are written.
    charge_bytes: usize,
}

/// The gate is shut.
#[derive(Debug)]
pub(crate) struct Shut;

/// What a frame costs a budget.
pub(crate) const fn charge_of(frame: &Frame) -> usize {
    frame.length() + FRAME_OVERHEAD_BYTES
}

impl Link {
    /// Opens the gate and reports the peer as connected.
    pub(crate) fn open(
        id: LinkId,
        End { peer, direction, address }: End,
        limits: &Limits,
        events: mpsc::UnboundedSender<Queued>,
        room: OwnedSemaphorePermit,
    ) -> Self {
        let event = NetEvent::Connected { peer, link: id, direction, address: address.clone() };
        // An error means that the consumer is gone: then nobody misses the event.
        let _ = events.send(Queued { event, room: Room::Free });
        Self {
            id,
            peer,
            direction,
            address,
            gate: Mutex::new(Some(Gate { events, room })),
            outgoing: Mutex::default(),
            incoming_room: Arc::new(Semaphore::new(limits.incoming_per_peer_bytes)),
            incoming_places: Arc::new(Semaphore::new(limits.incoming_per_peer_frames)),
            closing: Notify::new(),
            round_trip_us: AtomicU64::new(0),
        }
    }

    /// Hands a frame to the consumer.
    pub(crate) fn deliver(&self, frame: Frame, room: Room) -> Result<(), Shut> {
        let gate = locked(&self.gate);
        let gate = gate.as_ref().ok_or(Shut)?;
        let event = NetEvent::Frame { peer: self.peer, frame };
        let _ = gate.events.send(Queued { event, room });
        Ok(())
    }

    /// Shuts the gate with the last event of this link. What is queued is still written; the first reason counts.
    pub(crate) fn shut(&self, reason: DisconnectReason) -> Result<(), Shut> {
        {
            let mut gate = locked(&self.gate);
            let Gate { events, room } = gate.take().ok_or(Shut)?;
            let event = NetEvent::Disconnected { peer: self.peer, reason };
            let _ = events.send(Queued { event, room: Room::Link(room) });
        }
        let waker = {
            let mut outgoing = locked(&self.outgoing);
            outgoing.phase = OutgoingPhase::Draining;
            outgoing.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.closing.notify_one();
        Ok(())
    }

    /// Queues a frame to be written, within the budgets of this peer and of `total` over all.
    pub(crate) fn enqueue(
        &self,
        frame: Frame,
        limits: &Limits,
        total: &AtomicUsize,
    ) -> Result<(), Refused> {
        let charge = charge_of(&frame);
        let waker = {
            let mut outgoing = locked(&self.outgoing);
            if outgoing.phase == OutgoingPhase::Draining {
                return Err(Refused { reason: Refusal::Closed, frame });
            }
            let queued_bytes = outgoing.charged_bytes;
            if queued_bytes + charge > limits.outgoing_per_peer_bytes {
                return Err(Refused { reason: Refusal::PeerFull { queued_bytes }, frame });
            }
            let queued_bytes = total.fetch_add(charge, Ordering::Relaxed);
            if queued_bytes + charge > limits.outgoing_total_bytes {
                total.fetch_sub(charge, Ordering::Relaxed);
                return Err(Refused { reason: Refusal::TotalFull { queued_bytes }, frame });
            }
            outgoing.charged_bytes += charge;
            outgoing.frames.push_back(frame);
            outgoing.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Moves waiting frames to `out`, as they lie in the stream, up to [`BATCH_BYTES`] or one frame. `None` when the
    /// queue is empty and takes no more.
    pub(crate) fn poll_batch(&self, cx: &Context<'_>, out: &mut Vec<u8>) -> Poll<Option<Batch>> {
        let mut outgoing = locked(&self.outgoing);
        let mut batch = Batch { frames: 0, bytes: 0, charge_bytes: 0 };
        while let Some(frame) = outgoing.frames.front() {
            if batch.frames > 0 && batch.bytes + frame.length() > BATCH_BYTES {
                break;
            }
            frame.append_to(out);
            batch.frames += 1;
            batch.bytes += frame.length();
            batch.charge_bytes += charge_of(frame);
            outgoing.frames.pop_front();
        }
        match (batch.frames, outgoing.phase) {
            (0, OutgoingPhase::Draining) => Poll::Ready(None),
            (0, OutgoingPhase::Open) => {
                outgoing.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Some(batch)),
        }
    }

    /// Gives back what a written batch was charged, and says whether more is waiting.
    pub(crate) fn settle(&self, batch: Batch, total: &AtomicUsize) -> Waiting {
        let mut outgoing = locked(&self.outgoing);
        outgoing.charged_bytes -= batch.charge_bytes;
        total.fetch_sub(batch.charge_bytes, Ordering::Relaxed);
        if outgoing.frames.is_empty() { Waiting::Nothing } else { Waiting::More }
    }

    /// Drops what waits at once, though the driver may still be writing what went before; the gate must be shut.
    pub(crate) fn shed(&self, total: &AtomicUsize) {
        let mut outgoing = locked(&self.outgoing);
        assert!(outgoing.phase == OutgoingPhase::Draining, "a queue was shed while open");
        let waiting: usize = outgoing.frames.drain(..).map(|frame| charge_of(&frame)).sum();
        outgoing.charged_bytes -= waiting;
        total.fetch_sub(waiting, Ordering::Relaxed);
    }

    /// Drops what will not be written any more; the gate must be shut.
    pub(crate) fn abandon(&self, total: &AtomicUsize) {
        let mut outgoing = locked(&self.outgoing);
        assert!(outgoing.phase == OutgoingPhase::Draining, "a queue was abandoned while open");
        outgoing.frames.clear();
        total.fetch_sub(outgoing.charged_bytes, Ordering::Relaxed);
        outgoing.charged_bytes = 0;
    }

    /// Bytes that wait to be written, with their overhead.
    pub(crate) fn queued_bytes(&self) -> usize {
        locked(&self.outgoing).charged_bytes
    }

    /// Takes note of a ping's round trip.
    pub(crate) fn note_round_trip(&self, round_trip: Duration) {
        let us = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip_us.store(us, Ordering::Relaxed);
    }

    /// The last round trip of a ping.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let us = self.round_trip_us.load(Ordering::Relaxed);
        (us > 0).then(|| Duration::from_micros(us))
    }
}

/// Whether frames wait in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// None: flush now.
    Nothing,
    /// Some: the next write carries on.
    More,
}
