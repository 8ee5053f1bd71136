//! Contract calls, warm and cold, beside wasmtime alone.

use criterion::Criterion;
use strait_benches::{BareWasmtime, CpuTime, Meter};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("contract");
    let meter = Meter::default();
    let bare = BareWasmtime::default();
    group.bench_function("warm/apply", |b| b.iter(|| meter.apply()));
    group.bench_function("warm/outcome", |b| b.iter(|| meter.outcome()));
    group.bench_function("warm/floor", |b| b.iter(|| bare.apply(meter.state())));
    group.sample_size(10);
    group.bench_function("cold/load and init", |b| b.iter(|| meter.cold()));
    group.bench_function("cold/floor", |b| b.iter(|| BareWasmtime::cold(meter.state())));
    group.finish();
}
