//! Signing and verifying: the node's commitments beside the bare library.

use criterion::Criterion;
use strait_benches::{BareSignatures, CpuTime, SignedCommitments};

pub(crate) fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("signature");
    let commitments = SignedCommitments::default();
    let mut bare = BareSignatures::default();
    group.bench_function("sign a commitment", |b| b.iter(|| commitments.sign()));
    group.bench_function("sign, floor", |b| b.iter(|| bare.sign()));
    group.bench_function("verify a commitment", |b| b.iter(|| commitments.verify()));
    group.bench_function("verify, floor", |b| b.iter(|| bare.verify()));
    group.finish();
}
