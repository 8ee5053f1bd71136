//! Backups: copies that know what they are, whoever opens them and however often, and copies that do not.

use std::fs;
use std::path::{Path, PathBuf};

use strait_log::{EventStore, Record, RecordKind};
use strait_primitives::{EventSeq, Timestamp};
use strait_store_sqlite::{
    BackupError, DirectoryLock, OpenError, Options, SchemaVersion, SqliteStore, back_up, restore,
    verify,
};
use tempfile::TempDir;

use crate::records::{open, records, snapshot};

pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

/// A record as a restored log goes on with.
fn restored(seq: u64) -> Vec<Record> {
    let [record] = records(seq, 1, 8).try_into().unwrap();
    vec![Record { kind: RecordKind::RESTORED, ..record }]
}

/// A log of ten records with a snapshot, and its backup.
fn backed_up() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    store.append_batch(&records(1, 10, 100)).unwrap();
    store.put_snapshot(&snapshot(7)).unwrap();
    let file = directory.path().join("backup.db");
    let backup = back_up(directory.path(), &file, NOW, &[]).unwrap();
    assert_eq!((backup.taken, backup.verified.head), (NOW, EventSeq::new(10)));
    (directory, file)
}

/// Brings a backup into a new directory by a plain copy.
fn copied(file: &Path) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::copy(file, directory.path().join("strait.db")).unwrap();
    directory
}

fn append(store: &mut SqliteStore, batch: &[Record]) -> Result<(), ()> {
    let appended =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.append_batch(batch)));
    appended.map_err(|_| ()).map(Result::unwrap)
}

#[test]
fn a_backup_is_whole_and_private_and_leaves_the_log_as_it_was() {
    let (directory, file) = backed_up();
    let store = open(&directory);
    assert_eq!(store.backup_taken(), None, "the log itself is none");
    let copy = copied(&file);
    let found = verify(copy.path()).unwrap();
    assert_eq!((found.head, found.snapshots_sound), (EventSeq::new(10), 1));
    let copy = open(&copy);
    assert_eq!(copy.read_from(EventSeq::new(1), 99).unwrap(), records(1, 10, 100));
    assert_eq!(copy.latest_snapshot().unwrap(), Some(snapshot(7)));
    assert!(copy.epoch() >= store.epoch(), "an older writer stays fenced");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let names = fs::read_dir(directory.path()).unwrap();
    let is_draft = |name: &std::ffi::OsStr| name.to_string_lossy().contains("draft");
    assert!(!names.map(|entry| entry.unwrap().file_name()).any(|name| is_draft(&name)));
}

#[test]
fn a_backup_is_made_while_the_log_is_written() {
    let directory = TempDir::new().unwrap();
    let mut store = open(&directory);
    for round in 0..5 {
        store.append_batch(&records(1 + round * 100, 100, 3_000)).unwrap();
        let file = directory.path().join(format!("backup-{round}"));
        let backup = back_up(directory.path(), &file, NOW, &[]).unwrap();
        assert_eq!(backup.verified.head, EventSeq::new((round + 1) * 100));
    }
    store.append_batch(&records(501, 1, 8)).unwrap();
}

#[test]
fn whoever_opens_a_backup_learns_that_it_is_one_until_something_is_appended() {
    let (_directory, file) = backed_up();
    let copy = copied(&file);
    for _ in 0..3 {
        assert_eq!(open(&copy).backup_taken(), Some(NOW), "opening is not going on");
    }
    // A backup of it is as old as it.
    let second = copy.path().join("second.db");
    let later = Timestamp::from_unix_ms(NOW.to_unix_ms() + 1);
    assert_eq!(back_up(copy.path(), &second, later, &[]).unwrap().taken, NOW, &[]);
    let mut store = open(&copy);
    store.append_batch(&restored(11)).unwrap();
    assert_eq!(store.backup_taken(), None);
    store.append_batch(&records(12, 3, 8)).unwrap();
    drop(store);
    assert_eq!(open(&copy).backup_taken(), None);
    let third = copy.path().join("third.db");
    assert_eq!(back_up(copy.path(), &third, later).unwrap().taken, later, &[]);
}

