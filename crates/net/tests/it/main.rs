//! Two real services over loopback: what they promise each other and their consumers.

#![expect(clippy::indexing_slicing, reason = "tests")]

mod hostile;
mod pair;
mod peers;
mod streams;
