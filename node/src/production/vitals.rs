//! Metrics and health in the form that their server wants.

use std::sync::Arc;

use strait_api::{Cause, OnAnswer, Tls, Verdict, Vitals};
use strait_api_types::ErrorCode;
use strait_primitives::Timestamp;
use strait_telemetry::{ApiRefusal, Component, ErrorKind, Health, Metrics, Outcome};

use super::now;
use super::policies::Policies;

/// Joins both.
pub(super) fn of(
    metrics: &Arc<Metrics>,
    health: &Arc<Health>,
    policies: Policies,
    tls: Option<Tls>,
) -> Vitals {
    let (metrics, judged) = (Arc::clone(metrics), Arc::clone(health));
    let render = move || {
        policies.tell(&metrics);
        if let Some(tls) = &tls {
            metrics.set_tls_expiry(tls.expires());
        }
        metrics.set_health(&judged, now());
        metrics.render()
    };
    Vitals {
        metrics: Box::new(render),
        live: judge(health, Health::live),
        ready: judge(health, Health::ready),
        startup: judge(health, Health::startup),
    }
}

/// Counts requests over HTTP; those that the node itself failed are errors.
pub(super) fn on_answer(metrics: &Arc<Metrics>, health: &Arc<Health>) -> OnAnswer {
    let (metrics, health) = (Arc::clone(metrics), Arc::clone(health));
    OnAnswer::new(move |answered| {
        // What is refused, or has to wait, is answered as it should be.
        let outcome = if answered.status == 500 { Outcome::Failure } else { Outcome::Success };
        health.record(Component::Api, outcome, now());
        metrics.api_answered(answered.route, answered.method, answered.status);
        if let Some(reason) = answered.refusal.and_then(reason_of) {
            metrics.api_refused(reason);
        }
        if answered.status >= 500 {
            metrics.error(ErrorKind::Api);
        }
    })
}

/// Why the interface let a request go no further, if that is what it did.
const fn reason_of(code: ErrorCode) -> Option<ApiRefusal> {
    Some(match code {
        ErrorCode::Unauthorized => ApiRefusal::Unauthorized,
        ErrorCode::NotAllowed => ApiRefusal::Forbidden,
        ErrorCode::TokenExpired => ApiRefusal::Expired,
        ErrorCode::BudgetExceeded => ApiRefusal::Budget,
        ErrorCode::RateLimited => ApiRefusal::RateLimited,
        ErrorCode::BodyTooLarge => ApiRefusal::TooLarge,
        _ => return None,
    })
}

fn judge(
    health: &Arc<Health>,
    ask: fn(&Health, Timestamp) -> strait_telemetry::Verdict,
) -> Box<dyn Fn() -> Verdict + Send + Sync> {
    let health = Arc::clone(health);
    Box::new(move || {
        let verdict = ask(&health, now());
        let causes = verdict.causes().iter().map(|cause| Cause {
            component: cause.component.name().to_owned(),
            message: describe(cause),
        });
        let causes = causes.collect();
        if verdict.is_pass() { Verdict::Pass(causes) } else { Verdict::Fail(causes) }
    })
}

fn describe(cause: &strait_telemetry::Cause) -> String {
    let standing = cause.standing.name();
    match &cause.detail {
        Some(detail) => format!("{standing}: {detail}"),
        None => format!("{standing}: {} of {} attempts failed", cause.errors, cause.outcomes),
    }
}
