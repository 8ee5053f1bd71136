//! Every bound of this crate, with its reason.

/// Calls that a breaker looks back on at most: one bit each, in half a word.
pub const BREAKER_CALLS_MAX: u8 = 32;
/// Probes of a half-open breaker at most: six bits count them.
pub const PROBES_MAX: u8 = 32;
/// The highest rate but none at all: a token is earned in a whole number of nanoseconds, here exact to a thousandth.
pub const RATE_PER_SECOND_MAX: u32 = 1_000_000;

/// Threads that count without sharing a cell; those beyond share one. As many as a word has bits.
pub(crate) const SEATS: usize = 64;
/// Places in a set of the clients' table: as many as fit into two cache lines.
pub(crate) const WAYS: usize = 8;

const _: () = assert!(BREAKER_CALLS_MAX == 32, "the bits of a u32");
const _: () = assert!(PROBES_MAX < 64);
