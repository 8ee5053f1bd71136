//! Requests with a key that wait for their answers: one task for each key, whoever asks how often.
//!
//! A payment to a peer that is away waits for as long as the peer stays away. Its callers are told `STILL_RUNNING` and
//! leave; the task stays, so that the next asking with the same key joins it instead of adding another. When too many
//! tasks wait, the oldest that nobody asks about is dropped: the engine goes on without it, and asking again finds the
//! answer there.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strait_primitives::RequestKey;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::ApiError;
use crate::idempotency::Asked;

/// What becomes of a request; `None` while it waits.
type Outcome<T> = Option<Result<T, ApiError>>;

/// One caller's end of a task.
pub(crate) struct Caller<T> {
    outcome: watch::Receiver<Outcome<T>>,
    /// Counts the callers.
    _present: Arc<()>,
    /// Set for a task that is on no list.
    _alone: Option<Alone>,
}

/// A task that ends with its only caller.
struct Alone(AbortHandle);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// As many tasks wait as may, and each has a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

/// All tasks that wait.
pub(crate) struct Waiting {
    tasks: Mutex<Tasks>,
    /// How many may wait.
    tasks_max: usize,
}

/// A task's place in the order of their beginnings.
type Age = u64;

#[derive(Default)]
struct Tasks {
    by_key: HashMap<RequestKey, Age>,
    by_age: BTreeMap<Age, Task>,
    next: Age,
}

struct Task {
    asked: Asked,
    /// A `watch::Receiver<Outcome<T>>`; the operation, which the key names, decides `T`.
    outcome: Box<dyn Any + Send>,
    /// Cloned by every caller.
    present: Arc<()>,
    abort: AbortHandle,
}

/// Takes a task off the list when it ends, however it ends.
struct Leaving {
    waiting: Arc<Waiting>,
    age: Age,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.waiting.lock().remove(self.age);
    }
}

impl<T: Clone> Caller<T> {
    /// Waits for the outcome. Safe to cancel: the task goes on.
    pub(crate) async fn outcome(&mut self) -> Result<T, ApiError> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("just waited for"),
            Err(lost) => Err(ApiError::internal(&lost)),
        }
    }
}

impl Tasks {
    fn remove(&mut self, age: Age) {
        if let Some(task) = self.by_age.remove(&age) {
            self.by_key.remove(&task.asked.key);
        }
    }

    /// Drops the oldest task without a caller.
    fn make_room(&mut self) -> Result<(), Crowded> {
        let left = self.by_age.iter().find(|(_, task)| Arc::strong_count(&task.present) == 1);
        let (age, task) = left.ok_or(Crowded)?;
        task.abort.abort();
        let age = *age;
        self.remove(age);
        Ok(())
    }
}

impl Waiting {
    pub(crate) fn new(tasks_max: usize) -> Arc<Self> {
        Arc::new(Self { tasks: Mutex::default(), tasks_max })
    }

    /// Joins the task that works on the same request, or begins one.
    pub(crate) fn join<T, Q>(
        self: &Arc<Self>,
        asked: Asked,
        question: impl FnOnce() -> Q,
    ) -> Result<Caller<T>, Crowded>
    where
        T: Clone + Send + Sync + 'static,
        Q: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let mut tasks = self.lock();
        if let Some(task) = tasks.by_key.get(&asked.key).and_then(|age| tasks.by_age.get(age)) {
            let outcome = task.outcome.downcast_ref::<watch::Receiver<Outcome<T>>>();
            if let Some(outcome) = outcome.filter(|_| task.asked == asked) {
                let _present = Arc::clone(&task.present);
                return Ok(Caller { outcome: outcome.clone(), _present, _alone: None });
            }
            // Another request under this key: the node says what is wrong with that, at once. If it is the same one in
            // another spelling, the first task stands for both.
            let (told, outcome) = watch::channel(None);
            let answer = question();
            let task = tokio::spawn(async move { told.send_replace(Some(answer.await)) });
            let _alone = Some(Alone(task.abort_handle()));
            return Ok(Caller { outcome, _present: Arc::new(()), _alone });
        }
        if tasks.by_age.len() >= self.tasks_max {
            tasks.make_room()?;
        }
        let age = tasks.next;
        tasks.next = age.checked_add(1).expect("fewer than 2^64 requests");
        let (told, outcome) = watch::channel(None);
        let leaving = Leaving { waiting: Arc::clone(self), age };
        let answer = question();
        let work = async move {
            let answer = answer.await;
            // First off the list: what is on it has no answer yet.
            drop(leaving);
            told.send_replace(Some(answer));
        };
        let task = tokio::spawn(work.in_current_span());
        let present = Arc::new(());
        let caller =
            Caller { outcome: outcome.clone(), _present: Arc::clone(&present), _alone: None };
        let abort = task.abort_handle();
        tasks.by_key.insert(asked.key, age);
        tasks.by_age.insert(age, Task { asked, outcome: Box::new(outcome), present, abort });
        Ok(caller)
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        // A panicking holder leaves lists that are still lists.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use strait_api_types::ErrorCode;

