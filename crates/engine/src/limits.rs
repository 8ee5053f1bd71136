//! The engine's bounds, with unit and reason.

use strait_primitives::{Millis, Sats};

/// Requests that are remembered whatever their age; beyond them the oldest is forgotten first. 40 to 100 bytes each in a
/// snapshot. Part of the fold, so a constant: a node that replays must forget what it forgot.
pub(crate) const REQUESTS_KEPT: usize = 1 << 18;
/// No outcome younger than this is forgotten, however many there are: ten times what the interface lets a caller wait.
/// Part of the fold.
pub(crate) const KEPT_AT_LEAST: Millis = Millis(600_000);
/// Requests known or waiting: with more no new key is taken. At a snapshot's 40 to 60 bytes each where that many come
/// within [`KEPT_AT_LEAST`], some 60 MB.
pub(crate) const REQUESTS_MAX: usize = 1 << 20;
/// Time between two that are told to the log, while there is something that ages.
pub(crate) const CLOCK_EVERY: Millis = Millis(60_000);
/// Recent blocks kept, to find the fork of a reorganisation: two days.
pub(crate) const RECENT_BLOCKS: usize = 288;
/// Coins one opening or payment may spend, so that its transaction stays well below what nodes relay.
pub(crate) const INPUTS_MAX: usize = 100;
/// The smallest channel this node asks for; peers that follow the protocol accept no smaller one.
pub(crate) const CAPACITY_MIN: Sats = Sats::from_const(20_000);

const _: () = assert!(REQUESTS_KEPT < REQUESTS_MAX);
