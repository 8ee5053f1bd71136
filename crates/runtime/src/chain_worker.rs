//! The chain's thread: follows the best chain for the engine, and brings transactions on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitcoin::{Transaction, Txid};
use strait_chain::{ChainError, ChainSource, ChainStep, Download, FeeAnswer, Follower, Policies};
use strait_engine::{Input, TipStanding};
use strait_primitives::{BlockDelta, Millis, Timestamp};
use strait_resilience::{Attempts, Class};

use crate::engine_worker::{clock, now};
use crate::inbox::{EngineGone, Inbox};
use crate::observe::Observer;
use crate::orders::{Line, OrderTaker};

#[cfg(test)]
mod tests;

/// Steps taken at once: few, because each may hold a whole block, and because orders wait meanwhile.
const STEPS_MAX: usize = 8;
/// The fee estimate is asked for this many blocks ahead.
const FEE_TARGET: BlockDelta = BlockDelta::new(6);
/// How old a fee estimate becomes before it is asked for again.
const ESTIMATE_AGE_MAX: Duration = Duration::from_secs(30);
/// How long after source and follower last agreed the tip still counts as the network's: a block or two may have come.
const TIP_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long ago the network's last block was mined at most: two hours without a block are rare, and miners' clocks may be
/// two hours off.
const MINED_AGE_MAX: Millis = Millis(4 * 60 * 60 * 1_000);

/// What the chain's thread owns.
pub(crate) struct ChainWorker {
    source: Box<dyn ChainSource>,
    follower: Follower,
    orders: OrderTaker,
    inbox: Inbox,
    poll_interval: Duration,
    policies: Arc<Policies>,
    /// Looks that failed in a row.
    attempts: Attempts,
    observer: Observer,
    /// Orders that the source has not answered yet.
    line: Line,
    /// Whether the engine is to act on what it was told.
    owed: Owed,
    /// What the engine takes the tip to be worth.
    standing: TipStanding,
    /// When the follower last stood at a tip that is the network's.
    agreed: Option<Instant>,
    /// When the fee estimate came.
    estimated: Option<Instant>,
    /// Waiting transactions that the engine was told of and that still wait.
    told: BTreeSet<Txid>,
}

/// What a chain's thread is made of.
pub(crate) struct Options {
    pub(crate) source: Box<dyn ChainSource>,
    pub(crate) follower: Follower,
    pub(crate) orders: OrderTaker,
    pub(crate) inbox: Inbox,
    pub(crate) poll_interval: Duration,
    pub(crate) policies: Arc<Policies>,
    pub(crate) observer: Observer,
}

/// Why the engine is to be told that there are no more blocks for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// It has been told.
    Nothing,
    /// There were blocks since, or the node has just started: it acts as soon as no more can be had.
    Blocks,
    /// The source did not answer: whoever comes back may have forgotten what it was given to pass on.
    Return,
}

/// Whether the source took something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Submitted {
    /// It had nothing to take, or could not.
    None,
    /// It did, and so it is there.
    Some,
}

/// How far a look at the source came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There may be more blocks.
    More,
    /// Source and follower agree about the tip, which is worth this much.
    Agreed(TipStanding),
}

/// Why a look at the source ended early.
#[derive(Debug)]
enum Stuck {
    /// The process is ending.
    EngineGone,
    /// The source has no answer, or a wrong one.
    Chain(ChainError),
}

impl From<EngineGone> for Stuck {
    fn from(_: EngineGone) -> Self {
        Self::EngineGone
    }
}

impl From<ChainError> for Stuck {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl ChainWorker {
    /// A worker that has not begun. It tells the engine the end of the blocks also if it finds none: what waits since
    /// the last run is then decided on the chain as it is now.
    pub(crate) fn new(options: Options) -> Self {
        let Options { source, follower, orders, inbox, poll_interval, policies, observer } =
            options;
        Self {
            source,
            follower,
            orders,
            inbox,
            poll_interval,
            attempts: policies.retry.begin(),
            policies,
            observer,
            line: Line::default(),
            owed: Owed::Blocks,
            standing: TipStanding::Stale,
            agreed: None,
            estimated: None,
            told: BTreeSet::new(),
        }
    }

