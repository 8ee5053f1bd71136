//! A round, both sides together, through frames; no disk, no network.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use strait_benches::{BATCHES, BareSignatures, CpuTime, Duo};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("round");
    let mut bare = BareSignatures::default();
    group.bench_function("floor", |b| b.iter(|| bare.round()));
    for payments in BATCHES {
        let (duo, _) = Duo::open();
        let duo = core::cell::RefCell::new(duo);
        group.throughput(Throughput::Elements(payments));
        group.bench_function(BenchmarkId::new("payments", payments), |b| {
            b.iter_batched(
                || duo.borrow_mut().requests(payments),
                |requests| duo.borrow_mut().round(requests),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}
