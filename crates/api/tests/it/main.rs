//! The interface over a real socket, spoken byte for byte, in front of a scripted node.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod audit;
mod events;
mod golden;
mod health;
mod http;
mod locks;
mod money;
mod rates;
mod reference;
mod refusals;
mod tls;
mod tokens;
