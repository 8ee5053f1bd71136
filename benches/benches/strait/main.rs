//! Every bench, each beside its floor in the same group: `cargo bench -p strait-benches`; and with `-- --beside` each
//! figure and its floor in turns, as a table.
//!
//! One binary for all, because each link of it takes longer than its run. `README.md` says how to read the figures.

mod append;
mod beside;
mod codec;
mod contract;
mod derivation;
mod resilience;
mod round;
mod signatures;

use core::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{Criterion, criterion_group};
use strait_benches::{CpuTime, Effort};

/// Short, so that all of them end in a few minutes; `--measurement-time` asks for more.
fn short<M: Measurement>(clock: M) -> Criterion<M> {
    Criterion::default()
        .with_measurement(clock)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_200))
        .sample_size(20)
}

criterion_group! {
    name = computing;
    config = short(CpuTime);
    targets =
        signatures::bench,
        round::bench,
        derivation::bench,
        contract::bench,
        codec::bench,
        resilience::bench
}
criterion_group! {
    name = disk;
    config = short(WallTime);
    targets = append::bench
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let asked = ["--beside", "--alone"].into_iter().any(has);
    // A test runner that lists what there is wants the list alone.
    if asked || (Effort::of_this_run() == Effort::Smoke && !has("--list")) {
        beside::print_table();
    }
    if !asked {
        computing();
        disk();
        Criterion::default().configure_from_args().final_summary();
    }
}
