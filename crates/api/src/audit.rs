//! The audit log: who made which call that changes something, and what became of it, one JSON line for each.
//!
//! Calls that were done, or may have been, stand in one file; those that were refused in another beside it, so that nothing
//! that is refused ever pushes out what was done. A token writes so many lines into each and no more ([`shares`]): what it
//! calls beyond that is counted, and told in one line a minute. So no holder of a token empties the log of what
//! others did.
//!
//! A line is handed to the system before its answer leaves. It is not forced to the disk: what was done with money is in the
//! node's own log, durably; this file says who asked. If a line cannot be written, the next call that would change something is
//! refused before it begins, until writing works again: nothing is done unseen, but for that one call whose line was lost,
//! which the node's log tells of.
//!
//! **Invariant:** no secret stands in a line: tokens by id, requests by key, amount and target. A line has a bounded length.

mod line;
mod series;
mod shares;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use strait_api_types::ErrorCode;
use strait_primitives::{Timestamp, TokenId};
use thiserror::Error;

use self::line::{CALLER_LEFT, DONE, Line, SumLine};
use self::series::Series;
use self::shares::{Fate, Shares, Sum};
use crate::caller::Caller;
use crate::connections::Client;

/// Bytes of a file of what was done before it is moved aside: some two hundred thousand calls.
const DONE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Such files that were moved aside and are kept.
const DONE_FILES_KEPT: u32 = 10;
/// Bytes of a file of what was refused.
const REFUSED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Such files that were moved aside and are kept.
const REFUSED_FILES_KEPT: u32 = 2;

/// Why there is no audit log.
#[derive(Debug, Error)]
#[error("the audit log {} cannot be opened", path.display())]
pub struct AuditError {
    /// Which file.
    path: PathBuf,
    /// What the system said.
    #[source]
    source: io::Error,
}

/// Where calls are told.
#[derive(Clone)]
pub struct AuditLog {
    now: fn() -> Timestamp,
    state: Arc<Mutex<State>>,
}

struct State {
    done: Series,
    refused: Series,
    shares: Shares,
}

/// A call under way. It leaves its line when it is answered; if its caller goes away before that, then.
pub(crate) struct Call {
    log: AuditLog,
    caller: Caller,
    begun: Timestamp,
    client: Option<Client>,
    method: Method,
    route: Option<MatchedPath>,
    key: Option<HeaderValue>,
    told: bool,
}

/// What the audit log has to know of an answer.
struct Outcome {
    fate: Fate,
    code: &'static str,
    status: u16,
}

/// True if it is as long as a key may be.
fn is_a_key(key: &HeaderValue) -> bool {
    key.len() <= strait_api_types::IDEMPOTENCY_KEY_BYTES_MAX
}

/// What may have been done counts as done.
const fn fate_of(code: ErrorCode) -> Fate {
    if matches!(code, ErrorCode::StillRunning | ErrorCode::Internal) {
        Fate::Done
    } else {
        Fate::Refused
    }
}

impl Call {
    /// A call begins.
    pub(crate) fn new(log: AuditLog, caller: Caller, request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            begun: log.now(),
            log,
            caller,
            client: extensions.get::<Client>().copied(),
            method: request.method().clone(),
            route: extensions.get::<MatchedPath>().cloned(),
            // One that is longer is refused, and would let its sender fill the file.
            key: request.headers().get("idempotency-key").cloned().filter(is_a_key),
            told: false,
        }
    }

    /// This answer is about to leave.
    pub(crate) fn answered(mut self, response: &Response) {
        let refusal = response.extensions().get::<ErrorCode>();
        let (fate, code) =
            refusal.map_or((Fate::Done, DONE), |code| (fate_of(*code), code.as_str()));
        self.tell(&Outcome { fate, code, status: response.status().as_u16() });
    }

    fn tell(&mut self, outcome: &Outcome) {
        self.told = true;
        let now = self.log.now();
        let (token, note) = (self.caller.token(), self.caller.noted());
        let (id, label) = token.map_or((None, ""), |token| (Some(token.id), token.label.as_str()));
        let sides = note.and_then(|note| note.sides_msat);
        let line = Line {
            at_ms: now.to_unix_ms(),
            token_id: &token_name(id),
            label,
            client: self.client.map(|client| client.0),
            method: self.method.as_str(),
            route: self.route.as_ref().map_or("none", MatchedPath::as_str),
            idempotency_key: self.key.as_ref().and_then(|key| key.to_str().ok()),
            amount_msat: note.and_then(|note| note.amount_msat),
            channel_opener_msat: sides.map(|(opener, _)| opener),
            channel_acceptor_msat: sides.map(|(_, acceptor)| acceptor),
            target: note.map(|note| note.target.as_str()),
            code: outcome.code,
            status: outcome.status,
            duration_ms: now.since(self.begun).0,
        };
        self.log.lock().tell(now, id, outcome, &line);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell(&Outcome { fate: Fate::Done, code: CALLER_LEFT, status: 0 });
        }
    }
}

