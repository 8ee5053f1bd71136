//! One call that changes something: from its beginning, where a line is kept for it if it may not go without, to its answer,
//! where the line is written.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use strait_api_types::ErrorCode;
use strait_primitives::Timestamp;

use super::line::{CALLER_LEFT, DONE, Line};
use super::shares::{Kind, Sum};
use super::told::{End, Told};
use super::{AuditLog, State, token_name};
use crate::ApiError;
use crate::caller::Caller;
use crate::connections::Client;

/// A call under way. It leaves its line when it is answered; if its caller goes away before that, then.
pub(crate) struct Call {
    log: AuditLog,
    caller: Caller,
    begun: Timestamp,
    client: Option<Client>,
    method: Method,
    route: Option<MatchedPath>,
    key: Option<HeaderValue>,
    /// Of which share its line is, if it is done.
    kind: Kind,
    /// True once a line is kept for it.
    has_line: bool,
    told: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was done, or may have been.
    Done(End),
    /// Nothing was done.
    Refused,
}

/// What the audit log has to know of an answer.
pub(super) struct Outcome {
    /// What became of it.
    pub(super) fate: Fate,
    /// The error's code, or [`DONE`].
    code: &'static str,
    status: u16,
}

/// True if it is as long as a key may be.
fn is_a_key(key: &HeaderValue) -> bool {
    key.len() <= strait_api_types::IDEMPOTENCY_KEY_BYTES_MAX
}

/// What may have been done counts as done. A peer that is not reached when its address is given is dialled from then on.
const fn fate_of(code: ErrorCode) -> Fate {
    if matches!(code, ErrorCode::StillRunning | ErrorCode::Internal | ErrorCode::PeerUnreachable) {
        Fate::Done(End::Open)
    } else {
        Fate::Refused
    }
}

impl Call {
    /// A call begins.
    pub(crate) fn new(log: AuditLog, caller: Caller, request: &Request) -> Self {
        let extensions = request.extensions();
        let (method, route) = (request.method().clone(), extensions.get::<MatchedPath>().cloned());
        Self {
            begun: log.now(),
            log,
            caller,
            client: extensions.get::<Client>().copied(),
            kind: Kind::of(&method, route.as_ref().map(MatchedPath::as_str)),
            method,
            route,
            // One that is longer is refused, and would let its sender fill the file.
            key: request.headers().get("idempotency-key").cloned().filter(is_a_key),
            has_line: false,
            told: false,
        }
    }

    /// Makes sure that the call can be told if it is done: that lines can be written, and that one is kept for it if it may
    /// not go without.
    ///
    /// # Errors
    /// `AUDIT_UNAVAILABLE` or `RATE_LIMITED`; it must not begin then.
    pub(crate) fn begin(&mut self) -> Result<(), ApiError> {
        let (now, id) = (self.log.now(), self.caller.token().map(|token| token.id));
        let mut state = self.log.lock();
        state.done.ready().map_err(|error| cannot_be_written().with_cause(&error))?;
        if self.kind.is_always_told() {
            self.has_line = state.shares.takes_line(id, self.kind, now);
            if !self.has_line {
                return Err(no_line_left(self.kind.earned_every()));
            }
        }
        Ok(())
    }

    /// This answer is about to leave.
    pub(crate) fn answered(mut self, response: &Response) {
        let refusal = response.extensions().get::<ErrorCode>();
        let (fate, code) = refusal
            .map_or((Fate::Done(End::Certain), DONE), |code| (fate_of(*code), code.as_str()));
        self.tell(&Outcome { fate, code, status: response.status().as_u16() });
    }

    /// Of which share the line shall be. A call that is refused, or repeats one that was told, takes none of what it has kept.
    fn share(&self, state: &mut State, fate: Fate) -> Kind {
        let asked = self.caller.asked();
        let told = match fate {
            Fate::Done(end) => {
                let known = asked.zip(self.caller.noted());
                known.map_or(Told::New, |(key, note)| state.told.see(key, note, end))
            }
            Fate::Refused => {
                state.told.pass();
                return Kind::Refused;
            }
        };
        match told {
            Told::AsDone => Kind::Repeated,
            Told::AsOpen if !self.kind.is_always_told() => Kind::Repeated,
            Told::AsOpen | Told::New => self.kind,
        }
    }

    fn tell(&mut self, outcome: &Outcome) {
        self.told = true;
        let now = self.log.now();
        let (token, note) = (self.caller.token(), self.caller.noted());
        let (id, label) = token.map_or((None, ""), |token| (Some(token.id), token.label.as_str()));
        let sides = note.and_then(|note| note.sides_msat);
        let mut state = self.log.lock();
        state.tell_counted_if_due(now);
        let kind = self.share(&mut state, outcome.fate);
        let keeps = self.has_line && kind == self.kind;
        if self.has_line && !keeps {
            state.shares.returns_line(id, self.kind);
        }
        let has_line = keeps || state.shares.takes_line(id, kind, now);
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
            repeated: kind == Kind::Repeated,
        };
        if has_line {
            state.series(kind).write(&line);
        } else {
            state.shares.count((id, kind), Sum::of_one(kind, &line, now));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.told {
            self.tell(&Outcome { fate: Fate::Done(End::Open), code: CALLER_LEFT, status: 0 });
        }
    }
}

fn cannot_be_written() -> ApiError {
    ApiError::new(
        ErrorCode::AuditUnavailable,
        "the audit log cannot be written: nothing was done",
        "ask the operator to make room for it, then ask again with the same idempotency key",
    )
}

fn no_line_left(wait: Duration) -> ApiError {
    let refusal = ApiError::new(
        ErrorCode::RateLimited,
        "this token has called more of this than the audit log has lines for: nothing was done",
        "wait, then ask again with the same idempotency key; a token has a line of this kind now and then",
    );
    refusal.ask_again_after(wait)
}

#[cfg(test)]
mod tests;
