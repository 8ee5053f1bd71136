//! Backups that are taken, checked and restored, and those that must not pass.

use std::fs;

use strait_backup::{
    Check, CheckError, Checked, LiveLog, Manifest, OpenKey, PlaceError, RestoreError, SealKey,
    TakeError, Way, audit, audit_one, check, restore,
};
use strait_primitives::EventSeq;
use strait_seal::{Identities, OpenError, Passphrase};
use strait_store_sqlite::Reader;

use crate::world::{Log, MODULE, NOW, OPEN, Owner, empty_folder, names};

/// A log of some batches with a snapshot in the middle.
fn some_log() -> Log {
    let mut log = Log::new(Owner::Alice);
    log.grow(40);
    log.snapshot();
    log.grow(9);
    log
}

fn checked(log: &Log, name: &str, key: &OpenKey) -> Result<Checked, CheckError> {
    let (scratch, _lock) = empty_folder();
    let (file, data_dir) = (log.beside(name), log.data_dir());
    let live = Some(data_dir.as_path());
    let outcome =
        check(&Check { file: &file, key, scratch: scratch.path(), live, free_bytes_min: 0 });
    assert_eq!(names(scratch.path()), [""; 0], "nothing is left of the look");
    outcome
}

#[test]
fn a_backup_has_the_state_of_the_log_at_the_place_it_names_and_a_manifest_that_says_so() {
    let mut log = some_log();
    let manifest = log.back_up("monday.db", &SealKey::Nobody).unwrap();
    assert_eq!(manifest.head, EventSeq::new(50));
    assert_eq!(manifest.state_hash, log.hashes[&manifest.head]);
    assert_eq!((manifest.modules, manifest.taken, manifest.network.as_str()), (2, NOW, "regtest"));
    assert_eq!(Manifest::read(&Manifest::path_of(&log.beside("monday.db"))).unwrap(), manifest);
    let digest = fs::read_to_string(log.beside("monday.db.sha256")).unwrap();
    assert_eq!(digest, format!("{}  monday.db\n", manifest.sha256));
    assert_eq!(
        names(log.beside("").as_path()),
        ["data", "monday.db", "monday.db.json", "monday.db.sha256"]
    );

    let twice = log.back_up("monday.db", &SealKey::Nobody);
    assert!(matches!(twice, Err(TakeError::Copy(_))), "no file is replaced: {twice:?}");

    log.grow(5);
    let error = checked(&log, "monday.db", &OPEN).unwrap_err();
    assert!(
        matches!(error, CheckError::Field { field: "modules" }),
        "one is not what it is called"
    );
}

#[test]
fn a_sound_backup_is_compared_with_the_log_that_has_gone_on() {
    let mut log = some_log();
    fs::remove_file(
        log.data_dir()
            .join("modules")
            .join(names(&log.data_dir().join("modules"))[odd(&log)].clone()),
    )
    .unwrap();
    let manifest = log.back_up("monday.db", &SealKey::Nobody).unwrap();
    log.grow(30);
    log.snapshot();
    let found = checked(&log, "monday.db", &OPEN).unwrap();
    assert_eq!((found.live, found.folded, found.manifest), (LiveLog::Equal, 50, manifest.clone()));

    let (folder, lock) = empty_folder();
    let restored = restore(&lock, &log.beside("monday.db"), &OPEN, folder.path()).unwrap();
    assert_eq!((restored.backup.verified.head, restored.modules), (manifest.head, 1));
    let module = &names(&folder.path().join("modules"))[0];
    assert_eq!(fs::read(folder.path().join("modules").join(module)).unwrap(), MODULE);
    let state = audit(&Reader::new(folder.path()), None).unwrap();
    assert_eq!((state.hash, state.log_id), (manifest.state_hash, Some(manifest.log_id)));
    let again = restore(&lock, &log.beside("monday.db"), &OPEN, folder.path());
    assert!(matches!(again, Err(RestoreError::Copy(_))), "a folder with a log takes none");
}

/// Which of the two modules is not what it is called.
fn odd(log: &Log) -> usize {
    let folder = log.data_dir().join("modules");
    names(&folder).iter().position(|name| fs::read(folder.join(name)).unwrap() != MODULE).unwrap()
}

#[test]
fn the_whole_log_and_its_newest_snapshot_lead_to_one_state_at_every_place() {
    let log = some_log();
    for (seq, hash) in &log.hashes {
        for way in [Way::Whole, Way::Shortest] {
            assert_eq!(audit_one(&log.reader(), Some(*seq), way).unwrap().hash, *hash, "{seq}");
        }
        assert_eq!(audit(&log.reader(), Some(*seq)).unwrap().hash, *hash);
    }
}

#[test]
fn a_log_whose_past_was_removed_folds_from_its_oldest_snapshot() {
    let mut log = Log::with_history(Owner::Alice, Some(0));
    for _ in 0..6 {
        log.grow(400);
        log.snapshot();
    }
    log.grow(3);
    let oldest = log.reader().oldest().unwrap();
    assert!(oldest > EventSeq::new(1), "something was removed");
    let manifest = log.back_up("monday.db", &SealKey::Nobody).unwrap();
    assert_eq!((manifest.oldest, manifest.state_hash), (oldest, log.hashes[&log.head()]));
    let gone = audit(&log.reader(), Some(EventSeq::new(2)));
    assert!(gone.is_err(), "what was removed cannot be told");
}

