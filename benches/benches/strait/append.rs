//! Appends to the log on disk, beside one write and one `fdatasync` of the same bytes.

use criterion::measurement::WallTime;
use criterion::{BenchmarkId, Criterion, Throughput};
use strait_benches::{APPENDS, Appender, BareFile, Effort, History};

pub(crate) fn bench(c: &mut Criterion<WallTime>) {
    let mut group = c.benchmark_group("append");
    // A `Proposed` and a `Revoked` of one payment in turns: the most records for a payment.
    let [payer, _] = History::of_rounds(Effort::of_this_run().pick(50, 500), 1);
    for count in APPENDS {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("room on disk");
        let mut appender = Appender::new(directory.path(), &payer.records, count);
        let mut bare = BareFile::beside(&appender, directory.path());
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("records", count), |b| b.iter(|| appender.append()));
        group.bench_function(BenchmarkId::new("floor", count), |b| b.iter(|| bare.append()));
    }
    group.finish();
}
