//! The typed client of the REST interface: one method for each endpoint of `/v1`, and the event stream.
//!
//! The command line, the demo and the load tests use it; so may any program. A [`Client`] is cheap to clone, keeps its
//! connections alive and is used from many tasks at once. HTTP/1.1, with TLS for a node whose authority
//! is named ([`Trust`]).
//!
//! A method that moves money takes an [`IdempotencyKey`] that the caller made **before** the first attempt. After
//! an error, [`ClientError::outcome`] says what became of the request; where that is unknown, ask again with the same key.
//!
//! **Invariant:** nothing here retries a request that moves money, invents a key or reads a file.

mod client;
mod endpoints;
mod error;
mod events;
mod key;
mod locks;
mod sse;
mod tokens;
mod trust;

pub use client::Client;
pub use error::{ClientError, Outcome};
pub use events::EventStream;
pub use key::IdempotencyKey;
pub use locks::LockFilter;
pub use trust::Trust;
