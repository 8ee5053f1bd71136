//! The audit log: one JSON line for every call that changes something, whoever made it and whatever became of it.
//!
//! A line is handed to the system before its answer leaves. It is not forced to the disk: what was done with money is in the
//! node's own log, durably; this file says who asked. If a line cannot be written, the next call that would change something is
//! refused before it begins, until writing works again: nothing is done unseen, but for that one call whose line was lost,
//! which the node's log tells of.
//!
//! The file is moved aside when it grows too large, and opened anew when the operator's own rotation asks for it.
//!
//! **Invariant:** no secret stands in a line: tokens by id, requests by key, amount and target.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use serde::Serialize;
use strait_api_types::ErrorCode;
use strait_primitives::Timestamp;
use thiserror::Error;

use crate::caller::Caller;
use crate::connections::Client;

/// Bytes after which the file is moved aside: some two hundred thousand calls.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What stands for the code of a call whose caller went away before its answer: what was begun goes on.
const CALLER_LEFT: &str = "CALLER_LEFT";

/// Files that were moved aside and are kept: `audit.log.1` is the newest.
const FILES_KEPT: u32 = 10;

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
    path: PathBuf,
    /// None after a failure.
    file: Option<File>,
    bytes: u64,
    bytes_max: u64,
}

/// One call.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// When it was answered.
    at_ms: u64,
    /// `root`, or the id of a token that was made.
    token_id: &'a str,
    /// The token's label.
    label: &'a str,
    /// Where the call came from; nothing if that is not known.
    client: Option<SocketAddr>,
    /// `POST` and the like.
    method: &'a str,
    /// The route, and not the path: ids are in `target`.
    route: &'a str,
    /// As the caller sent it.
    idempotency_key: Option<&'a str>,
    /// How much, as far as the call itself says.
    amount_msat: Option<u64>,
    /// A channel, contract, lock, peer, token or address.
    target: Option<&'a str>,
    /// `OK`, or the error's code.
    code: &'a str,
    /// The status of the answer.
    status: u16,
    /// From the call to its answer.
    duration_ms: u64,
}

/// A call under way. It leaves its line when it is answered; if its caller goes away before that, then.
pub(crate) struct Call {
    log: AuditLog,
    caller: Caller,
    begun: Timestamp,
    client: Option<SocketAddr>,
    method: Method,
    route: Option<MatchedPath>,
    key: Option<HeaderValue>,
    told: bool,
}

/// True if it is as long as a key may be.
fn is_a_key(key: &HeaderValue) -> bool {
    key.len() <= strait_api_types::IDEMPOTENCY_KEY_BYTES_MAX
}

impl Call {
    /// A call begins.
    pub(crate) fn new(log: AuditLog, caller: Caller, request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            begun: log.now(),
            log,
            caller,
            client: extensions.get::<Client>().map(|client| client.0),
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
        self.tell(refusal.map_or("OK", |code| code.as_str()), response.status().as_u16());
    }

    fn tell(&mut self, code: &str, status: u16) {
        self.told = true;
        let now = self.log.now();
        let (token, note) = (self.caller.token(), self.caller.noted());
        let id = token.map(|token| token.id.to_string());
        self.log.write(&Line {
            at_ms: now.to_unix_ms(),
            token_id: id.as_deref().unwrap_or("root"),
            label: token.map_or("", |token| token.label.as_str()),
            client: self.client,
            method: self.method.as_str(),
            route: self.route.as_ref().map_or("none", MatchedPath::as_str),
            idempotency_key: self.key.as_ref().and_then(|key| key.to_str().ok()),
            amount_msat: note.and_then(|note| note.amount_msat),
            target: note.map(|note| note.target.as_str()),
            code,
            status,
            duration_ms: now.since(self.begun).0,
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell(CALLER_LEFT, 0);
        }
    }
}

impl AuditLog {
    /// Opens the file at its end, mode 0600 if it is new.
    ///
    /// # Errors
    /// [`AuditError`] if the system refuses it.
    pub fn open(path: &Path, now: fn() -> Timestamp) -> Result<Self, AuditError> {
        Self::open_up_to(path, now, FILE_BYTES_MAX)
    }

