//! The event stream that survives broken connections.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use strait_api_types::{ErrorBody, Event};
use tokio::time::{sleep, timeout};

use crate::sse::{Message, Parser};
use crate::{Client, ClientError};

/// Silence after which a connection counts as dead: three heartbeats of a node.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Pause before the first new attempt; doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Attempts in a row before the failure is handed to the caller, who may go on: about half a minute.
const ATTEMPTS_MAX: u32 = 10;

/// Events in order, each once, across broken connections.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    /// The place of the next event wanted.
    next: u64,
    /// Events that arrived and were not handed out yet.
    ready: VecDeque<Event>,
    connection: Option<Connection>,
    /// True once a connection has stood: from then on failures are tried again.
    resumes: Resumes,
}

/// Whether a failure to connect is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resumes {
    /// No connection has stood yet: tell the caller at once.
    NotYet,
    /// The stream was there before.
    Now,
}

#[derive(Debug)]
struct Connection {
    body: Incoming,
    parser: Parser,
}

impl EventStream {
    pub(crate) const fn new(client: Client, from: u64) -> Self {
        let ready = VecDeque::new();
        Self { client, next: from, ready, connection: None, resumes: Resumes::NotYet }
    }

    /// The place from which the stream would go on; keep it to resume in another process.
    #[must_use]
    pub const fn next_from(&self) -> u64 {
        self.next
    }

    /// Waits for the next event. Cancelling loses nothing; after an error the caller may simply ask again.
    ///
    /// # Errors
    /// [`ClientError`] if the first connection fails, if ten attempts in a row fail, or if the node refuses.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let mut attempts = 0;
        let mut pause = PAUSE_MIN;
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.next = event.seq.saturating_add(1);
                return Ok(event);
            }
            let Err(error) = self.read_more().await else {
                attempts = 0;
                continue;
            };
            self.connection = None;
            attempts += 1;
            if !self.is_worth_another(&error) || attempts >= ATTEMPTS_MAX {
                return Err(error);
            }
            sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    const fn is_worth_another(&self, error: &ClientError) -> bool {
        match error {
            ClientError::Unreachable { .. }
            | ClientError::Broken { .. }
            | ClientError::Truncated { .. }
            | ClientError::Ended
            | ClientError::Silent { .. } => matches!(self.resumes, Resumes::Now),
            ClientError::Refused { status, .. } => {
                *status >= 500 && matches!(self.resumes, Resumes::Now)
            }
            ClientError::Url { .. }
            | ClientError::Token
            | ClientError::Trust { .. }
            | ClientError::TooLong { .. }
            | ClientError::Unreadable { .. }
            | ClientError::Stream => false,
        }
    }

    /// Connects if need be and reads one piece.
    async fn read_more(&mut self) -> Result<(), ClientError> {
        if self.connection.is_none() {
            let body = self.client.open_events(self.next).await?;
            self.connection = Some(Connection { body, parser: Parser::default() });
            self.resumes = Resumes::Now;
        }
        let connection = self.connection.as_mut().expect("connected just above");
        let frame = timeout(SILENCE_MAX, connection.body.frame())
            .await
            .map_err(|_elapsed| ClientError::Silent { within: SILENCE_MAX })?;
        let Some(frame) = frame else {
            return Err(ClientError::Ended);
        };
        let frame = frame.map_err(|source| ClientError::Truncated { source })?;
        let mut messages = Vec::new();
        if let Some(bytes) = frame.data_ref() {
            connection.parser.take(bytes, &mut messages).map_err(|_bad| ClientError::Stream)?;
        }
        for message in &messages {
            self.take(message)?;
        }
        Ok(())
    }

    fn take(&mut self, message: &Message) -> Result<(), ClientError> {
        const OK: u16 = 200;
        let unreadable = |source| ClientError::Unreadable { status: OK, source };
        if message.event == "error" {
            let body: ErrorBody = serde_json::from_str(&message.data).map_err(unreadable)?;
            let status = body.error.code.http_status();
            return Err(ClientError::Refused { status, error: body.error });
        }
        let event: Event = serde_json::from_str(&message.data).map_err(unreadable)?;
        let due = self.ready.back().map_or(self.next, |last| last.seq.saturating_add(1));
        // A node never repeats or goes back; if something between does, each event still comes once.
        if event.seq >= due {
            self.ready.push_back(event);
        }
        Ok(())
    }
}
