//! `kill -9` on nodes at work: whatever moment it hits, both sides agree afterwards and no money is lost or made.

#![expect(clippy::indexing_slicing, reason = "a test that looks where nothing is has failed")]
#![expect(clippy::print_stdout, reason = "a failed run is repeated from the seed it printed")]

mod dice;
mod harness;
mod opening;
mod payments;
mod steps;
mod work;
