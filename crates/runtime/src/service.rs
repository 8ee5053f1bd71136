//! Putting the threads together: recover, connect, run, stop.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use strait_chain::{BlockId, ChainSource, FOLLOWER_WINDOW_BLOCKS, Follower};
use strait_contract::ContractRuntime;
use strait_engine::{Engine, RECENT_BLOCKS};
use strait_log::{AppendError, EventStore, StoreError, Writer};
use strait_net::LinkId;
use strait_primitives::EventSeq;
use strait_telemetry::{Health, Metrics, Sampler};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::chain_worker::{self, ChainWorker};
use crate::counted::Counted;
use crate::disk_room::{Disk, DiskWatch};
use crate::ends::{Ends, Guard};
use crate::engine_worker::{EngineWorker, clock};
use crate::handle::{Desk, Handle};
use crate::inbox::Inbox;
use crate::net_worker;
use crate::observe::Observer;
use crate::orders::Orders;
use crate::writer::WriterWorker;

/// Decisions that may wait for the writer: one being written, a few behind it.
const OUTBOX_MAX: usize = 8;

// The follower never takes the engine's last block away.
const _: () = assert!(FOLLOWER_WINDOW_BLOCKS < RECENT_BLOCKS);

/// Everything a runtime is made of; each part was checked and opened before.
pub struct Options {
    /// The node, recovered from the log that `store` holds.
    pub engine: Engine,
    /// What the node decided before it had a runtime: its very first events.
    pub first: Option<strait_log::Unsaved<strait_engine::Event, strait_engine::Effect>>,
    /// The log.
    pub store: Box<dyn EventStore>,
    /// The chain.
    pub source: Box<dyn ChainSource>,
    /// Where on the chain the node stands.
    pub follower: Follower,
    /// What runs contracts.
    pub contracts: Arc<dyn ContractRuntime>,
    /// The network.
    pub net: strait_net::Handle,
    /// What it tells.
    pub events: strait_net::Events,
    /// How often the chain is asked for news.
    pub poll_interval: Duration,
    /// How a look at the chain that failed is repeated.
    pub chain_policies: Arc<strait_chain::Policies>,
    /// How long after a look at the chain is due it may be overdue before the node is not ready any more.
    pub unready_after: Duration,
    /// Events between two snapshots.
    pub snapshot_every: u64,
    /// The last event of the newest snapshot that `store` holds; [`EventSeq::ZERO`] without one.
    pub last_snapshot: EventSeq,
    /// Where the log lies.
    pub disk: Disk,
    /// Where counters go.
    pub metrics: Arc<Metrics>,
    /// Where components' troubles go.
    pub health: Arc<Health>,
    /// What says which rounds are traced.
    pub sampler: Arc<Sampler>,
}

