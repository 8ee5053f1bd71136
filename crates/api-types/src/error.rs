//! Errors as the interface shows them, and the one table from codes to HTTP statuses.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorDetail {
    /// Names the failure for programs; stable across versions.
    pub code: ErrorCode,
    /// What was wrong, for people.
    pub message: String,
    /// What would be right, or what to do next.
    pub hint: String,
}

/// Defines the codes with their text and HTTP status in one place, so neither can be forgotten. The text is a `tt`: the
/// derived schema does not see into a `literal`.
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:tt, $status:literal;)+) => {
        /// Names a failure for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
            /// A code this version does not know; never sent.
            #[serde(other, rename = "UNKNOWN")]
            Unknown,
        }

        impl ErrorCode {
            /// Every code a node sends, in the order of this table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as the interface spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Unknown => "UNKNOWN",
                }
            }

            /// The HTTP status that goes with the code.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                    Self::Unknown => 500,
                }
            }

            /// What the code means, in a sentence or two, for people.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                    Self::Unknown => "A code this version does not know; never sent.",
                }
            }
        }
    };
}

error_codes! {
    // The request itself is at fault: correct it before asking again.
    /// The body is not JSON, or not JSON of this request's shape.
    MalformedBody = "MALFORMED_BODY", 400;
    /// A field, path segment, query parameter or header has a value that is not allowed.
    InvalidField = "INVALID_FIELD", 400;
    /// The bearer token is missing or wrong.
    Unauthorized = "UNAUTHORIZED", 401;
    /// The bearer token was good once and has expired.
    TokenExpired = "TOKEN_EXPIRED", 401;
    /// The operator's settings or the token's scope do not permit it.
    NotAllowed = "NOT_ALLOWED", 403;
    /// The token may not spend so much, in all or at a time.
    BudgetExceeded = "BUDGET_EXCEEDED", 403;
    /// There is no such endpoint.
    EndpointNotFound = "ENDPOINT_NOT_FOUND", 404;
    /// There is no channel with this id.
    ChannelNotFound = "CHANNEL_NOT_FOUND", 404;
    /// There is no contract with this id.
    ContractNotFound = "CONTRACT_NOT_FOUND", 404;
    /// The node holds no module with this hash.
    ModuleNotFound = "MODULE_NOT_FOUND", 404;
    /// There is no token with this id: it was revoked, or the node was restored since.
    TokenNotFound = "TOKEN_NOT_FOUND", 404;
    /// There is no lock with this name, or it has long been over.
    LockNotFound = "LOCK_NOT_FOUND", 404;
    /// The endpoint exists, but not with this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405;
    /// The client accepts none of the forms this endpoint has.
    NotAcceptable = "NOT_ACCEPTABLE", 406;
    /// The body did not arrive in time.
    RequestTimeout = "REQUEST_TIMEOUT", 408;
    /// A lock was offered under this key, and has been over for so long that only the events tell how it ended.
    LockForgotten = "LOCK_FORGOTTEN", 410;
    /// Events from that place on were removed; the hint names the first that is there.
    EventsGone = "EVENTS_GONE", 410;
    /// The body is larger than the endpoint takes.
    BodyTooLarge = "BODY_TOO_LARGE", 413;
    /// The body's content type is not the endpoint's.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415;
    /// The idempotency key was used before with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", 422;
    /// The module is not one this node can run; the message says why.
    ModuleRefused = "MODULE_REFUSED", 422;
    /// The contract's module refused the parameters or an action.
    ContractRefused = "CONTRACT_REFUSED", 422;
    /// The preimage is not that of the lock's hash.
    WrongPreimage = "WRONG_PREIMAGE", 422;
    /// The request moves money and carries no idempotency key.
    IdempotencyKeyMissing = "IDEMPOTENCY_KEY_MISSING", 428;

    // The request is well formed, but the node's state does not permit it now.
    /// The channel's balance, less its reserve, is smaller than what was asked.
    InsufficientBalance = "INSUFFICIENT_BALANCE", 409;
    /// The wallet's spendable coins are fewer than what was asked.
    InsufficientFunds = "INSUFFICIENT_FUNDS", 409;
    /// The coins set aside for closing channels would no longer suffice.
    FeeReserveTooLow = "FEE_RESERVE_TOO_LOW", 409;
    /// The channel is in a phase that does not permit this.
    ChannelNotReady = "CHANNEL_NOT_READY", 409;
    /// The contract is in a phase that does not permit this.
    ContractNotReady = "CONTRACT_NOT_READY", 409;
    /// The lock's expiry is too near or too far at the chain's height now; the message names what is allowed.
    ExpiryOutOfRange = "EXPIRY_OUT_OF_RANGE", 409;
    /// The lock is not held for this node's user: it is not for this node, or it was claimed or given back.
    LockNotHeld = "LOCK_NOT_HELD", 409;
    /// The peer declined.
    PeerRefused = "PEER_REFUSED", 409;
    /// A limit of the node is reached (channels, peers, contracts).
    LimitReached = "LIMIT_REACHED", 409;
    /// A queue is full: ask again a little later, with the same idempotency key.
    Busy = "BUSY", 429;
    /// This client asks too much, or too much of what is refused: the header `Retry-After` says when to ask again.
    RateLimited = "RATE_LIMITED", 429;

    // The node or something it needs is at fault.
    /// The node failed, and the cause is in its log; what became of the request only asking again tells.
    Internal = "INTERNAL", 500;
    /// The peer cannot be reached.
    PeerUnreachable = "PEER_UNREACHABLE", 503;
    /// The chain's source cannot be reached or is not usable.
    ChainUnavailable = "CHAIN_UNAVAILABLE", 503;
    /// The node's disk is nearly full, and nothing new is begun; the message says how much room is wanted.
    DiskLow = "DISK_LOW", 503;
    /// The audit log cannot be written: nothing is changed that nobody could trace.
    AuditUnavailable = "AUDIT_UNAVAILABLE", 503;
    /// The node restores a backup and signs nothing new.
    Quarantined = "QUARANTINED", 503;
    /// The node is starting or stopping: ask again when it runs, with the same idempotency key.
    NotReady = "NOT_READY", 503;
    /// The answer is not known yet, and the work goes on, if need be after a restart: ask again with the same
    /// idempotency key.
    StillRunning = "STILL_RUNNING", 504;
}

impl ErrorCode {
    /// Whether a failure with this code says that the intention behind the request will not come about. The others
    /// speak of this one asking alone (the node was busy, stopping, too slow, or newer than this table): an asking with
    /// the same idempotency key before it may have been heard, and only asking again tells; of a lock that is forgotten, the events.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Busy
                | Self::RateLimited
                | Self::NotReady
                | Self::StillRunning
                | Self::Internal
                | Self::RequestTimeout
                | Self::LockForgotten
                | Self::Unknown
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_error_status_and_reads_back_as_itself() {
        for code in ErrorCode::ALL {
            assert!((400..600).contains(&code.http_status()), "{code}");
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
        }
    }

    #[test]
    fn a_code_of_a_newer_node_reads_as_unknown() {
        assert_eq!(
            serde_json::from_str::<ErrorCode>("\"OUT_OF_CHEESE\"").unwrap(),
            ErrorCode::Unknown
        );
    }
}