#[test]
fn a_backup_goes_on_with_a_word_of_the_restore_and_no_other() {
    let (_directory, file) = backed_up();
    let copy = copied(&file);
    let mut store = open(&copy);
    let ordinary = vec![Record { kind: RecordKind(1), ..restored(11).remove(0) }];
    assert_eq!(append(&mut store, &ordinary), Err(()), "the process stops");
    drop(store);
    let mut store = open(&copy);
    assert_eq!(store.backup_taken(), Some(NOW));
    assert_eq!(store.head(), EventSeq::new(10));
    // It need not be the first of its batch.
    let batch = [records(11, 2, 8), restored(13)].concat();
    assert_eq!(append(&mut store, &batch), Ok(()));
}

#[test]
fn a_copy_that_is_cut_short_is_refused_or_marked() {
    let (_directory, file) = backed_up();
    let whole = fs::read(&file).unwrap();
    for part in 1..64 {
        let copy = TempDir::new().unwrap();
        let path = copy.path().join("strait.db");
        fs::write(&path, &whole[..whole.len() * part / 64]).unwrap();
        match SqliteStore::open(copy.path(), Options::default()) {
            Err(OpenError::Store(_)) => {}
            Ok(store) => assert_eq!(store.backup_taken(), Some(NOW), "{part} of 64"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_restore_makes_a_marked_log_of_any_copy_in_a_place_that_has_none() {
    let (directory, file) = backed_up();
    let target = TempDir::new().unwrap();
    let lock = DirectoryLock::take(target.path()).unwrap();
    assert_eq!(restore(&lock, &file).unwrap().taken, NOW);
    let again = restore(&lock, &file);
    assert!(matches!(again, Err(BackupError::Exists { .. })), "{again:?}");
    drop(lock);
    assert_eq!(open(&target).backup_taken(), Some(NOW));

    // Somebody's own copy of a live log has no mark: it gets one, and is as old as its last event.
    drop(open(&directory));
    let plain = directory.path().join("strait.db");
    let target = TempDir::new().unwrap();
    let lock = DirectoryLock::take(target.path()).unwrap();
    let taken = restore(&lock, &plain).unwrap().taken;
    assert_eq!(taken, records(10, 1, 8)[0].at);
    drop(lock);
    assert_eq!(open(&target).backup_taken(), Some(taken));
}

#[test]
fn what_is_there_is_not_replaced_and_what_is_no_log_is_not_copied() {
    let (directory, file) = backed_up();
    let again = back_up(directory.path(), &file, NOW, &[]);
    assert!(matches!(again, Err(BackupError::Exists { .. })), "{again:?}");
    let empty = TempDir::new().unwrap();
    let nothing = back_up(empty.path(), &empty.path().join("backup"), NOW, &[]);
    assert!(matches!(nothing, Err(BackupError::Nothing { .. })), "{nothing:?}");
    let lock = DirectoryLock::take(empty.path()).unwrap();
    let text = empty.path().join("text");
    fs::write(&text, "no log at all, but some words").unwrap();
    assert!(matches!(restore(&lock, &text), Err(BackupError::Log(_))));
    let missing = restore(&lock, &empty.path().join("missing"));
    assert!(matches!(missing, Err(BackupError::Nothing { .. })), "{missing:?}");
    assert!(!empty.path().join("strait.db").exists());
    let elsewhere = back_up(directory.path(), Path::new("/no/such/folder/backup"), NOW, &[]);
    assert!(matches!(elsewhere, Err(BackupError::File { .. })), "{elsewhere:?}");
}

#[test]
fn a_name_with_signs_of_its_own_is_only_a_name() {
    let base = TempDir::new().unwrap();
    let odd = base.path().join("a b?mode=rw#100%25");
    fs::create_dir(&odd).unwrap();
    let mut store = SqliteStore::open(&odd, Options::default()).unwrap();
    store.append_batch(&records(1, 3, 8)).unwrap();
    let file = odd.join("back up?.db");
    assert_eq!(back_up(&odd, &file, NOW, &[]).unwrap().verified.head, EventSeq::new(3));
}

#[test]
fn a_mark_is_not_lost_by_taking_the_tables_down() {
    let (directory, file) = backed_up();
    let copy = copied(&file);
    let refused = SqliteStore::downgrade(copy.path(), SchemaVersion(2));
    assert!(matches!(refused, Err(OpenError::Backup)), "{refused:?}");
    assert_eq!(open(&copy).backup_taken(), Some(NOW));
    SqliteStore::downgrade(directory.path(), SchemaVersion(2)).unwrap();
    assert_eq!(open(&directory).backup_taken(), None);
}
