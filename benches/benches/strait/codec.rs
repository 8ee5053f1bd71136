//! The largest message of a round to bytes and back, beside a copy of its bytes.

use core::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use strait_benches::{BATCHES, CpuTime, proposal};
use strait_wire::Message;

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("codec");
    for payments in BATCHES {
        let message = proposal(payments);
        let frame = message.to_frame();
        let bytes = u64::try_from(frame.len()).expect("a frame is small");
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function(BenchmarkId::new("encode", payments), |b| {
            b.iter(|| black_box(&message).to_frame());
        });
        group.bench_function(BenchmarkId::new("decode", payments), |b| {
            b.iter(|| Message::from_frame(black_box(&frame)).expect("our own frame"));
        });
        group.bench_function(BenchmarkId::new("copy, floor", payments), |b| {
            b.iter(|| black_box(&frame).clone());
        });
    }
    group.finish();
}