    /// Runs until the engine is gone.
    pub(crate) fn run(mut self) {
        self.observer.chain_behind(self.follower.tip().height);
        while let Ok(pause) = self.look() {
            if self.rest(pause).is_none() {
                return;
            }
        }
    }

    /// Waits for the next look, and brings on the chain what comes meanwhile. What the source could not take is tried again
    /// with each interval, however long the wait; and once it takes something, it is worth a look. `None` after a stop.
    fn rest(&mut self, pause: Duration) -> Option<()> {
        let begun = clock();
        loop {
            let left = pause.saturating_sub(clock().saturating_duration_since(begun));
            let wait = if self.line.is_empty() { left } else { left.min(self.poll_interval) };
            self.orders.take(wait, &mut self.line)?;
            let is_over = clock().saturating_duration_since(begun) >= pause;
            if self.submit_all() == Submitted::Some || is_over {
                return Some(());
            }
        }
    }

    /// How long after a look that failed to look again.
    fn back_off(&mut self, error: &ChainError) -> Duration {
        if let ChainError::BreakerOpen { retry_after, .. } = error {
            return (*retry_after).max(self.poll_interval);
        }
        if !error.is_transient() {
            // What is wrong stays wrong until somebody mends it: there is no herd to spare.
            return self.poll_interval;
        }
        let retry = &self.policies.retry;
        retry.after(&mut self.attempts, Class::Transient).unwrap_or_else(|| {
            tracing::warn!("the chain source stays away; it is asked less often from now on");
            self.attempts = retry.begin();
            retry.settings().backoff.most
        })
    }

    /// Follows the chain some steps; answers how long there is to wait for the next look.
    fn look(&mut self) -> Result<Duration, EngineGone> {
        let standing = match self.follow() {
            Ok(Progress::More) => return Ok(Duration::ZERO),
            Ok(Progress::Agreed(standing)) => standing,
            Err(Stuck::EngineGone) => return Err(EngineGone),
            Err(Stuck::Chain(error)) => {
                self.observer.chain_failed(&error);
                self.outlast()?;
                return Ok(self.back_off(&error));
            }
        };
        self.attempts = self.policies.retry.begin();
        self.estimate()?;
        self.look_for_spends()?;
        self.agreed = match standing {
            TipStanding::Current => Some(clock()),
            TipStanding::Stale => None,
        };
        if self.owed != Owed::Nothing || self.standing != standing {
            self.tell_end(standing)?;
            self.owed = Owed::Nothing;
        }
        Ok(self.poll_interval)
    }

    /// The source does not answer: acts on the blocks that it told, and on the tip for as long as it can count as one.
    fn outlast(&mut self) -> Result<(), EngineGone> {
        let now = clock();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < TIP_AGE_MAX;
        let standing = match self.owed {
            // What it told of was not yet all.
            Owed::Blocks => TipStanding::Stale,
            Owed::Nothing | Owed::Return if self.agreed.is_some_and(is_fresh) => self.standing,
            Owed::Nothing | Owed::Return => TipStanding::Stale,
        };
        if self.owed == Owed::Blocks || self.standing != standing {
            self.tell_end(standing)?;
        }
        self.owed = Owed::Return;
        Ok(())
    }

    fn tell_end(&mut self, standing: TipStanding) -> Result<(), EngineGone> {
        self.standing = standing;
        self.inbox.put_blocking(Input::BlocksTold(standing))
    }

