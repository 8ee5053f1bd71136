//! What keeps a call to something unreliable from hurting its caller: retry, circuit breaker, bulkhead, rate limit, timeout.
//!
//! The chain backend, the REST interface and the peers' network call in here. Each policy comes twice: as a core that a
//! blocking caller asks and tells by hand, and as a `tower` layer around a service. Both share one policy, and so its
//! settings, its state and its counts.
//!
//! Laws of this crate:
//! - settings are one atomic word each: whoever holds the policy tunes it while it runs, and a call reads them without a lock;
//! - a call costs at most one atomic read-modify-write in each policy, counting included, as long as all is well;
//! - every decision is counted, in a [`Tally`] that costs no read-modify-write at all;
//! - what was taken is given back however a call ends: answered, failed, panicked or abandoned;
//! - nothing reads the time but a [`Clock`] that the caller chose. Only waiting itself is tokio's.
//!
//! A stack has, from the outside in: rate limit, bulkhead, retry, breaker, timeout. The breaker stands around the timeout,
//! because it cannot see one around itself; retry stands around the breaker, so that each attempt asks it again.
//!
//! **Invariant:** nothing here knows what is called, logs, or opens a socket or file. Decision: ADR-0014.

mod breaker;
mod bulkhead;
mod class;
mod clock;
mod limits;
mod rate;
mod refusal;
mod retry;
mod seat;
mod tally;
mod timeout;
mod tower;

pub use breaker::{Breaker, BreakerSettings, BreakerState, Pass};
pub use bulkhead::{Bulkhead, Permit};
pub use class::{Class, Classify};
pub use clock::{Clock, CoarseClock, Moment, SteppedClock};
pub use limits::{BREAKER_CALLS_MAX, PROBES_MAX, RATE_PER_SECOND_MAX};
pub use rate::{Bucket, ClientLimit, ClientSlots, Rate, RateLimit, RateSettings};
pub use refusal::Refusal;
pub use retry::{Attempts, Backoff, Retry, RetrySettings};
pub use tally::{Counts, Decision, Tally};
pub use timeout::Timeout;
pub use tower::{
    BreakerLayer, BreakerService, BulkheadLayer, BulkheadService, RateLimitLayer, RateLimitService,
    RetryLayer, RetryService, TimeoutLayer, TimeoutService,
};
