//! Histories of parts, and what probes are told of them.

use strait_primitives::Millis;

use super::*;

const NOON: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn running() -> Health {
    let health = Health::new();
    Component::ALL.iter().for_each(|component| health.started(*component));
    health
}

fn standing(health: &Health, now: Timestamp) -> Standing {
    let overview = health.overview(now);
    overview.iter().find(|cause| cause.component == Component::Chain).unwrap().standing
}

fn check(errors: u64, outcomes: u64, expect: Standing) {
    let health = running();
    for number in 0..outcomes {
        let outcome = if number < errors { Outcome::Failure } else { Outcome::Success };
        health.record(Component::Chain, outcome, NOON);
    }
    assert_eq!(standing(&health, NOON), expect, "{errors} of {outcomes}");
}

#[test]
fn the_share_of_errors_decides_the_standing() {
    check(0, 0, Standing::Healthy);
    check(4, 100, Standing::Healthy);
    check(49, 1_000, Standing::Healthy);
    check(5, 100, Standing::Degraded);
    check(10, 100, Standing::Degraded);
    check(101, 1_000, Standing::Unhealthy);
    check(100, 100, Standing::Unhealthy);
    // Too few outcomes to condemn a part.
    check(1, 1, Standing::Degraded);
    check(9, 9, Standing::Degraded);
    check(10, 10, Standing::Unhealthy);
}

#[test]
fn what_waits_for_the_operator_degrades_a_part_and_fails_no_probe() {
    let (health, now) = (running(), Timestamp::from_unix_ms(1_000_000));
    health.concerns(Component::Store, Some("two channels wait".to_owned()));
    let ready = health.ready(now);
    assert!(ready.is_pass());
    let told = ready.causes().iter().find(|cause| cause.component == Component::Store).unwrap();
    assert_eq!(told.standing, Standing::Degraded);
    assert_eq!(told.detail.as_deref(), Some("two channels wait"));
    health.concerns(Component::Store, None);
    assert!(health.ready(now).causes().is_empty());
}

#[test]
fn errors_leave_with_their_window() {
    let health = running();
    for _ in 0..20 {
        health.record_failure(Component::Chain, NOON, "connection refused");
    }
    let later = |ms| NOON.after(Millis(ms));
    assert_eq!(standing(&health, later(54_000)), Standing::Unhealthy);
    assert_eq!(standing(&health, later(60_000)), Standing::Healthy);
}

#[test]
fn a_part_that_must_keep_up_is_judged_by_its_last_sign_of_life_however_few_outcomes() {
    let health = running();
    let later = |ms| NOON.after(Millis(ms));
    health.keeps_up(Component::Chain, NOON, later(30_000));
    assert_eq!(standing(&health, later(30_000)), Standing::Healthy);
    // Nothing at all is no good news.
    assert_eq!(standing(&health, later(30_001)), Standing::Unhealthy);
    let told = |health: &Health, now| health.ready(now).causes().first().unwrap().detail.clone();
    assert!(told(&health, later(30_001)).is_some());
    // Two calls a minute that hang are two failures, which alone condemn nobody.
    health.record_failure(Component::Chain, later(35_000), "timeout");
    assert_eq!(told(&health, later(35_000)), Some("timeout".to_owned()));
    assert!(!health.ready(later(200_000)).is_pass());
    // One agreement is enough, whatever was before.
    for _ in 0..100 {
        health.record_failure(Component::Chain, later(200_000), "connection refused");
    }
    health.keeps_up(Component::Chain, later(200_001), later(230_000));
    assert_eq!(standing(&health, later(200_001)), Standing::Degraded);
    assert!(health.ready(later(200_001)).is_pass());
}

#[test]
fn a_part_that_is_behind_is_not_ready_and_needs_no_restart() {
    let health = running();
    let later = |ms| NOON.after(Millis(ms));
    health.lags(Component::Chain, NOON, later(30_000), "at height 7");
    let cause = health.ready(NOON).causes().first().cloned().unwrap();
    assert_eq!((cause.standing, cause.detail.as_deref()), (Standing::Behind, Some("at height 7")));
    assert!(health.live(NOON).is_pass() && health.startup(NOON).is_pass());
    assert_eq!(standing(&health, later(30_001)), Standing::Unhealthy);
    health.keeps_up(Component::Chain, later(30_002), later(60_000));
    assert!(health.ready(later(30_002)).is_pass());
}

#[test]
fn a_starting_node_is_live_and_not_ready() {
    let health = Health::new();
    assert!(health.live(NOON).is_pass());
    assert_eq!(health.ready(NOON).causes().len(), Component::ALL.len());
    assert!(!health.startup(NOON).is_pass());
    Component::ALL.iter().for_each(|component| health.started(*component));
    assert!(health.ready(NOON).is_pass() && health.startup(NOON).is_pass());
}

#[test]
fn an_unhealthy_part_makes_the_node_unready_and_is_named_with_its_last_failure() {
    let health = running();
    for _ in 0..20 {
        health.record_failure(Component::Chain, NOON, "connection refused");
    }
    let verdict = health.ready(NOON);
    assert!(!verdict.is_pass());
    assert_eq!(
        verdict.causes(),
        [Cause {
            component: Component::Chain,
            standing: Standing::Unhealthy,
            errors: 20,
            outcomes: 20,
            detail: Some("connection refused".to_owned()),
        }]
    );
    assert!(health.live(NOON).is_pass(), "a restart does not bring the backend up");
    assert!(health.startup(NOON).is_pass());
}

#[test]
fn a_halted_part_fails_every_probe_and_stays_halted() {
    let health = running();
    health.halted(Component::Store, "another writer took the log over");
    health.started(Component::Store);
    for verdict in [health.live(NOON), health.ready(NOON), health.startup(NOON)] {
        assert!(!verdict.is_pass());
        assert_eq!(verdict.causes().first().unwrap().standing, Standing::Halted);
    }
}
