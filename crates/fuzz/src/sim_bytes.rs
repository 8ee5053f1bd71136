//! The simulated world, every choice of which comes from the fuzzer's bytes.

use strait_sim::{Choices, Plan, run};

/// Steps of the storm: short, since every input pays for the preparations and the calm as well.
const STEPS: u64 = 400;

/// Decides a whole run by the bytes: the weather, faults, users, blocks, and what goes wrong with messages and disks.
///
/// # Panics
/// If a law of the world is broken.
pub fn sim_bytes(data: &[u8]) {
    let plan = Plan { choices: Choices::from_bytes(data.to_vec()), ..Plan::of_seed(1, STEPS) };
    if let Err(failure) = run(plan) {
        panic!("{}\n{failure}", failure.last.join("\n"));
    }
}