#[test]
fn a_sealed_backup_opens_for_its_recipient_or_passphrase_and_for_nobody_else() {
    let log = some_log();
    fs::remove_file(
        log.data_dir()
            .join("modules")
            .join(names(&log.data_dir().join("modules"))[odd(&log)].clone()),
    )
    .unwrap();
    let holder = Identities::generate();
    log.back_up("keyed", &SealKey::Recipients(holder.recipients())).unwrap();
    log.back_up("worded", &SealKey::Passphrase(passphrase(&log, "correct horse battery"))).unwrap();
    let plain = fs::read(log.beside("keyed")).unwrap();
    assert!(!plain.windows(15).any(|part| part == b"SQLite format 3"), "nothing shows through");
    let keys = [
        ("keyed", OpenKey::Identities(holder), true),
        ("keyed", OpenKey::Identities(Identities::generate()), false),
        ("keyed", OpenKey::Passphrase(passphrase(&log, "correct horse battery")), false),
        ("worded", OpenKey::Passphrase(passphrase(&log, "correct horse battery")), true),
        ("worded", OpenKey::Passphrase(passphrase(&log, "correct horse batterie")), false),
        ("worded", OpenKey::None, false),
    ];
    for (name, key, opens) in keys {
        let outcome = checked(&log, name, &key);
        match outcome {
            Ok(found) => assert!(opens && found.live == LiveLog::Equal, "{name} {key:?}"),
            Err(CheckError::Restore(RestoreError::Sealed { .. } | RestoreError::Open { .. })) => {
                assert!(!opens, "{name} {key:?}")
            }
            Err(error) => panic!("{name} {key:?}: {error:?}"),
        }
    }
    assert_eq!(
        names(&log.data_dir()),
        ["head", "modules", "strait.db", "strait.db-shm", "strait.db-wal"]
    );
}

fn passphrase(log: &Log, words: &str) -> Passphrase {
    use std::os::unix::fs::PermissionsExt;
    let path = log.beside("words");
    fs::write(&path, words).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let passphrase = Passphrase::from_file(&path).unwrap();
    fs::remove_file(path).unwrap();
    passphrase
}

#[test]
fn a_backup_that_was_tampered_with_or_cut_is_refused() {
    let log = some_log();
    fs::remove_file(
        log.data_dir()
            .join("modules")
            .join(names(&log.data_dir().join("modules"))[odd(&log)].clone()),
    )
    .unwrap();
    let holder = Identities::generate();
    let key = OpenKey::Identities(holder);
    let OpenKey::Identities(holder) = &key else { unreachable!() };
    log.back_up("sealed", &SealKey::Recipients(holder.recipients())).unwrap();
    let (file, whole) = (log.beside("sealed"), fs::read(log.beside("sealed")).unwrap());
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for spoiled in [&flipped[..], &whole[..whole.len() - 1], &whole[..0]] {
        fs::write(&file, spoiled).unwrap();
        let error = checked(&log, "sealed", &key).unwrap_err();
        let is_told = match spoiled.len() == whole.len() {
            true => matches!(error, CheckError::Restore(RestoreError::Digest { .. })),
            false => matches!(error, CheckError::Restore(RestoreError::Length { .. })),
        };
        assert!(is_told, "{error:?}");
        let (folder, lock) = empty_folder();
        assert!(restore(&lock, &file, &key, folder.path()).is_err());
        // Who takes the manifest away as well is found out by the seal.
        let manifest = fs::read(Manifest::path_of(&file)).unwrap();
        fs::remove_file(Manifest::path_of(&file)).unwrap();
        let error = restore(&lock, &file, &key, folder.path()).unwrap_err();
        let damaged = matches!(error, RestoreError::Open { source: OpenError::Damaged, .. });
        assert!(damaged || spoiled.is_empty(), "{error:?}");
        assert_eq!(names(folder.path()), [""; 0], "nothing is left");
        fs::write(Manifest::path_of(&file), manifest).unwrap();
    }
    fs::write(&file, &whole).unwrap();
    let text = fs::read_to_string(Manifest::path_of(&file)).unwrap();
    let lying = text.replace("\"head_seq\": 50", "\"head_seq\": 51");
    fs::write(Manifest::path_of(&file), lying).unwrap();
    let error = checked(&log, "sealed", &key).unwrap_err();
    assert!(matches!(error, CheckError::State { .. }), "{error:?}");
}

#[test]
fn a_log_with_less_or_of_another_node_is_no_successor_of_a_backup() {
    let mut log = some_log();
    let older = log.back_up("older", &SealKey::Nobody).unwrap();
    log.grow(1);
    let newest = log.back_up_after("newest", &SealKey::Nobody, Some(&older)).unwrap();
    let mut behind = Log::new(Owner::Alice);
    behind.grow(5);
    let refused = behind.back_up_after("less", &SealKey::Nobody, Some(&newest));
    assert!(matches!(refused, Err(TakeError::Behind { .. })), "{refused:?}");
    let mut other = Log::new(Owner::Bob);
    other.grow(100);
    let refused = other.back_up_after("other", &SealKey::Nobody, Some(&newest));
    assert!(matches!(refused, Err(TakeError::OtherLog { .. })), "{refused:?}");
    assert_eq!(names(other.beside("").as_path()), ["data"]);
}

#[test]
fn nothing_is_written_where_there_is_no_room() {
    let log = some_log();
    let refused = strait_backup::take(&strait_backup::Order {
        data_dir: &log.data_dir(),
        file: &log.beside("full"),
        seal: &SealKey::Nobody,
        scratch: &log.data_dir(),
        free_bytes_min: u64::MAX / 2,
        proof: Way::Whole,
        not_behind: None,
        now: NOW,
        version: "0.1.0",
    });
    assert!(matches!(refused, Err(TakeError::Place(PlaceError::Room(_)))), "{refused:?}");
    assert_eq!(names(log.beside("").as_path()), ["data"]);
}
