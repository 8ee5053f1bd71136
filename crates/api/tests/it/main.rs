//! The interface over a real socket, spoken byte for byte, in front of a scripted node.

mod events;
mod golden;
mod health;
mod http;
mod money;
mod refusals;
