//! The writer's thread: makes decisions durable, then lets their effects happen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use strait_engine::Effect;
use strait_log::{EventStore, Record, Snapshot, Writer};
use strait_net::{Frame, Handle as Net, LinkId, SendError};
use strait_primitives::{EventSeq, NodeId, Timestamp};
use strait_store::encode;
use strait_wire::Message;
use tokio::sync::watch;
use tracing::Span;

use crate::disk_room::DiskWatch;
use crate::ends::Guard;
use crate::engine_worker::clock;
use crate::handle::Desk;
use crate::observe::Observer;
use crate::orders::Orders;
use crate::service::Halt;
use crate::spans::{self, Traced};

/// Batches that go to disk together at the most: what waits longer would wait for nothing.
const GROUP_MAX: usize = 64;

/// What the engine decided in one go.
pub(crate) struct Batch {
    pub(crate) steps: Vec<Traced>,
    pub(crate) at: Timestamp,
    /// The fold up to this batch, if it is time for a snapshot.
    pub(crate) snapshot: Option<Snapshot>,
}

/// Closes the desk when dropped, so that a writer that panics leaves nobody waiting for ever.
struct ClosingDesk(Arc<Desk>);

impl Drop for ClosingDesk {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the writer's thread owns.
pub(crate) struct WriterWorker {
    pub(crate) writer: Writer<Box<dyn EventStore>>,
    /// The eye on what is free.
    pub(crate) disk: DiskWatch,
    /// Bytes of events since the engine made the last snapshot.
    pub(crate) written_bytes: Arc<AtomicU64>,
    /// Failures of the store's upkeep that were told.
    pub(crate) upkeep_failures: u64,
    pub(crate) outbox: Receiver<Batch>,
    pub(crate) net: Net,
    pub(crate) chain: Orders,
    pub(crate) desk: Arc<Desk>,
    pub(crate) durable: watch::Sender<EventSeq>,
    pub(crate) observer: Observer,
}

impl WriterWorker {
    /// Runs until the engine is gone or a write fails.
    ///
    /// Nobody waits at the desk after that, however it ended, and the reason is told before the engine can notice.
    pub(crate) fn run(mut self, mut guard: Guard) {
        let closing = ClosingDesk(Arc::clone(&self.desk));
        match self.write() {
            Ok(()) => guard.end_in_order(),
            Err(halt) => guard.halt(halt),
        }
        drop(closing);
    }

    fn write(&mut self) -> Result<(), Halt> {
        let mut group = Vec::new();
        while let Ok(first) = self.outbox.recv() {
            self.observer.taken();
            group.push(first);
            while group.len() < GROUP_MAX {
                let Ok(next) = self.outbox.try_recv() else { break };
                self.observer.taken();
                group.push(next);
            }
            self.commit(core::mem::take(&mut group))
                .inspect_err(|halt| self.observer.store_failed(halt))?;
        }
        Ok(())
    }

    /// One fsync for the whole group; then its effects, in the order they were decided.
    fn commit(&mut self, group: Vec<Batch>) -> Result<(), Halt> {
        let records: Vec<Record> = group.iter().flat_map(records_of).collect();
        let steps = group.iter().flat_map(|batch| &batch.steps);
        let writes: Vec<Span> =
            steps.filter_map(|step| spans::append(&step.span, records.len())).collect();
        let begun = clock();
        let receipt = self.writer.append(&records).map_err(Halt::Append)?;
        spans::appended(writes, receipt.durable());
        if !records.is_empty() {
            self.observer.appended(records.len(), receipt.durable(), begun.elapsed());
            let bytes = records.iter().map(|record| record.payload.len() as u64).sum();
            self.disk.appended(bytes);
            self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.durable.send_replace(receipt.durable());
        }
        let begun = clock();
        let mut snapshots = Vec::new();
        for batch in group {
            for Traced { unsaved, span, told } in batch.steps {
                self.observer.saved(unsaved.events());
                for effect in unsaved.saved(&receipt) {
                    spans::effect(&span, &effect).in_scope(|| self.perform(effect, told));
                }
            }
            snapshots.extend(batch.snapshot);
        }
        self.observer.performed(begun.elapsed());
        for snapshot in snapshots {
            self.writer.put_snapshot(&snapshot).map_err(Halt::Snapshot)?;
        }
        self.disk.look(clock());
        let size = self.writer.store().size_bytes();
        self.observer.log_size(size.unwrap_or_default());
        let failures = self.writer.store().upkeep_failures();
        if failures > self.upkeep_failures {
            self.upkeep_failures = failures;
            self.observer.upkeep_failed(failures);
        }
        Ok(())
    }

    fn perform(&self, effect: Effect, told: LinkId) {
        self.observer.performs(&effect);
        match effect {
            Effect::Send(peer, message) => self.send(peer, &message, told),
            Effect::Disconnect(peer) => {
                // A link that is gone already is what was wanted.
                let _ = self.net.disconnect_as_of(peer, told);
            }
            Effect::KeepConnected(peer, addresses) => self.keep_connected(peer, &addresses),
            Effect::Forget(peer) => self.net.forget(peer),
            Effect::Broadcast(transactions) => self.chain.broadcast(transactions),
            Effect::LookFor(outputs) => self.chain.look_for(outputs),
            Effect::Reply(command, answer) => {
                self.observer.replied(&answer);
                self.desk.answer(command, answer);
            }
            Effect::Report(report) => self.observer.reported(&report),
        }
    }

    /// A message that cannot be queued is lost like one on a broken wire: the connection goes with it, and the
    /// reconnection sends it again. So is one that was decided on a link that is gone; that the next one is up the engine
    /// hears, or has heard by now, and says there what is still to be said.
    fn send(&self, peer: NodeId, message: &Message, told: LinkId) {
        let frame = Frame::new(message.to_frame()).expect("messages fit frames");
        match self.net.send_as_of(peer, frame, told) {
            Ok(()) => self.observer.sent(message),
            Err(error @ SendError::Replaced { .. }) => {
                tracing::debug!(%peer, message = message.name(), %error, "not sent");
            }
            Err(error) => {
                tracing::debug!(%peer, message = message.name(), %error, "not sent");
                self.observer.network_failed();
                let _ = self.net.disconnect_as_of(peer, told);
            }
        }
    }

    fn keep_connected(&self, peer: NodeId, addresses: &[String]) {
        let known: Vec<_> = addresses.iter().filter_map(|text| text.parse().ok()).collect();
        if let Err(error) = self.net.keep_connected(peer, &known) {
            tracing::warn!(%peer, %error, "cannot stay connected");
            self.observer.network_failed();
        }
    }
}

fn records_of(batch: &Batch) -> impl Iterator<Item = Record> {
    let at = batch.at;
    batch.steps.iter().flat_map(move |Traced { unsaved, .. }| {
        let first = unsaved.first();
        let numbered = unsaved.events().iter().zip(0_u64..);
        numbered.map(move |(event, offset)| encode(event, first.advanced(offset), at))
    })
}
