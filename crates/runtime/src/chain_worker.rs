//! The chain's thread: follows the best chain for the engine, and brings transactions on it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use bitcoin::Transaction;
use strait_chain::{ChainError, ChainSource, ChainStep, Follower};
use strait_engine::Input;
use strait_primitives::{BlockDelta, FeeRate};

use crate::inbox::{EngineGone, Inbox};
use crate::observe::Observer;

/// Orders that may wait. What does not fit is sent again with the next block.
const ORDERS_MAX: usize = 1_024;
/// Blocks told in one go, so that orders are not held up while a node catches up.
const STEPS_MAX: usize = 64;
/// The fee estimate is asked for this many blocks ahead.
const FEE_TARGET: BlockDelta = BlockDelta::new(6);
/// Polls between two fee estimates.
const POLLS_PER_ESTIMATE: u32 = 30;

/// Where transactions to be broadcast go in.
#[derive(Debug, Clone)]
pub(crate) struct ChainOrders {
    sender: SyncSender<Vec<Transaction>>,
}

impl ChainOrders {
    pub(crate) fn new() -> (Self, Receiver<Vec<Transaction>>) {
        let (sender, receiver) = sync_channel(ORDERS_MAX);
        (Self { sender }, receiver)
    }

    /// Never waits: a full queue drops the order, which the next block repeats.
    pub(crate) fn broadcast(&self, transactions: Vec<Transaction>) {
        if self.sender.try_send(transactions).is_err() {
            tracing::warn!("too many broadcasts wait; this one comes again with the next block");
        }
    }
}

/// What the chain's thread owns.
pub(crate) struct ChainWorker {
    pub(crate) source: Box<dyn ChainSource>,
    pub(crate) follower: Follower,
    pub(crate) orders: Receiver<Vec<Transaction>>,
    pub(crate) inbox: Inbox,
    pub(crate) poll_interval: Duration,
    pub(crate) observer: Observer,
}

impl ChainWorker {
    /// Runs until the engine is gone.
    pub(crate) fn run(mut self) {
        let mut polls = 0_u32;
        loop {
            let followed = self.follow();
            match followed {
                Ok(Ok(())) => self.observer.chain_answered(self.follower.tip().height),
                Ok(Err(EngineGone)) => return,
                Err(error) => self.observer.chain_failed(&error),
            }
            if polls.is_multiple_of(POLLS_PER_ESTIMATE) && self.estimate().is_err() {
                return;
            }
            polls = polls.wrapping_add(1);
            match self.orders.recv_timeout(self.poll_interval) {
                Ok(order) => self.submit(&order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(order) = self.orders.try_recv() {
                self.submit(&order);
            }
        }
    }

    fn follow(&mut self) -> Result<Result<(), EngineGone>, ChainError> {
        loop {
            let steps = self.follower.poll(self.source.as_mut(), STEPS_MAX)?;
            if steps.is_empty() {
                return Ok(Ok(()));
            }
            for step in steps {
                let input = match step {
                    ChainStep::Connected { height, block } => {
                        Input::BlockConnected { height, block: Box::new(block) }
                    }
                    ChainStep::Disconnected { height, hash } => {
                        Input::BlockDisconnected { height, hash }
                    }
                };
                if self.inbox.put_blocking(input).is_err() {
                    return Ok(Err(EngineGone));
                }
            }
        }
    }

    fn estimate(&mut self) -> Result<(), EngineGone> {
        let rate: FeeRate = match self.source.estimate_fee(FEE_TARGET) {
            Ok(rate) => rate,
            Err(error) => {
                self.observer.chain_failed(&error);
                return Ok(());
            }
        };
        self.inbox.put_blocking(Input::FeeEstimate(rate))
    }

    /// Success is never taken as propagation: the engine repeats itself every block until it sees the transaction mined.
    fn submit(&mut self, transactions: &[Transaction]) {
        match self.source.submit(transactions) {
            Ok(outcome) => {
                if let Some((txid, reason)) = outcome.first_rejection() {
                    tracing::warn!(%txid, reason, "the chain's node refused a transaction");
                    self.observer.refused(reason);
                }
            }
            Err(error) => self.observer.chain_failed(&error),
        }
    }
}
