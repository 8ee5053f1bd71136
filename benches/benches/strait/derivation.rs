//! The fold of the log: what a start costs for each event after the snapshot.

use criterion::{BatchSize, Criterion, Throughput};
use strait_benches::{CpuTime, Effort, History};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("derivation");
    let effort = Effort::of_this_run();
    for payments in [1, 100] {
        let rounds = effort.pick(4, 4_000 / payments);
        let histories = History::of_rounds(rounds, payments);
        for (side, history) in ["payer", "payee"].into_iter().zip(&histories) {
            let count = u64::try_from(history.events.len()).expect("a short log");
            group.throughput(Throughput::Elements(count));
            group.bench_function(format!("apply/{side}/{payments}"), |b| {
                b.iter_batched(
                    || history.opened.clone(),
                    |state| history.apply(state),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(format!("decode and apply/{side}/{payments}"), |b| {
                b.iter_batched(
                    || history.opened.clone(),
                    |state| history.decode_and_apply(state),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}
