//! The channel machine from outside: two of them, with disks, links and real keys.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "test code: what fails here fails loudly"
)]

mod closing;
mod contracts;
mod histories;
mod hostile;
mod node;
mod opening;
mod pair;
mod recovery;
mod reestablish;
mod rounds;
mod waiting;
