//! The policies as `tower` layers: each holds its policy and asks it around every call.
//!
//! A layer takes whatever leads to its policy: an `Arc` of it, or a `&'static` to one that lives as long as the process,
//! which saves the counting of references. Cloning the layer or the service shares the policy. No service waits to become
//! ready: whoever would have to wait is refused at once.

mod breaker;
mod bulkhead;
mod rate;
mod refusable;
mod retry;
mod timeout;

pub use self::breaker::{BreakerLayer, BreakerService};
pub use self::bulkhead::{BulkheadLayer, BulkheadService};
pub use self::rate::{RateLimitLayer, RateLimitService};
pub use self::retry::{RetryLayer, RetryService};
pub use self::timeout::{TimeoutLayer, TimeoutService};
