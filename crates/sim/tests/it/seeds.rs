//! Runs by given seeds. A failure prints the seed and how to replay it.

use strait_sim::{
    Choices, Place, Plan, Report, Shape, Topology, Violation, Weather, run, run_bytes,
};

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
    let reports: Vec<Report> = (1..=16).map(|seed| survive_seed(seed, STEPS)).collect();
    let sum = |count: &dyn Fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    assert!(sum(&|r| r.deaths) > 0, "nodes must have died");
    assert!(sum(&|r| r.cuts) > 0, "connections must have been cut");
    assert!(sum(&|r| r.reorganisations) > 0, "blocks must have been lost");
    let count = |length: usize| u64::try_from(length).unwrap();
    let payments: u64 = reports.iter().map(|r| count(r.payments)).sum();
    let channels: u64 = reports.iter().map(|r| count(r.channels)).sum();
    assert!(channels >= 8 && payments > 500, "{channels} channels, {payments} payments");
    let by_tokens = sum(&|r| count(r.by_tokens));
    assert!(by_tokens > 10, "tokens must have paid: {by_tokens}");
}

#[test]
fn a_disk_that_lies_is_noticed() {
    let mut choices = Choices::from_seed(1);
    let mut weather = Weather::draw(&mut choices);
    weather.misfortunes.lie = 1_000;
    weather.misfortune_ms_max = 1_000;
    let plan = Plan::of_seed(1, STEPS);
    let topology = Some(Topology::pair());
    let failure = run(Plan { choices, topology, weather: Some(weather), ..plan });
    let violation = *failure.expect_err("no law survives a disk that lies").violation;
    assert!(matches!(violation, Violation::Unsaved { .. }), "{violation}");
}

#[test]
fn bytes_decide_who_is_there_and_all_that_happens() {
    let bytes: Vec<u8> =
        (0..4_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let driven = survive(Plan::of_bytes(&bytes), "the bytes in this test");
    assert_eq!(Some(driven), run_bytes(&bytes).ok(), "the same bytes, the same run");
    let other = run_bytes(&bytes[1..]).unwrap();
    assert_ne!(driven.trace, other.trace, "other bytes, another run");
    let silent = run_bytes(&[]).unwrap();
    assert_eq!((silent.nodes, silent.hostile, silent.deaths, silent.cuts), (2, 0, 0, 0));
}

#[test]
fn up_to_five_nodes_keep_the_law_among_themselves_and_against_those_who_do_not() {
    let mut tricks = 0;
    for (seed, count, shape, hostile) in [
        (1, 2, Shape::Line, &[1_usize][..]),
        (2, 3, Shape::Line, &[1]),
        (3, 3, Shape::Ring, &[0]),
        (4, 4, Shape::Star, &[]),
        (5, 5, Shape::Ring, &[1, 3]),
    ] {
        let places: Vec<Place> = Place::first(count).collect();
        let foul = hostile.iter().map(|index| places[*index]);
        let topology = Topology::new(count, shape, foul);
        let plan = Plan { topology: Some(topology), ..Plan::of_seed(seed, 2_000) };
        let report = survive(plan, &format!("{count} nodes, {shape:?}, seed {seed}"));
        assert_eq!((report.nodes, report.hostile), (count, hostile.len()));
        assert!(report.tricks == 0 || report.hostile > 0, "{report:?}");
        tricks += report.tricks;
    }
    // Weather in which nobody can be reached leaves a hostile node nothing to play with; not all of it is so.
    assert!(tricks > 0, "some hostile node was at work");
}
