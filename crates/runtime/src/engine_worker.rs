//! The engine's thread: takes inputs in batches, decides, and passes what it decided to the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use strait_contract::ContractRuntime;
use strait_engine::{Effect, Engine, Event, Input, Moment};
use strait_log::Unsaved;
use strait_net::LinkId;
use strait_primitives::{EventSeq, Timestamp};
use strait_store::encode_snapshot;
use tokio::sync::mpsc;
use tracing::Span;

use crate::ends::Guard;
use crate::inbox::{BATCH_MAX, Place, Queued};
use crate::observe::Observer;
use crate::spans::{self, Traced};
use crate::writer::Batch;

/// What the engine's thread owns.
pub(crate) struct EngineWorker {
    pub(crate) engine: Engine,
    /// What the node decided before it had a thread.
    pub(crate) first: Option<Unsaved<Event, Effect>>,
    pub(crate) contracts: Arc<dyn ContractRuntime>,
    pub(crate) inbox: mpsc::Receiver<Queued>,
    pub(crate) outbox: SyncSender<Batch>,
    pub(crate) observer: Observer,
    /// The newest link that the engine was told of.
    pub(crate) told: LinkId,
    pub(crate) snapshot_every: u64,
    pub(crate) last_snapshot: EventSeq,
    /// Bytes of events that were written since the last snapshot was made.
    pub(crate) written_bytes: Arc<AtomicU64>,
}

/// Bytes of events after which a snapshot is due, however few events they are: an event may have a mebibyte, and what no
/// snapshot covers can neither be removed nor skipped at a start.
const SNAPSHOT_AFTER_BYTES: u64 = 256 << 20;

impl EngineWorker {
    /// Runs until it is told to stop, or the writer is gone.
    pub(crate) fn run(self, guard: Guard) {
        self.work();
        guard.end_in_order();
    }

    fn work(mut self) {
        let first = self.first.take();
        let started = self.engine.start(now());
        let steps = first.into_iter().chain([started]).map(Traced::from).collect();
        if self.pass_on(steps, now()).is_err() {
            return;
        }
        let mut queued = Vec::with_capacity(BATCH_MAX);
        while self.inbox.blocking_recv_many(&mut queued, BATCH_MAX) > 0 {
            if queued.iter().any(|queued| matches!(queued, Queued::Stop)) {
                self.inbox.close();
            }
            self.observer.inbox(queued.len() + self.inbox.len());
            let at = now();
            let begun = clock();
            let steps = self.decide(queued.drain(..), at);
            self.observer.decided(begun.elapsed());
            if self.pass_on(steps, at).is_err() {
                return;
            }
        }
    }

    fn decide(&mut self, inputs: impl Iterator<Item = Queued>, at: Timestamp) -> Vec<Traced> {
        let mut steps = Vec::new();
        // What the poll brings is the doing of all that came before it; it is told with the first.
        let mut cause = Span::none();
        for queued in inputs {
            let (input, room, span) = match queued {
                Queued::Input(input, room, span) => (input, room, span),
                Queued::Connected(peer, link) => {
                    self.told = link;
                    (Input::PeerConnected(peer), Place::Small, Span::none())
                }
                Queued::Stop => continue,
            };
            let step = self.step(at, span, |engine, moment| engine.handle(input, moment));
            // Handled, it takes no room any more: its peer may send as much again, or the next block may come.
            drop(room);
            spans::join(&mut cause, &step.span);
            steps.push(step);
        }
        steps.push(self.step(at, cause, |engine, moment| engine.poll(moment)));
        steps.retain(|step| !step.unsaved.is_empty());
        steps
    }

    /// One question to the engine, with entropy of its own.
    fn step(
        &mut self,
        at: Timestamp,
        span: Span,
        ask: impl FnOnce(&mut Engine, &Moment<'_>) -> Unsaved<Event, Effect>,
    ) -> Traced {
        let decision = spans::decide(&span);
        let moment =
            Moment { now: at, entropy: fresh_entropy(), contracts: self.contracts.as_ref() };
        let unsaved = decision.in_scope(|| ask(&mut self.engine, &moment));
        spans::decided(&decision, &unsaved);
        Traced { unsaved, span, told: self.told }
    }

    /// Hands decisions to the writer; waits while it has too much to write already.
    fn pass_on(&mut self, steps: Vec<Traced>, at: Timestamp) -> Result<(), ()> {
        let head = self.engine.head();
        let events = head.to_u64().saturating_sub(self.last_snapshot.to_u64());
        let bytes = self.written_bytes.load(Ordering::Relaxed);
        let due = is_snapshot_due(events, bytes, self.snapshot_every);
        if steps.is_empty() && !due {
            return Ok(());
        }
        let snapshot = due.then(|| {
            self.last_snapshot = head;
            self.written_bytes.store(0, Ordering::Relaxed);
            encode_snapshot(&self.engine.state(), head)
        });
        self.observer.passed_on();
        self.outbox.send(Batch { steps, at, snapshot }).map_err(|_| ())
    }
}

/// True if so many events, and bytes of them, since the last snapshot ask for one. Bytes are counted when they are written.
const fn is_snapshot_due(events: u64, written_bytes: u64, every_events: u64) -> bool {
    events >= every_events || (events > 0 && written_bytes >= SNAPSHOT_AFTER_BYTES)
}

/// Now, by the wall clock: what users and peers see.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the runtime's clock is the only source")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Now, by the clock that never jumps: for durations.
pub(crate) fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the runtime's clock is the only source")]
    Instant::now()
}

/// Entropy for one step.
///
/// # Panics
/// If the operating system has none: without it no nonce is safe, and the process must not go on.
pub(crate) fn fresh_entropy() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives entropy");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_after_many_events_or_after_large_ones() {
        let rows = [
            (99, 0, false),
            (100, 0, true),
            (1, SNAPSHOT_AFTER_BYTES - 1, false),
            (1, SNAPSHOT_AFTER_BYTES, true),
            (0, SNAPSHOT_AFTER_BYTES, false),
        ];
        for (events, bytes, expect) in rows {
            assert_eq!(is_snapshot_due(events, bytes, 100), expect, "{events} of {bytes} bytes");
        }
    }
}
