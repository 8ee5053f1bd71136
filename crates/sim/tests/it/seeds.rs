//! Runs by given seeds. A failure prints the seed and how to replay it.

use strait_sim::{Choices, Plan, Report, Violation, Weather, run};

/// Steps of the storm in a run of the sweep.
const STEPS: u64 = 2_000;

fn survive(plan: Plan, name: &str) -> Report {
    run(plan).unwrap_or_else(|failure| {
        let steps = failure.last.join("\n");
        panic!("{steps}\n{name}: {failure}\nreplay: cargo run -p strait-sim -- {name}")
    })
}

pub(crate) fn survive_seed(seed: u64, steps: u64) -> Report {
    survive(Plan::of_seed(seed, steps), &format!("--seed {seed} --steps {steps}"))
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = survive_seed(3, STEPS);
    assert_eq!(first, survive_seed(3, STEPS), "one seed, one trace");
    assert_ne!(first.trace, survive_seed(5, STEPS).trace, "another seed, another trace");
}

#[test]
fn a_run_does_what_it_is_for() {
    let reports: Vec<Report> = (1..=8).map(|seed| survive_seed(seed, STEPS)).collect();
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    assert!(sum(|r| r.deaths) > 0, "nodes must have died");
    assert!(sum(|r| r.cuts) > 0, "connections must have been cut");
    assert!(sum(|r| r.reorganisations) > 0, "blocks must have been lost");
    let count = |length: usize| u64::try_from(length).unwrap();
    let payments: u64 = reports.iter().map(|r| count(r.payments)).sum();
    let channels: u64 = reports.iter().map(|r| count(r.channels)).sum();
    assert!(channels >= 8 && payments > 500, "{channels} channels, {payments} payments");
}

/// Seeds that once broke a law, and what was wrong.
#[test]
fn seeds_that_once_failed_hold() {
    let found = [
        (4, 4_000, "a close asked for after the funding output was spent waited for ever"),
        (40, 4_000, "an offered contract was never answered when its channel closed"),
        (84, 6_000, "an offer made without a connection was not made again"),
        (108, 6_000, "an opener gave an opening up over an early offer of a contract"),
        (102, 5_000, "a payment was told done though its channel was settled without it"),
    ];
    for (seed, steps, _) in found {
        survive_seed(seed, steps);
    }
}

#[test]
fn a_disk_that_lies_is_noticed() {
    let mut choices = Choices::from_seed(1);
    let mut weather = Weather::draw(&mut choices);
    weather.misfortunes.lie = 1_000;
    weather.misfortune_ms_max = 1_000;
    let failure = run(Plan { choices, weather: Some(weather), ..Plan::of_seed(1, STEPS) });
    let violation = *failure.expect_err("no law survives a disk that lies").violation;
    assert!(matches!(violation, Violation::Unsaved { .. }), "{violation}");
}

#[test]
fn a_world_can_be_driven_by_bytes() {
    let bytes: Vec<u8> =
        (0..4_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let plan = Plan { choices: Choices::from_bytes(bytes), ..Plan::of_seed(1, STEPS) };
    survive(plan, "the bytes in this test");
    let silent = Plan { choices: Choices::from_bytes(Vec::new()), ..Plan::of_seed(1, STEPS) };
    let report = survive(silent, "no bytes at all");
    assert_eq!((report.deaths, report.cuts), (0, 0), "without bytes nothing goes wrong");
}
