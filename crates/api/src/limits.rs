//! Every bound of this crate, with its reason.

use std::time::Duration;

/// How long a caller waits for an answer unless told otherwise.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long a connection may take to send a request's head, and may stay idle between two: a stranger holds a place no
/// longer than this, and our own client gives idle connections up before.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head, and of what is read of a body at a time: a long query and a long token fit thrice.
pub(crate) const HEAD_BYTES_MAX: usize = 32 * 1_024;
/// Headers of a request: a caller behind two proxies sends some twenty.
pub(crate) const HEADERS_MAX: usize = 64;
/// How long requests may go on after a stop; what the node was asked goes on regardless.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// How long callers wait for answers after a stop: so much less that they are told before their connections end.
pub(crate) const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(8);
/// Connections of `/v1` at a time. Each has one request at a time.
pub(crate) const CONNECTIONS_MAX: u32 = 1_024;
/// Callers who may wait for work at a time: payments, contracts, openings, dials, modules.
pub(crate) const CALLERS_MAX: usize = 640;
/// Questions, and closings of channels, at a time: no work takes their room.
pub(crate) const QUESTIONS_MAX: usize = 256;
/// Event streams at a time.
pub(crate) const STREAMS_MAX: usize = 128;
/// Requests a second that the operator's own token has whatever is set, so that a rate which is too small can be raised.
pub(crate) const ROOT_PER_SECOND_MIN: u32 = 100;
/// As many at once.
pub(crate) const ROOT_BURST_MIN: u32 = 100;
/// How often a stream of events asks whether its token is still good while nothing happens; before each event it asks anyway.
pub(crate) const TOKEN_LOOK: Duration = Duration::from_secs(1);
/// How often the audit log tells what it counted while nobody calls.
pub(crate) const AUDIT_TELL_EVERY: Duration = Duration::from_secs(60);
/// Requests that may wait for their answers after their callers left, a few hundred bytes each.
pub(crate) const WAITING_MAX: usize = 4_096;

const _: () = assert!(CALLERS_MAX + QUESTIONS_MAX + STREAMS_MAX <= 1_024, "as CONNECTIONS_MAX");
const _: () = assert!(CALLERS_MAX + QUESTIONS_MAX < WAITING_MAX, "every caller finds room");
const _: () = assert!(LAST_ANSWERS_WITHIN.as_secs() < DRAIN_WITHIN.as_secs());
