//! The records of the log, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod channel_events;
mod compacted;
mod golden;
mod node_events;
mod watch_events;
