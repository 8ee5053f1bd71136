//! The binary as operators run it: separate processes, real sockets, real disks.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod backup_script;
mod bad_input;
mod book;
mod chain_faults;
mod demo;
mod devnet;
mod health;
mod history;
mod kill;
mod locks;
mod metrics;
mod nodes;
mod processes;
mod real_chain;
mod reload;
mod secrets;
mod seed;
mod settings_page;
mod shipped;
mod starting;
mod tls;
mod tokens;
#[cfg(feature = "otel")]
mod traces;
mod world;
