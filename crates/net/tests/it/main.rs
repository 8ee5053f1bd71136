//! Two real services over loopback: what they promise each other and their consumers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails where it stands")]

mod hostile;
mod pair;
mod peers;
mod streams;