fn token_name(id: Option<TokenId>) -> String {
    id.map_or_else(|| "root".to_owned(), |id| id.to_string())
}

impl AuditLog {
    /// Opens the files at their ends, mode 0600 where they are new. What was refused goes into one whose name ends in
    /// `.refused`.
    ///
    /// # Errors
    /// [`AuditError`] if the system refuses one.
    pub fn open(path: &Path, now: fn() -> Timestamp) -> Result<Self, AuditError> {
        Self::open_up_to(path, now, DONE_BYTES_MAX)
    }

    fn open_up_to(path: &Path, now: fn() -> Timestamp, bytes_max: u64) -> Result<Self, AuditError> {
        let refused = refused_of(path);
        let state = State {
            done: Series::open(path, bytes_max, DONE_FILES_KEPT)
                .map_err(|source| AuditError { path: path.to_owned(), source })?,
            refused: Series::open(&refused, REFUSED_BYTES_MAX, REFUSED_FILES_KEPT)
                .map_err(|source| AuditError { path: refused, source })?,
            shares: Shares::new(now()),
        };
        Ok(Self { now, state: Arc::new(Mutex::new(state)) })
    }

    /// Opens the files by their names, or by others: whoever rotates logs has moved them.
    ///
    /// # Errors
    /// [`AuditError`]; lines go where they went before then.
    pub fn reopen(&self, path: &Path) -> Result<(), AuditError> {
        let refused_path = refused_of(path);
        let mut state = self.lock();
        let done = state.done.at(path);
        let done = done.map_err(|source| AuditError { path: path.to_owned(), source })?;
        let refused = state.refused.at(&refused_path);
        let refused = refused.map_err(|source| AuditError { path: refused_path, source })?;
        (state.done, state.refused) = (done, refused);
        Ok(())
    }

    /// Writes what was counted and not told yet.
    pub(crate) fn tell_counted(&self) {
        let now = self.now();
        self.lock().tell_counted(now);
    }

    /// Makes sure that lines can be written, as far as that is known.
    pub(crate) fn ready(&self) -> io::Result<()> {
        self.lock().done.ready()
    }

    /// It is this time.
    fn now(&self) -> Timestamp {
        (self.now)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panicking holder leaves files that are still some.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, now: Timestamp, token: Option<TokenId>, outcome: &Outcome, line: &Line<'_>) {
        if self.shares.is_time_to_tell(now) {
            self.tell_counted(now);
        }
        if self.shares.takes_line(token, outcome.fate, now) {
            self.series(outcome.fate).write(line);
        } else {
            let done = line.amount_msat.filter(|_| outcome.code == DONE);
            let what = Sum::of_one(line.label, outcome.code, done, now);
            self.shares.count(token, outcome.fate, what);
        }
    }

    fn tell_counted(&mut self, now: Timestamp) {
        for (token, fate, sum) in self.shares.take_counted(now) {
            self.series(fate).write(&SumLine {
                at_ms: now.to_unix_ms(),
                token_id: &token_name(token),
                label: &sum.label,
                from_ms: sum.from.to_unix_ms(),
                calls: sum.calls,
                codes: &sum.codes,
                amount_msat: sum.amount_msat,
            });
        }
    }

    const fn series(&mut self, fate: Fate) -> &mut Series {
        match fate {
            Fate::Done => &mut self.done,
            Fate::Refused => &mut self.refused,
        }
    }
}

/// Where what was refused goes: beside the file, or to the same device.
fn refused_of(path: &Path) -> PathBuf {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".refused");
    PathBuf::from(name)
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("path", &self.lock().done.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