/// Why a running node stops by itself. The process must end; what was decided and not saved, replay will tell.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Halt {
    /// The log could not be written.
    #[error("the log could not be written")]
    Append(#[source] AppendError),
    /// A snapshot could not be written.
    #[error("a snapshot could not be written")]
    Snapshot(#[source] StoreError),
    /// A thread or task of the node died, or ended unasked.
    #[error("the {thread} thread died")]
    Thread {
        /// Which.
        thread: &'static str,
    },
}

/// Why a runtime cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system gives no thread.
    #[error("the {thread} thread cannot be started")]
    Thread {
        /// Which.
        thread: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A running node.
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    halted: mpsc::UnboundedReceiver<Halt>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    writer: Option<thread::JoinHandle<()>>,
}

impl Runtime {
    /// Starts the threads. Must be called within a tokio runtime, which drives the network's side.
    ///
    /// # Errors
    /// [`StartError`] if the operating system refuses.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let inner = options.contracts;
        let chain_patience = options.poll_interval.saturating_add(options.unready_after);
        let observer = Observer {
            metrics: options.metrics,
            health: options.health,
            chain_patience,
            sampler: options.sampler,
        };
        let contracts = Arc::new(Counted { inner, observer: observer.clone() });
        let (inbox, inputs) = Inbox::new();
        let (orders, taken) = Orders::new();
        let (outbox, decided) = sync_channel(OUTBOX_MAX);
        let desk = Arc::new(Desk::default());
        let writer = Writer::new(options.store);
        let (durable, seen) = watch::channel(writer.head());
        let written_bytes = Arc::default();
        let engine_worker = EngineWorker {
            engine: options.engine,
            first: options.first,
            contracts,
            inbox: inputs,
            outbox,
            observer: observer.clone(),
            told: LinkId::NONE,
            snapshot_every: options.snapshot_every,
            last_snapshot: options.last_snapshot,
            written_bytes: Arc::clone(&written_bytes),
        };
        // The engine hears of a disk that is nearly full before it hears of anything else.
        let mut disk = DiskWatch::new(options.disk, inbox.clone(), observer.clone());
        disk.look(clock());
        let writer_worker = WriterWorker {
            writer,
            disk,
            written_bytes,
            upkeep_failures: 0,
            outbox: decided,
            net: options.net.clone(),
            chain: orders,
            desk: Arc::clone(&desk),
            durable,
            observer: observer.clone(),
        };
        let chain_worker = ChainWorker::new(chain_worker::Options {
            source: options.source,
            follower: options.follower,
            orders: taken,
            inbox: inbox.clone(),
            poll_interval: options.poll_interval,
            policies: options.chain_policies,
            observer: observer.clone(),
        });
        let (ends, halted) = Ends::new();
        let writing = spawn("writer", &ends, move |guard| writer_worker.run(guard))?;
        spawn("engine", &ends, move |guard| engine_worker.run(guard))?;
        spawn("chain", &ends, move |guard| {
            chain_worker.run();
            guard.end_in_order();
        })?;
        let (network, clock) = (ends.guard("network"), ends.guard("clock"));
        let metrics = Arc::clone(&observer.metrics);
        let tick = net_worker::tick(inbox.clone(), options.net.clone(), observer.clone(), clock);
        let net = net_worker::run(options.events, options.net, inbox.clone(), observer, network);
        let tasks = vec![tokio::spawn(net), tokio::spawn(tick)];
        let handle = Handle { inbox, desk, durable: seen, metrics };
        Ok(Self { handle, halted, tasks, writer: Some(writing) })
    }

    /// How the rest of the process asks the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node stops by itself; it does not, but for a [`Halt`].
    ///
    /// # Errors
    /// [`Halt`]: the process must end.
    pub async fn halted(&mut self) -> Result<(), Halt> {
        // Without a word only an orderly stop ends all parts.
        self.halted.recv().await.map_or(Ok(()), Err)
    }

    /// Stops taking inputs, and returns when the last decision is on disk.
    pub async fn stop(mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.handle.inbox.stop().await;
        drop(self.handle);
        if let Some(writing) = self.writer.take() {
            // A writer that panicked has nothing more to save.
            let _ = tokio::task::spawn_blocking(move || writing.join()).await;
        }
    }
}

impl core::fmt::Debug for Options {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

/// The recent blocks of a node, as its follower wants them.
pub fn known_blocks(engine: &Engine) -> impl Iterator<Item = BlockId> + '_ {
    engine.recent_blocks().map(|block| BlockId { height: block.height, hash: block.hash })
}

fn spawn(
    name: &'static str,
    ends: &Ends,
    work: impl FnOnce(Guard) + Send + 'static,
) -> Result<thread::JoinHandle<()>, StartError> {
    let guard = ends.guard(name);
    thread::Builder::new()
        .name(name.into())
        .spawn(move || work(guard))
        .map_err(|source| StartError::Thread { thread: name, source })
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;
    use strait_engine::{Event, NodeState};
    use strait_primitives::BlockHeight;

    use super::*;

    #[test]
    fn the_deepest_reorganisation_that_is_followed_leaves_the_node_a_tip() {
        let mut state = NodeState::default();
        let hash = BlockHash::all_zeros();
        for height in (0..).map(BlockHeight::new).take(2 * RECENT_BLOCKS) {
            state.apply(&Event::BlockConnected { height, hash });
        }
        // The oldest block of the follower's window is where the deepest fork may be.
        for _ in 1..FOLLOWER_WINDOW_BLOCKS {
            let height = state.book.tip().unwrap().height;
            state.apply(&Event::BlockDisconnected { height, hash });
        }
        assert!(state.book.tip().is_some());
    }
}