    use super::*;

    fn asked(key: u8, body: &str) -> Asked {
        Asked::new(RequestKey::from_bytes([key; RequestKey::LEN]), &[body.as_bytes()])
    }

    fn begin(waiting: &Arc<Waiting>, key: u8) -> Result<Caller<u32>, Crowded> {
        waiting.join(asked(key, "pay 5"), pending)
    }

    #[tokio::test]
    async fn a_repeated_key_joins_the_task_that_waits_and_hears_the_same() {
        let waiting = Waiting::new(8);
        let (go, went) = tokio::sync::oneshot::channel();
        let mut first: Caller<u32> = waiting
            .join(asked(1, "pay 5"), || async move {
                went.await.unwrap();
                Ok(7)
            })
            .unwrap();
        let mut callers: Vec<Caller<u32>> = (0..100)
            .map(|_| {
                let again = || async { panic!("the node is asked once for a key that waits") };
                waiting.join(asked(1, "pay 5"), again).unwrap()
            })
            .collect();
        assert_eq!(waiting.lock().by_age.len(), 1);
        go.send(()).unwrap();
        assert_eq!(first.outcome().await, Ok(7));
        for caller in &mut callers {
            assert_eq!(caller.outcome().await, Ok(7));
        }
        assert!(waiting.lock().by_age.is_empty() && waiting.lock().by_key.is_empty());
    }

    #[tokio::test]
    async fn another_request_under_a_key_that_waits_is_put_to_the_node() {
        let waiting = Waiting::new(8);
        let _first = begin(&waiting, 1).unwrap();
        let reused = || async {
            Err(ApiError::new(ErrorCode::IdempotencyKeyReused, "another request", "a new key"))
        };
        let mut second: Caller<u32> = waiting.join(asked(1, "pay 6"), reused).unwrap();
        assert_eq!(second.outcome().await.unwrap_err().code(), ErrorCode::IdempotencyKeyReused);
        assert_eq!(waiting.lock().by_age.len(), 1, "the first waits on");
    }

    #[tokio::test]
    async fn another_spelling_of_a_request_that_waits_ends_with_its_caller() {
        let waiting = Waiting::new(8);
        let _first = begin(&waiting, 1).unwrap();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let second: Caller<u32> = waiting
            .join(asked(1, "pay  5"), || async move {
                let _held = held;
                pending().await
            })
            .unwrap();
        drop(second);
        assert!(dropped.await.is_err(), "the task is gone");
    }

    #[tokio::test]
    async fn requests_that_nobody_asks_about_make_room_oldest_first() {
        let waiting = Waiting::new(3);
        let _present = begin(&waiting, 1).unwrap();
        drop(begin(&waiting, 2).unwrap());
        let kept = begin(&waiting, 3).unwrap();
        let _new = begin(&waiting, 4).unwrap();
        let keys: Vec<_> = waiting.lock().by_age.values().map(|task| task.asked.key).collect();
        let left = [1, 3, 4].map(|key| RequestKey::from_bytes([key; RequestKey::LEN]));
        assert_eq!(keys, left);
        assert!(begin(&waiting, 5).is_err(), "everyone has a caller");
        drop(kept);
        assert!(begin(&waiting, 5).is_ok());
    }

    #[tokio::test]
    async fn a_task_that_dies_leaves_an_error_and_no_trace() {
        let waiting = Waiting::new(8);
        let mut caller: Caller<u32> =
            waiting.join(asked(1, ""), || async { panic!("a fault") }).unwrap();
        assert_eq!(caller.outcome().await.unwrap_err().code(), ErrorCode::Internal);
        assert!(waiting.lock().by_age.is_empty());
    }
}
