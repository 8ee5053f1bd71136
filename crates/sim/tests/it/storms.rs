//! Seeds one after the other, for as long as the test may take: the same ones in each run, so that a change is never blamed
//! for a seed that was not run before it. Long runs draw fresh ones.

use std::time::{Duration, Instant};

use crate::seeds::survive_seed;

/// Where another first seed may be given; `fresh` draws one from the system.
const SEED_VARIABLE: &str = "STRAIT_SIM_SEED";
/// The first seed if nothing else is said.
const FIRST_SEED: u64 = 20_000;
/// Where another time may be given, in seconds.
const SECONDS_VARIABLE: &str = "STRAIT_SIM_SECONDS";
/// How long seeds are run if nothing else is said: with the other tests of this crate, a minute.
const TIME: Duration = Duration::from_secs(40);
/// Steps of the storm of each seed.
const STEPS: u64 = 3_000;

fn given(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, expected a number")))
}

fn first_seed() -> u64 {
    match std::env::var(SEED_VARIABLE).as_deref() {
        Ok("fresh") => getrandom::u64().expect("the system gives entropy"),
        Ok(_) | Err(_) => given(SEED_VARIABLE).unwrap_or(FIRST_SEED),
    }
}

/// Goal: no run breaks a law, whatever its seed. Method: seeds one after the other until the time is up; one at least.
#[test]
fn seeds_in_a_row_break_no_law() {
    let first = first_seed();
    let time = given(SECONDS_VARIABLE).map_or(TIME, Duration::from_secs);
    println!("{SEED_VARIABLE}={first}, for {time:?}");
    #[expect(
        clippy::disallowed_methods,
        reason = "a budget of real time; the worlds have their own"
    )]
    let begun = Instant::now();
    let (mut seed, mut runs, mut steps) = (first, 0_u32, 0_u64);
    while runs == 0 || begun.elapsed() < time {
        steps += survive_seed(seed, STEPS).steps;
        runs += 1;
        seed = seed.wrapping_add(1);
    }
    let per_second = f64::from(u32::try_from(steps).unwrap()) / begun.elapsed().as_secs_f64();
    println!("{runs} seeds, {steps} steps, {per_second:.0} a second");
}
