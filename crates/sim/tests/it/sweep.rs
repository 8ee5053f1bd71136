//! A crash at every write: one short run, again and again, each time with one write of one disk going wrong.

use strait_log::{Fault, WriteNumber};
use strait_sim::{Place, Plan, Report, Spoilt, Topology, Weather, run};

/// A seed whose short run opens channels, pays, has contracts, closes in both ways and keeps a snapshot.
const SEED: u64 = 22;
/// One in which tokens are given away, pay, and are revoked.
const SEED_OF_TOKENS: u64 = 12;
/// Steps of their storms, in which nothing goes wrong but that write.
const STEPS: u64 = 260;
/// All that can happen to a write: nothing of it on disk, a part, all of it but nobody was told, or no room.
const FAULTS: [(Fault, &str); 4] = [
    (Fault::CrashBefore, "before"),
    (Fault::CrashTorn, "torn"),
    (Fault::CrashAfter, "after"),
    (Fault::Full, "full"),
];

/// Goal: whichever write of a node its crash hits, and however much of it is on disk then, no law is broken and both
/// come to agree. Method: the undisturbed run tells how many writes there are; then it is run once for each of them
/// and each way in which it can fail.
fn crash_at_every_write_of(place: Place) {
    let undisturbed = survive(SEED, &[]);
    assert!(
        undisturbed.channels >= 3 && undisturbed.rounds >= 5 && undisturbed.deaths == 0,
        "a sweep over a run in which little happens shows little; choose another seed: {undisturbed:?}"
    );
    let [alice, bob, ..] = undisturbed.writes;
    let writes = if place == Place::ALICE { alice } else { bob };
    assert!(writes >= 30, "{undisturbed:?}");
    for write in (0..writes).map(WriteNumber) {
        for (fault, name) in FAULTS {
            let report = survive(SEED, &[(Spoilt { place, write, fault }, name)]);
            assert_eq!(report.deaths, 1, "write {} of {place} did not end {name}", write.0);
        }
    }
}

/// Goal: a crash gives no token more than its budget, and takes nothing from it for good. Method: as above, but every second
/// write goes wrong, in one of the ways after the other.
#[test]
fn a_crash_between_charge_and_payment_stretches_no_budget() {
    let undisturbed = survive(SEED_OF_TOKENS, &[]);
    assert!(
        undisturbed.by_tokens >= 3 && undisturbed.rounds >= 5 && undisturbed.deaths == 0,
        "choose another seed: {undisturbed:?}"
    );
    let [alice, bob, ..] = undisturbed.writes;
    for (place, writes) in [(Place::ALICE, alice), (Place::BOB, bob)] {
        let faults = FAULTS.into_iter().cycle();
        for (write, (fault, name)) in (0..writes).step_by(2).map(WriteNumber).zip(faults) {
            let report = survive(SEED_OF_TOKENS, &[(Spoilt { place, write, fault }, name)]);
            assert_eq!(report.deaths, 1, "write {} of {place} did not end {name}", write.0);
        }
    }
}

fn survive(seed: u64, spoilt: &[(Spoilt, &str)]) -> Report {
    let plan = Plan {
        topology: Some(Topology::pair()),
        weather: Some(Weather::brisk()),
        spoilt: spoilt.iter().map(|(spoilt, _)| *spoilt).collect(),
        ..Plan::of_seed(seed, STEPS)
    };
    run(plan).unwrap_or_else(|failure| {
        let told = failure.last.join("\n");
        let spoil: String = spoilt
            .iter()
            .map(|(at, name)| format!(" --spoil {}:{}:{name}", at.place, at.write.0))
            .collect();
        panic!(
            "{told}\n{failure}\nreplay: cargo run -p strait-sim -- --brisk --seed {seed} --steps {STEPS}{spoil}"
        )
    })
}

#[test]
fn a_crash_at_any_write_of_alice_loses_nothing() {
    crash_at_every_write_of(Place::ALICE);
}

#[test]
fn a_crash_at_any_write_of_bob_loses_nothing() {
    crash_at_every_write_of(Place::BOB);
}
