//! Metrics of the policies that guard calls: what each decided, and where the breakers stand.

use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGaugeVec};
use strait_resilience::{BreakerState, Decision, Tally};

use super::Metrics;
use super::facts::LabelFacts;
use super::labels::{Label, labels};
use super::network::raise;
use super::registry::{Bounded, Registrar};

labels! {
    /// Where in the node a policy stands.
    PolicySite, "site" {
        /// Around questions to the chain backend.
        Chain = "chain",
        /// In front of the REST interface.
        Api = "api",
        /// Around connections to peers.
        Peer = "peer",
    }
}

labels! {
    /// A kind of policy.
    PolicyKind, "policy" {
        /// Makes calls again.
        Retry = "retry",
        /// Stops calling what fails.
        Breaker = "breaker",
        /// Limits what is under way.
        Bulkhead = "bulkhead",
        /// Limits calls by time.
        RateLimit = "rate_limit",
        /// Limits the time of a call.
        Timeout = "timeout",
    }
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
    /// Registers them.
    pub(super) fn register(r: &Registrar) -> Self {
        r.about("Requests");
        Self {
            decisions: r.counters_by(
                "strait_policy_decisions_total",
                "What the policies around calls decided. Of the API, rate_limit counts requests with a token and bad ones, bulkhead the rooms for questions, work and event streams. Of peers, retry counts those that are to be dialled and, as retried, dials and links that came to nothing; rate_limit connections that hosts begin and frames of peers, where refused is a connection turned away or a pause in reading; bulkhead handshakes of others and dials of this node, where refused is one turned away or a dial that waits.",
                Bounded {
                    labels: vec![
                        LabelFacts::of::<PolicySite>(),
                        LabelFacts::of::<PolicyKind>(),
                        LabelFacts::of::<Decision>(),
                    ],
                    appears: "for policies that the node has",
                },
            ),
            breakers: r.gauges_by(
                "strait_breaker_state",
                "Where a circuit breaker stands: 0 closed, 1 half-open, 2 open. An open one means that what it guards failed too often and is left alone for a while.",
                Bounded {
                    labels: vec![LabelFacts::of::<PolicySite>()],
                    appears: "for breakers that the node has",
                },
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
        for &decision in <Decision as Label>::ALL {
            let labels = [site.value(), kind.value(), decision.value()];
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

impl Label for Decision {
    const NAME: &'static str = "decision";
    const ALL: &'static [Self] = &Self::ALL;

    fn value(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused => "refused",
            Self::Retried => "retried",
            Self::GaveUp => "gave_up",
            Self::TimedOut => "timed_out",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Admitted => "The call may be made.",
            Self::Refused => "It may not.",
            Self::Retried => "It failed and is made again.",
            Self::GaveUp => "It failed for the last time, and might have worked later.",
            Self::TimedOut => "It did not end in time.",
        }
    }
}
