//! How the rest of the process asks the node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use strait_engine::{Answer, Command, CommandError, CommandId, Input};
use strait_primitives::EventSeq;
use strait_telemetry::Metrics;
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use crate::engine_worker::clock;
use crate::inbox::Inbox;
use crate::observe::command_name;

/// Why a question has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The node is stopping; whether it was done, the same key will tell after the restart.
    #[error("the node is stopping")]
    Stopping,
}

type Waiting = HashMap<CommandId, oneshot::Sender<Result<Answer, CommandError>>>;

/// Those who wait for answers.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    waiting: Mutex<Waiting>,
    next: AtomicU64,
}

impl Desk {
    fn take_place(&self) -> (CommandId, oneshot::Receiver<Result<Answer, CommandError>>) {
        let id = CommandId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(id, sender);
        (id, receiver)
    }

    /// Gives an answer to the one who waits for it; nobody does if the asker went away.
    pub(crate) fn answer(&self, id: CommandId, answer: Result<Answer, CommandError>) {
        let waiting = self.lock().remove(&id);
        if let Some(sender) = waiting {
            // The asker may have gone between our look and now: the answer stands in the log all the same.
            let _ = sender.send(answer);
        }
    }

    /// The node stops: everyone who still waits learns it by the closed channel.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // A panicking holder leaves a map that is still a map.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cheap way to ask the node, to be cloned at will.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) inbox: Inbox,
    pub(crate) desk: Arc<Desk>,
    pub(crate) durable: watch::Receiver<EventSeq>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Counts one asking as waiting, until it is dropped.
struct Asking<'a>(&'a Metrics);

impl<'a> Asking<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.command_asked();
        Self(metrics)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.command_left();
    }
}

impl Handle {
    /// Asks the node, and waits for the answer: for what moves money, until it is irrevocable.
    ///
    /// # Errors
    /// [`AskError`] if the node refuses or stops.
    pub async fn ask(&self, command: Command) -> Result<Answer, AskError> {
        let _asking = Asking::begin(&self.metrics);
        let (name, begun) = (command_name(&command), clock());
        let (id, answer) = self.desk.take_place();
        let input = Input::Command(id, Box::new(command));
        self.inbox.put(input).await.map_err(|_| AskError::Stopping)?;
        let answer = answer.await.map_err(|_| AskError::Stopping)?;
        self.metrics.command_answered(name, begun.elapsed());
        if answer.is_err() {
            self.metrics.command_refused(name);
        }
        Ok(answer?)
    }

    /// The last durable event, and word of each later one.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<EventSeq> {
        self.durable.clone()
    }
}
