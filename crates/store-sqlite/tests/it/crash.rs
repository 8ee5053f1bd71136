//! Writers killed with SIGKILL while they append.
//!
//! Goal: whatever a writer said was durable is there after it died, and what it had not said is whole or gone.
//! Method: a child process (this test binary again) appends batches without pause and writes the last durable place
//! to a pipe after each; the parent kills it at a moment of its own, opens the log and compares. All lives share one
//! log, so that it also grows over journals left behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use strait_log::{EventStore, Writer};
use strait_primitives::EventSeq;
use strait_store_sqlite::{Options, SqliteStore, verify};
use tempfile::TempDir;

use crate::records::{open, records, snapshot};

/// Names the directory to the child process.
const APPEND_VARIABLE: &str = "STRAIT_TEST_APPEND";
/// Tells it how many bytes of history to keep; all without.
const HISTORY_VARIABLE: &str = "STRAIT_TEST_HISTORY";
/// Lives of the child.
const KILLS: u64 = 20;
/// Lives of the child that removes what snapshots cover.
const KILLS_COMPACTING: u64 = 10;
/// Bytes of each payload.
const PAYLOAD_BYTES: usize = 200;

#[test]
fn what_a_killed_writer_acknowledged_is_there() {
    let directory = TempDir::new().unwrap();
    let mut durable = 0;
    for kill in 0..KILLS {
        // Each life is killed at another point of its work: after a number of answers that varies with the life.
        let answers = 1 + kill * kill % 97;
        let acknowledged = append_until_killed(directory.path(), answers, None);
        assert!(acknowledged >= durable, "an acknowledged place must not go back");
        let store = open(&directory);
        durable = store.head().to_u64();
        assert!(durable >= acknowledged, "{acknowledged} was acknowledged, {durable} is there");
        let last = store.read_from(EventSeq::new(durable), 2).unwrap();
        assert_eq!(last, records(durable, 1, PAYLOAD_BYTES));
        if let Some(kept) = store.latest_snapshot().unwrap() {
            assert_eq!(kept, snapshot(kept.seq.to_u64()));
        }
    }
    assert_eq!(verify(directory.path()).unwrap().head, EventSeq::new(durable));
    let all = open(&directory).read_from(EventSeq::ZERO, usize::MAX).unwrap();
    assert!(all == records(1, durable, PAYLOAD_BYTES), "every event is as it was decided");
}

/// Batches go in the transactions that others come in: a kill at any point leaves a chain that begins where it says.
#[test]
fn a_writer_that_is_killed_while_it_compacts_leaves_a_log_that_holds() {
    let directory = TempDir::new().unwrap();
    let mut oldest = EventSeq::new(1);
    for kill in 0..KILLS_COMPACTING {
        let answers = 20 + kill * kill % 97;
        let acknowledged = append_until_killed(directory.path(), answers, Some("100000"));
        let verified = verify(directory.path()).unwrap();
        let head = verified.head.to_u64();
        assert!(head >= acknowledged, "{acknowledged} was acknowledged, {head} is there");
        let store = open(&directory);
        let from = store.reader().oldest().unwrap();
        assert!(from >= oldest, "what is gone does not come back");
        oldest = from;
        let left = store.read_from(from, usize::MAX).unwrap();
        let from = from.to_u64();
        assert!(left == records(from, head - from + 1, PAYLOAD_BYTES), "life {kill}");
        let kept = store.latest_snapshot().unwrap().expect("a snapshot covers what is gone");
        assert!(kept.seq.to_u64() + 1 >= from);
    }
    assert!(oldest > EventSeq::new(1), "it compacts");
}

/// Runs a child until it has answered so often, kills it, and returns the last place it acknowledged.
fn append_until_killed(directory: &Path, answers: u64, history: Option<&str>) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_child_that_appends_until_it_is_killed", "--nocapture"])
        .env(APPEND_VARIABLE, directory)
        .envs(history.map(|bytes| (HISTORY_VARIABLE, bytes)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    let mut heard = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness of the child prints as well.
        if let Some((_, place)) = line.split_once("durable ") {
            acknowledged = place.parse().unwrap();
            heard += 1;
        }
        if heard == answers {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "the child ends only by being killed");
    assert!(heard >= answers);
    acknowledged
}

#[test]
fn the_child_that_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(APPEND_VARIABLE) else { return };
    let history = std::env::var(HISTORY_VARIABLE).ok().map(|bytes| bytes.parse().unwrap());
    let options = Options { history_bytes_max: history, ..Options::default() };
    let store = SqliteStore::open(Path::new(&directory), options).unwrap();
    let mut writer = Writer::new(store);
    for round in 0_u64.. {
        let count = 1 + round * 37 % 300;
        let batch = records(writer.head().to_u64() + 1, count, PAYLOAD_BYTES);
        let receipt = writer.append(&batch).unwrap();
        println!("durable {}", receipt.durable());
        if round.is_multiple_of(8) {
            writer.put_snapshot(&snapshot(receipt.durable().to_u64())).unwrap();
        }
    }
}
