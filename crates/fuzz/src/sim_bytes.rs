//! The simulated world, every choice of which comes from the fuzzer's bytes.

use strait_sim::{Plan, run};

/// Steps of the storm at most: every input pays for the preparations and the calm as well.
const STEPS_MAX: u64 = 2_000;

/// Decides a whole run by the bytes, two to five nodes: who is there, the weather, faults, users, blocks, and what goes wrong with
/// messages and disks.
///
/// # Panics
/// If a law of the world is broken.
pub fn sim_bytes(data: &[u8]) {
    let plan = Plan { steps: STEPS_MAX, ..Plan::of_bytes(data) };
    if let Err(failure) = run(plan) {
        panic!("{}\n{failure}", failure.last.join("\n"));
    }
}
