//! Limits of the interface: what a request may carry at most.

/// Payments in one request: as many as one round of the protocol takes (protocol, section 6).
pub const PAYMENTS_MAX: usize = 4_096;

/// Bytes of UTF-8 in a payment's reference: 4,096 of them stay far below a round's 512 KiB.
pub const REFERENCE_BYTES_MAX: usize = 64;

/// Actions on a contract in one request.
pub const ACTIONS_MAX: usize = 1_024;

/// Bytes of one contract action, before hex.
pub const ACTION_BYTES_MAX: usize = 64 * 1_024;

/// Bytes of a contract's parameters, before hex.
pub const PARAMS_BYTES_MAX: usize = 64 * 1_024;

/// Bytes of a WebAssembly module.
pub const MODULE_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Bytes of a JSON body, except where a larger limit is named here.
pub const BODY_BYTES_MAX: usize = 1_024 * 1_024;

/// Bytes of a batch of payments: [`PAYMENTS_MAX`] of them with references written wholly in `\u` escapes.
pub const PAYMENTS_BODY_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Events in one JSON page, at most.
pub const EVENT_PAGE_MAX: u32 = 1_000;

/// Events in one JSON page when the request names no limit.
pub const EVENT_PAGE_DEFAULT: u32 = 100;

/// Stops on a lock's way beyond the peer (protocol, section 12).
pub const LOCK_HOPS_MAX: usize = 20;

/// Locks in one page, at most.
pub const LOCK_PAGE_MAX: u32 = 1_000;

/// Locks in one page when the request names no limit.
pub const LOCK_PAGE_DEFAULT: u32 = 100;
