//! The engine from outside: two of them, with disks, a link and a chain without work; and strangers who say anything.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "test code: what fails here fails loudly"
)]

mod attacks;
mod contracts;
mod core_chain;
mod forwarding;
mod line;
mod lock_deadlines;
mod locks;
mod low_disk;
mod mass_close;
mod node;
mod openings;
mod payments;
mod peers;
mod requests;
mod world;
