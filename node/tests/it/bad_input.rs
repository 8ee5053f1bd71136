//! What people, peers, disks and other processes do wrong to a node: each time it says what is wrong, keeps what it had,
//! and goes on or can be started again.

#![expect(clippy::indexing_slicing, reason = "a test that looks where nothing is has failed")]

mod flood;
mod folder;
mod full_disk;
mod low_disk;
mod modules;
mod requests;
mod stranger;