    fn open_up_to(path: &Path, now: fn() -> Timestamp, bytes_max: u64) -> Result<Self, AuditError> {
        let failed = |source| AuditError { path: path.to_owned(), source };
        let (file, bytes) = append_to(path).map_err(failed)?;
        let state = State { path: path.to_owned(), file: Some(file), bytes, bytes_max };
        Ok(Self { now, state: Arc::new(Mutex::new(state)) })
    }

    /// Opens the file by its name, or by another: whoever rotates logs has moved it.
    ///
    /// # Errors
    /// [`AuditError`]; lines go where they went before then.
    pub fn reopen(&self, path: &Path) -> Result<(), AuditError> {
        let failed = |source| AuditError { path: path.to_owned(), source };
        let (file, bytes) = append_to(path).map_err(failed)?;
        let mut state = self.lock();
        (state.file, state.bytes, state.path) = (Some(file), bytes, path.to_owned());
        Ok(())
    }

    /// Makes sure that lines can be written, as far as that is known.
    pub(crate) fn ready(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.file.is_none() {
            state.open()?;
        }
        Ok(())
    }

    /// It is this time.
    fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Writes a line. A failure is the log's business and the next call's, not this one's: its work is done.
    fn write(&self, line: &Line<'_>) {
        let mut text = serde_json::to_vec(line).expect("a line has only strings and numbers");
        text.push(b'\n');
        let mut state = self.lock();
        let written = state.append(&text);
        if let Err(error) = written {
            tracing::error!(%error, path = %state.path.display(), route = line.route, "a line of the audit log is lost; calls that change something are refused until it can be written");
            state.file = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panicking holder leaves a file that is still one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&mut self) -> io::Result<()> {
        let (file, bytes) = append_to(&self.path)?;
        (self.file, self.bytes) = (Some(file), bytes);
        Ok(())
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(length) > self.bytes_max {
            self.file = None;
            self.rotate()?;
        }
        if self.file.is_none() {
            self.open()?;
        }
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        // One call of the system for each line: what a full disk cuts short ends in a line that is no JSON.
        file.write_all(text)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    /// Moves each file one place on, and the oldest out.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..FILES_KEPT).rev() {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            move_if_there(&from, &to)?;
        }
        move_if_there(&self.path, &numbered(&self.path, 1))
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("path", &self.lock().path).finish_non_exhaustive()
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn now() -> Timestamp {
        Timestamp::from_unix_ms(7)
    }

    fn line(key: &str) -> Line<'_> {
        Line {
            at_ms: 7,
            token_id: "root",
            label: "",
            client: None,
            method: "POST",
            route: "/v1/payments",
            idempotency_key: Some(key),
            amount_msat: Some(5),
            target: Some("c"),
            code: "OK",
            status: 200,
            duration_ms: 1,
        }
    }

    #[test]
    fn a_file_that_grows_is_moved_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let log = AuditLog::open_up_to(&path, now, 1).unwrap();
        for number in 0..14 {
            log.write(&line(&number.to_string()));
        }
        let key_in = |path: &Path| {
            let text = fs::read_to_string(path).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["idempotency_key"].as_str().unwrap().to_owned()
        };
        assert_eq!(key_in(&path), "13");
        assert_eq!(key_in(&numbered(&path, 1)), "12");
        assert_eq!(key_in(&numbered(&path, 10)), "3");
        assert!(!numbered(&path, 11).exists());
    }

    #[test]
    fn a_file_that_was_moved_is_made_anew_and_one_that_cannot_be_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let log = AuditLog::open(&path, now).unwrap();
        log.write(&line("a"));
        fs::rename(&path, folder.path().join("moved")).unwrap();
        log.reopen(&path).unwrap();
        log.write(&line("b"));
        assert!(fs::read_to_string(&path).unwrap().contains(r#""idempotency_key":"b""#));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(log.reopen(&path).is_err());
        log.lock().file = None;
        assert!(log.ready().is_err(), "nothing is taken up while nothing can be told");
        fs::remove_dir(&path).unwrap();
        log.ready().unwrap();
    }
}
