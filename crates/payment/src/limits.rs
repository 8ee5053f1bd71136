//! The machine's bounds, with unit and reason.

/// Locks that are over and still shown: some 200 bytes each. Part of the fold, so a constant.
pub(crate) const ENDED_LOCKS_MAX: usize = 1_000;
/// Millionths in a whole.
pub(crate) const MILLION: u64 = 1_000_000;
