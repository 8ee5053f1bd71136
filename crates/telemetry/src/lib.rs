//! What an operator sees of a node: logs, metrics, health.
//!
//! The composition root starts [`Logs`], makes one [`Metrics`] and one [`Health`], and hands them to whoever has
//! something to tell. Serving them over HTTP is the business of the API; here they are plain data and text.
//!
//! **Invariant:** no key, preimage or contract secret is ever given to this crate, and every label has a bounded set
//! of values, so that no peer can fill a monitoring system.

mod health;
mod log_budget;
mod logs;
mod metrics;
mod spans;
mod traces;

pub use health::{Cause, Component, Health, Outcome, Standing, Verdict};
pub use logs::{LogError, LogFilter, LogFilterError, LogLevelHandle, Logs};
pub use metrics::{
    ApiRefusal, CallResult, ChainErrorKind, ChannelPhase, CloseStep, CommandName, DeadlineKind,
    Direction, EffectKind, ErrorKind, ForceCloseReason, FundingSpender, LabelFacts, LabelValues,
    LockPhase, LockReturn, MetricFacts, MetricKind, Metrics, NetTotals, OpeningStep, PolicyKind,
    PolicySite, Presence, Queue, SpanFate, WalletBalance,
};
pub use spans::{Sampler, TARGET, TraceParent, TraceParentError};
pub use traces::{Traces, TracesError, continue_trace};