    fn follow(&mut self) -> Result<Progress, Stuck> {
        let steps = self.follower.poll(self.source.as_mut(), STEPS_MAX)?;
        if steps.is_empty() {
            let height = self.follower.tip().height;
            match self.source.download()? {
                Download::Over { mined } if is_old(mined) => self.observer.chain_is_old(height),
                Download::Over { .. } => {
                    self.observer.chain_agrees(height);
                    return Ok(Progress::Agreed(TipStanding::Current));
                }
                Download::Running => self.observer.chain_downloads(height),
                Download::Alone => self.observer.chain_alone(height),
            }
            return Ok(Progress::Agreed(TipStanding::Stale));
        }
        let is_full = steps.len() == STEPS_MAX;
        for step in steps {
            self.owed = Owed::Blocks;
            match step {
                ChainStep::Connected { height, block } => {
                    let bytes = block.total_size();
                    let input = Input::BlockConnected { height, block: Box::new(block) };
                    self.inbox.put_block(input, bytes)?;
                }
                ChainStep::Disconnected { height, hash } => {
                    self.inbox.put_blocking(Input::BlockDisconnected { height, hash })?;
                }
            }
        }
        if is_full {
            self.observer.chain_behind(self.follower.tip().height);
        }
        Ok(Progress::More)
    }

    fn estimate(&mut self) -> Result<(), EngineGone> {
        let now = clock();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < ESTIMATE_AGE_MAX;
        if self.estimated.is_some_and(is_fresh) {
            return Ok(());
        }
        match self.source.estimate_fee(FEE_TARGET) {
            Ok(answer) => {
                self.estimated = Some(now);
                self.inbox.put_blocking(match answer {
                    FeeAnswer::Estimate(rate) => Input::FeeEstimate(rate),
                    FeeAnswer::Unknown { least } => Input::NoFeeEstimate { least },
                })
            }
            Err(error) => {
                self.observer.chain_failed(&error);
                Ok(())
            }
        }
    }

    /// Tells the engine of waiting transactions that spend what it looks for, each once while it waits.
    fn look_for_spends(&mut self) -> Result<(), EngineGone> {
        let wanted = self.orders.looked_for();
        if wanted.is_empty() {
            self.told.clear();
            return Ok(());
        }
        let found = match self.source.mempool_spends(&wanted) {
            Ok(found) => found,
            Err(error) => {
                self.observer.chain_failed(&error);
                return Ok(());
            }
        };
        let known = core::mem::take(&mut self.told);
        for transaction in found {
            let txid = transaction.compute_txid();
            if self.told.insert(txid) && !known.contains(&txid) {
                self.inbox.put_blocking(Input::MempoolTransaction(Box::new(transaction)))?;
            }
        }
        Ok(())
    }

    /// Submits what is in line. Success is never taken as propagation: the engine repeats itself every block until it
    /// sees the transaction mined.
    fn submit_all(&mut self) -> Submitted {
        let mut submitted = Submitted::None;
        while let Some(order) = self.line.pop() {
            let error = match self.submit(&order.transactions) {
                Ok(()) => {
                    submitted = Submitted::Some;
                    continue;
                }
                Err(error) => error,
            };
            self.observer.chain_failed(&error);
            if is_elsewhere(&error) {
                // Nothing is wrong with the order, and the next one would fare no better: all wait for the next look.
                self.line.put_back(order);
                return Submitted::None;
            }
        }
        submitted
    }

    fn submit(&mut self, transactions: &[Transaction]) -> Result<(), ChainError> {
        let outcome = self.source.submit(transactions)?;
        if let Some((txid, reason)) = outcome.first_rejection() {
            tracing::warn!(%txid, reason, "the chain's node refused a transaction");
            self.observer.refused(reason);
        }
        Ok(())
    }
}

/// True for a tip of so long ago that there must be later blocks. bitcoind takes one of yesterday for the network's; a
/// thief may need less than a day.
fn is_old(mined: Option<Timestamp>) -> bool {
    mined.is_some_and(|mined| now().since(mined) > MINED_AGE_MAX)
}

/// True if the error lies with the source, not with what it was asked.
fn is_elsewhere(error: &ChainError) -> bool {
    error.is_transient() || matches!(error, ChainError::Unauthorised { .. })
}
