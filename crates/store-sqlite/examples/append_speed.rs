//! Measures an append beside its floor: the same bytes in one write and one `fdatasync`, in the same run.
//!
//! `cargo run --release -p strait-store-sqlite --example append_speed [directory]`; the directory must lie on the disk
//! that is meant. Store and floor take turns, batch by batch, so that both see the same moods of the machine.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::fs::{File, create_dir_all, remove_dir_all};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use strait_log::{EventStore, Record, RecordKind, RecordVersion};
use strait_primitives::{EventSeq, Timestamp};
use strait_store_sqlite::{Options, SqliteStore};

/// Bytes of each payload.
const PAYLOAD_BYTES: usize = 256;
/// The bare file is written over from its start after this many bytes, as SQLite does with its write-ahead file.
const BARE_FILE_BYTES: usize = 4 << 20;

fn main() {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("strait-append-speed-{}", std::process::id()));
    println!(
        "{:>7} {:>26} {:>26} {:>6}",
        "records", "bare p50/p99/max µs", "store p50/p99/max µs", "p50"
    );
    for (records, rounds) in [(1, 4_000), (10, 4_000), (100, 3_000), (1_000, 2_000), (4_096, 500)] {
        create_dir_all(&directory).expect("the directory can be made");
        measure(&directory, records, rounds);
        remove_dir_all(&directory).expect("the directory is ours");
    }
}

/// Measures batches of one size and prints a row.
fn measure(directory: &Path, count: u64, rounds: usize) {
    let mut store = SqliteStore::open(directory, Options::default()).expect("a fresh log opens");
    let mut bare = File::create(directory.join("bare")).expect("a fresh file opens");
    let mut bare_written = 0;
    let mut bare_took = Vec::new();
    let mut store_took = Vec::new();
    for round in 0..rounds {
        let records = batch(store.head(), count);
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.payload.clone()).collect();
        let start = Instant::now();
        bare.write_all(&bytes).and_then(|()| bare.sync_data()).expect("the disk takes it");
        let bare_time = start.elapsed();
        bare_written += bytes.len();
        if bare_written >= BARE_FILE_BYTES {
            bare.rewind().expect("a file rewinds");
            bare_written = 0;
        }
        let start = Instant::now();
        store.append_batch(&records).expect("the disk takes it");
        let store_time = start.elapsed();
        // The first tenth fills files that are later written over.
        if round >= rounds / 10 {
            bare_took.push(bare_time);
            store_took.push(store_time);
        }
    }
    let (bare_median, bare_text) = summary(&mut bare_took);
    let (store_median, store_text) = summary(&mut store_took);
    let share = bare_median.as_secs_f64() / store_median.as_secs_f64() * 100.0;
    println!("{count:>7} {bare_text:>26} {store_text:>26} {share:>5.0}%");
    let start = Instant::now();
    let read = store.read_from(EventSeq::new(1), usize::MAX).expect("the log reads").len();
    let rate = f64::from(u32::try_from(read).expect("a small log")) / start.elapsed().as_secs_f64();
    println!("        read back {read} records, {rate:.0}/s");
}

/// `count` records after `head`.
fn batch(head: EventSeq, count: u64) -> Vec<Record> {
    let record = |ahead| Record {
        seq: head.advanced(ahead),
        at: Timestamp::from_unix_ms(1_700_000_000_000),
        kind: RecordKind(1),
        version: RecordVersion(1),
        payload: vec![0xa5; PAYLOAD_BYTES],
    };
    (1..=count).map(record).collect()
}

/// The median, and median, 99th percentile and maximum as text.
fn summary(took: &mut [Duration]) -> (Duration, String) {
    took.sort();
    let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default();
    let max = took.last().copied().unwrap_or_default();
    let text = format!("{}/{}/{}", at(50).as_micros(), at(99).as_micros(), max.as_micros());
    (at(50), text)
}
