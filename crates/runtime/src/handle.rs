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
use crate::inbox::{EngineGone, Inbox};
use crate::observe::command_name;
use crate::spans;

/// Why a question has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The node is stopping and was not given the question. An earlier one with the same key may have been.
    #[error("the node is stopping and takes no more questions")]
    Stopping,
    /// The node was given the question, and stopped before the answer was durable. Whether it is done, the same key
    /// tells after the restart.
    #[error("the node stopped before it had the answer")]
    Unanswered,
}

type Waiting = HashMap<CommandId, oneshot::Sender<Result<Answer, CommandError>>>;

/// Those who wait for answers.
#[derive(Debug)]
pub(crate) struct Desk {
    /// `None` once the node answers no more: who came after that would wait for ever.
    waiting: Mutex<Option<Waiting>>,
    next: AtomicU64,
}

/// The desk is closed: the node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closed;

/// One who waits, and leaves no trace on going away.
#[derive(Debug)]
struct Place<'desk> {
    desk: &'desk Desk,
    id: CommandId,
    answer: oneshot::Receiver<Result<Answer, CommandError>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &mut *self.desk.lock() {
            waiting.remove(&self.id);
        }
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self { waiting: Mutex::new(Some(Waiting::new())), next: AtomicU64::new(0) }
    }
}

impl Desk {
    fn take_place(&self) -> Result<Place<'_>, Closed> {
        let id = CommandId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        self.lock().as_mut().ok_or(Closed)?.insert(id, sender);
        Ok(Place { desk: self, id, answer })
    }

    /// Gives an answer to the one who waits for it; nobody does if the asker went away.
    pub(crate) fn answer(&self, id: CommandId, answer: Result<Answer, CommandError>) {
        let waiting = self.lock().as_mut().and_then(|waiting| waiting.remove(&id));
        if let Some(sender) = waiting {
            // The asker may have gone between our look and now: the answer stands in the log all the same.
            let _ = sender.send(answer);
        }
    }

    /// The node stops: everyone who still waits learns it by the closed channel, and nobody else is taken in.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waiting>> {
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
        let span = spans::command(&command);
        let mut place = self.desk.take_place().map_err(|Closed| AskError::Stopping)?;
        let input = Input::Command(place.id, Box::new(command));
        self.inbox.put(input, span.clone()).await.map_err(|EngineGone| AskError::Stopping)?;
        let answer = (&mut place.answer).await.map_err(|_| AskError::Unanswered)?;
        spans::answered(&span, &answer);
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
