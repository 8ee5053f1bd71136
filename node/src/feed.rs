//! The public story of a node: its log, told in the interface's events, from any place on that is still there, and for ever.
//!
//! A projection with no state of its own on disk: it reads the log where a caller asks it to begin. A round's payments
//! are told by the event that makes them final, whose operations stand in the event that began the round; those of
//! rounds that began before the caller's place are looked up backwards, and channels and contracts that did, in snapshots,
//! once for all streams of a node.

mod locks;
mod past;
mod story;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, BoxStream, StreamExt};
use strait_api::{ApiError, Follow};
use strait_api_types::{ErrorCode, Event};
use strait_log::StoreError;
use strait_primitives::EventSeq;
use strait_store_sqlite::Reader;
use tokio::sync::watch;

pub(crate) use self::past::Past;
use self::story::{Story, StoryError};

/// Records read at a time.
const PAGE: usize = 256;

/// The log's length on disk; 0 if it cannot be told.
pub(crate) fn size_bytes(reader: &Reader) -> u64 {
    std::fs::metadata(reader.database()).map_or(0, |metadata| metadata.len())
}

/// What one caller's stream remembers.
struct Feed {
    reader: Reader,
    durable: watch::Receiver<EventSeq>,
    next: EventSeq,
    follow: Follow,
    story: Arc<Mutex<Story>>,
    ready: VecDeque<Event>,
}

/// The events from a place on; from the oldest that is there on for [`EventSeq::ZERO`].
pub(crate) fn stream(
    reader: Reader,
    past: Arc<Past>,
    durable: watch::Receiver<EventSeq>,
    from: EventSeq,
    follow: Follow,
) -> BoxStream<'static, Result<Event, ApiError>> {
    let next = from;
    let story = Arc::new(Mutex::new(Story::new(reader.clone(), past)));
    let feed = Feed { reader, durable, next, follow, story, ready: VecDeque::new() };
    stream::unfold(Some(feed), |feed| async move {
        let mut feed = feed?;
        match feed.tell_next().await {
            Ok(Some(event)) => Some((Ok(event), Some(feed))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

impl Feed {
    /// The next event; `None` at the end, for who does not follow, or when the node stops.
    async fn tell_next(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let head = *self.durable.borrow_and_update();
            if self.next.max(EventSeq::ZERO.next()) <= head {
                self.read_page().await?;
                continue;
            }
            if self.follow == Follow::UntilNow || self.durable.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn read_page(&mut self) -> Result<(), ApiError> {
        let (reader, from, story) = (self.reader.clone(), self.next, Arc::clone(&self.story));
        let page = tokio::task::spawn_blocking(move || {
            let from = if from == EventSeq::ZERO { reader.oldest()? } else { from };
            let records = reader.read_from(from, PAGE)?;
            let mut story = story.lock().unwrap_or_else(PoisonError::into_inner);
            let told: Vec<Event> = records
                .iter()
                .filter_map(|record| story.tell(record).transpose())
                .collect::<Result<_, _>>()?;
            let next = records.last().map_or(from, |record| record.seq.next());
            Ok::<_, StoryError>((told, next))
        });
        let (told, next) = match page.await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return Err(untold(&error)),
            Err(error) => return Err(ApiError::internal(&error)),
        };
        self.ready.extend(told);
        self.next = next;
        Ok(())
    }
}

/// Why the story cannot be told from there.
fn untold(error: &StoryError) -> ApiError {
    let StoryError::Store(StoreError::Compacted { removed, .. }) = error else {
        return ApiError::internal(error);
    };
    let message =
        format!("the events up to {removed} were removed, as store.history_bytes_max asks");
    let hint =
        format!("ask from={} on, or without from; lists tell how things are", removed.next());
    ApiError::new(ErrorCode::EventsGone, message, hint)
}
