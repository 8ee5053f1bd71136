//! Metrics of the policies that guard calls: what each decided, and where the breakers stand.

use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGaugeVec};
use strait_resilience::{BreakerState, Decision, Tally};

use super::Metrics;
use super::network::raise;
use super::registry::Registrar;

/// Where in the node a policy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicySite {
    /// Around questions to the chain backend.
    Chain,
    /// In front of the REST interface.
    Api,
    /// Around connections to peers.
    Peer,
}

/// A kind of policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Makes calls again.
    Retry,
    /// Stops calling what fails.
    Breaker,
    /// Limits what is under way.
    Bulkhead,
    /// Limits calls by time.
    RateLimit,
    /// Limits the time of a call.
    Timeout,
}

/// What policies decided.
#[derive(Debug)]
pub(super) struct PolicyMetrics {
    decisions: IntCounterVec,
    breakers: IntGaugeVec,
    /// Held while counters are brought up to their totals: two at once would raise them twice.
    raising: Mutex<()>,
}

impl PolicyMetrics {
    pub(super) fn register(r: &Registrar) -> Self {
        Self {
            decisions: r.counters_by(
                "strait_policy_decisions_total",
                "What policies decided about calls, by site, policy and decision.",
                &["site", "policy", "decision"],
            ),
            breakers: r.gauges_by(
                "strait_breaker_state",
                "Where a circuit breaker stands: 0 closed, 1 half-open, 2 open.",
                &["site"],
            ),
            raising: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Takes over what policies of one kind at one site have decided so far, all of them together.
    pub fn set_policy(&self, site: PolicySite, kind: PolicyKind, tallies: &[&Tally]) {
        let _raising = self.of_policies.raising.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = tallies.iter().map(|tally| tally.counts()).collect::<Vec<_>>();
        for decision in Decision::ALL {
            let labels = [site.value(), kind.value(), word(decision)];
            let total = counts.iter().map(|counts| counts.of(decision)).sum();
            raise(&self.of_policies.decisions.with_label_values(&labels), total);
        }
    }

    /// Tells where a breaker stands.
    pub fn set_breaker(&self, site: PolicySite, state: BreakerState) {
        let gauge = self.of_policies.breakers.with_label_values(&[site.value()]);
        gauge.set(match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
    }
}

impl PolicySite {
    const fn value(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Api => "api",
            Self::Peer => "peer",
        }
    }
}

impl PolicyKind {
    const fn value(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Breaker => "breaker",
            Self::Bulkhead => "bulkhead",
            Self::RateLimit => "rate_limit",
            Self::Timeout => "timeout",
        }
    }
}

const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Admitted => "admitted",
        Decision::Refused => "refused",
        Decision::Retried => "retried",
        Decision::GaveUp => "gave_up",
        Decision::TimedOut => "timed_out",
    }
}
