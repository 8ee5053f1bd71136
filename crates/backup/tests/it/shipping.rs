//! Logs that are shipped, and brought back from whatever is left of the folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;
use std::time::Duration;

use strait_backup::{
    Disk, OpenKey, RestoreError, SealKey, ShipOptions, ShipStatus, Shipped, Shipper, audit,
    restore_shipped,
};
use strait_primitives::EventSeq;
use strait_seal::Identities;
use strait_store_sqlite::Reader;
use tempfile::TempDir;

use crate::world::{Log, OPEN, Owner, empty_folder, names};

/// Looks at a condition; 60 seconds of them are more than any machine needs.
const LOOKS_MAX: u32 = 6_000;

fn ship(log: &Log, seal: SealKey) -> Shipper {
    // As its operator does, once.
    let _made = fs::create_dir(log.beside("shipped"));
    ship_to(log, &log.beside("shipped"), seal)
}

fn ship_to(log: &Log, folder: &Path, seal: SealKey) -> Shipper {
    let options = ShipOptions {
        data_dir: log.data_dir(),
        folder: folder.to_owned(),
        every: Duration::from_millis(1),
        seal,
        free_bytes_min: 0,
        version: "0.1.0",
    };
    Shipper::start(options, log.reader()).unwrap()
}

fn wait(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if look() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

fn reaches(status: &ShipStatus, head: EventSeq) {
    wait("the log is shipped", || status.head() == head);
}

/// Restores a folder and checks that what comes back is a prefix of the log.
fn bring_back(log: &Log, folder: &Path, key: &OpenKey) -> Result<(TempDir, Shipped), RestoreError> {
    let (target, lock) = empty_folder();
    let shipped = restore_shipped(&lock, folder, key, target.path())?;
    let found = audit(&Reader::new(target.path()), None).unwrap();
    assert_eq!(found.at, shipped.restored.backup.verified.head);
    assert_eq!(found.hash, log.hashes[&found.at], "a prefix of the log");
    Ok((target, shipped))
}

fn copy_folder(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in names(from) {
        if from.join(&name).is_file() {
            // What is renamed meanwhile is gone: as in a copy by any tool.
            let _copied = fs::copy(from.join(&name), to.path().join(&name));
        }
    }
    to
}

#[test]
fn what_is_shipped_comes_back_to_the_last_event_with_modules() {
    let mut log = Log::new(Owner::Alice);
    log.grow(10);
    let shipper = ship(&log, SealKey::Nobody);
    let status = shipper.status();
    for _ in 0..20 {
        log.grow(3);
    }
    reaches(&status, log.head());
    assert_eq!((status.lag(), status.errors(), status.trouble()), (Duration::ZERO, 0, None));
    let (folder, shipped) = bring_back(&log, &log.beside("shipped"), &OPEN).unwrap();
    assert_eq!((shipped.restored.backup.verified.head, shipped.unreached), (log.head(), None));
    assert_eq!(names(&folder.path().join("modules")).len(), 1, "only what is what it is called");
    shipper.stop();

    // A shipper that comes later goes on where the folder ends, and makes no second base.
    log.grow(7);
    let again = ship(&log, SealKey::Nobody);
    reaches(&again.status(), log.head());
    again.stop();
    assert_eq!(bases(&log.beside("shipped")).len(), 1);
    let (_folder, shipped) = bring_back(&log, &log.beside("shipped"), &OPEN).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

#[test]
fn a_sealed_shipment_comes_back_for_its_recipient_and_shows_nothing_to_others() {
    let mut log = Log::new(Owner::Alice);
    let holder = Identities::generate();
    let shipper = ship(&log, SealKey::Recipients(holder.recipients()));
    for _ in 0..10 {
        log.grow(3);
    }
    reaches(&shipper.status(), log.head());
    shipper.stop();
    // The next one cannot open what is there, and goes on all the same.
    log.grow(3);
    let again = ship(&log, SealKey::Recipients(holder.recipients()));
    reaches(&again.status(), log.head());
    again.stop();
    let folder = log.beside("shipped");
    assert!(bring_back(&log, &folder, &OPEN).is_err());
    assert!(bring_back(&log, &folder, &OpenKey::Identities(Identities::generate())).is_err());
    let (_folder, shipped) = bring_back(&log, &folder, &OpenKey::Identities(holder)).unwrap();
    assert_eq!((shipped.restored.backup.verified.head, shipped.restored.modules), (log.head(), 1));
}

/// The names of the bases in a folder.
fn bases(folder: &Path) -> Vec<String> {
    let is_base = |name: &String| name.ends_with(".db") || name.ends_with(".db.age");
    names(folder).into_iter().filter(is_base).collect()
}

/// Goal: where sealing is turned on or off on a log that stands still, the base that is wanted stays, and no other. Method: shippers
/// that take turns, and one whose predecessor died between its new base and the removal of the old one.
#[test]
fn a_base_that_is_made_anew_where_the_old_one_ends_takes_its_place() {
    let mut log = Log::new(Owner::Alice);
    log.grow(9);
    let folder = log.beside("shipped");
    let holder = Identities::generate();
    let mut plain = None;
    for turn in 0..6 {
        let is_sealed = turn % 2 == 1;
        let seal = || match is_sealed {
            true => SealKey::Recipients(holder.recipients()),
            false => SealKey::Nobody,
        };
        let shipper = ship(&log, seal());
        reaches(&shipper.status(), log.head());
        shipper.stop();
        let there = bases(&folder);
        assert!(there.len() == 1 && there[0].ends_with(".age") == is_sealed, "{turn}: {there:?}");
        let modules = names(&folder.join("modules"));
        let are_sealed = modules.iter().all(|name| name.ends_with(".age"));
        assert!(modules.len() >= 2 && (are_sealed || !is_sealed), "{turn}: {modules:?}");
        match &plain {
            None => plain = Some(copy_folder(&folder)),
            Some(plain) if is_sealed => {
                for name in names(plain.path()) {
                    fs::copy(plain.path().join(&name), folder.join(&name)).unwrap();
                }
                let shipper = ship(&log, seal());
                reaches(&shipper.status(), log.head());
                shipper.stop();
                assert_eq!(bases(&folder), there, "what was left is removed");
            }
            Some(_) => {}
        }
    }
    let (_folder, shipped) = bring_back(&log, &folder, &OpenKey::Identities(holder)).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

/// Goal: whatever moment the shipper or the machine dies in, the folder restores to a prefix. Method: copies of the folder while
/// writer and shipper run, each also with its open segment cut at several places, and a shipper that goes on from one of them.
#[test]
fn whenever_the_shipper_dies_its_folder_restores_to_a_prefix_and_the_next_one_goes_on() {
    let mut log = Log::new(Owner::Alice);
    log.grow(50);
    let shipper = ship(&log, SealKey::Nobody);
    wait("a base is made", || shipper.status().head() > EventSeq::ZERO);
    let mut copies = Vec::new();
    for round in 0..12 {
        log.grow(1 + round % 5);
        copies.push(copy_folder(&log.beside("shipped")));
    }
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let mut last = EventSeq::ZERO;
    for copy in &copies {
        let (_target, shipped) = bring_back(&log, copy.path(), &OPEN).unwrap();
        let head = shipped.restored.backup.verified.head;
        assert!(head >= last, "later copies have more");
        last = head;
        cut_open_segment(&log, copy.path());
    }
    let torn = copies.last().unwrap();
    log.grow(4);
    let again = ship_to(&log, torn.path(), SealKey::Nobody);
    reaches(&again.status(), log.head());
    again.stop();
    let (_target, shipped) = bring_back(&log, torn.path(), &OPEN).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

/// Cuts the open segment of a folder shorter and shorter.
fn cut_open_segment(log: &Log, folder: &Path) {
    let Some(name) = names(folder).into_iter().find(|name| name.ends_with(".open")) else { return };
    let bytes = fs::read(folder.join(&name)).unwrap();
    for keep in [bytes.len().saturating_sub(1), bytes.len() / 2, 23, 0] {
        fs::write(folder.join(&name), &bytes[..keep.min(bytes.len())]).unwrap();
        bring_back(log, folder, &OPEN).unwrap();
    }
}

#[test]
fn a_folder_with_a_hole_comes_back_up_to_the_hole_and_says_so() {
    let mut log = Log::new(Owner::Alice);
    let mut heads = Vec::new();
    for _ in 0..4 {
        log.grow(5);
        let shipper = ship(&log, SealKey::Nobody);
        reaches(&shipper.status(), log.head());
        heads.push(log.head());
        shipper.stop();
    }
    let folder = log.beside("shipped");
    // Each shipper closes what the one before left open.
    let closed: Vec<String> =
        names(&folder).into_iter().filter(|name| name.ends_with(".log")).collect();
    let victim = closed
        .iter()
        .find(|name| name.starts_with(&format!("segment-{:020}-", heads[0].to_u64() + 1)));
    fs::remove_file(folder.join(victim.unwrap())).unwrap();
    let (_target, shipped) = bring_back(&log, &folder, &OPEN).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, heads[0]);
    assert!(shipped.unreached.is_some());
    // The next shipper sees the hole, and makes a base that needs no segment.
    log.grow(1);
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let (_target, shipped) = bring_back(&log, &folder, &OPEN).unwrap();
    assert_eq!((shipped.restored.backup.verified.head, shipped.unreached), (log.head(), None));
}

#[test]
fn a_folder_with_more_or_of_another_node_is_left_alone() {
    let mut log = Log::new(Owner::Alice);
    log.grow(30);
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let before = names(&log.beside("shipped"));
    let mut behind = Log::new(Owner::Alice);
    behind.grow(3);
    let mut other = Log::new(Owner::Bob);
    other.grow(90);
    for (stranger, words) in [(&behind, "another history"), (&other, "another node")] {
        let shipper = ship_to(stranger, &log.beside("shipped"), SealKey::Nobody);
        let status = shipper.status();
        wait("it is told", || status.trouble().is_some_and(|told| told.contains(words)));
        assert!(status.errors() > 0 && status.head() == EventSeq::ZERO);
        shipper.stop();
    }
    let after = names(&log.beside("shipped"));
    let counted =
        |names: &[String]| names.iter().filter(|name| name.starts_with("segment")).count();
    assert_eq!(counted(&before), counted(&after));
    let (_target, shipped) = bring_back(&log, &log.beside("shipped"), &OPEN).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

#[test]
fn a_folder_that_cannot_be_used_is_told_and_shipped_to_when_it_can() {
    let mut log = Log::new(Owner::Alice);
    log.grow(3);
    let folder = log.beside("shipped");
    fs::write(&folder, b"a file where a folder belongs").unwrap();
    let shipper = ship(&log, SealKey::Nobody);
    let status = shipper.status();
    wait("it is told", || status.trouble().is_some());
    log.grow(2);
    wait("it lags", || status.lag() > Duration::ZERO);
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    reaches(&status, log.head());
    assert_eq!(status.trouble(), None);
    shipper.stop();
    let (_target, shipped) = bring_back(&log, &folder, &OPEN).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

/// Goal: a disk that is not mounted is never taken for an empty folder. Method: the folder is missing, comes, goes while the shipper
/// runs, and comes back; then an empty one lies in its place, as below a mount that was lost.
#[test]
fn a_folder_that_is_missing_is_told_and_never_made() {
    let mut log = Log::new(Owner::Alice);
    log.grow(3);
    let (mount, away) = (log.beside("mount"), log.beside("away"));
    let folder = mount.join("shipped");
    let shipper = ship_to(&log, &folder, SealKey::Nobody);
    let status = shipper.status();
    let is_told = |words: &str| status.trouble().is_some_and(|told| told.contains(words));
    wait("it is told", || status.errors() > 2 && is_told("is not there"));
    assert!(!mount.exists() && status.head() == EventSeq::ZERO);
    fs::create_dir(&mount).unwrap();
    let before = status.errors();
    wait("it is told again", || status.errors() > before && is_told("is not there"));
    assert_eq!(names(&mount), [""; 0]);

    fs::create_dir(&folder).unwrap();
    reaches(&status, log.head());
    assert_eq!((status.trouble(), status.disk()), (None, Disk::Nodes), "all of this is one disk");
    fs::rename(&mount, &away).unwrap();
    fs::create_dir(&mount).unwrap();
    log.grow(4);
    wait("it is missed", || is_told("is not there"));
    assert_eq!(names(&mount), [""; 0]);
    fs::remove_dir(&mount).unwrap();
    fs::rename(&away, &mount).unwrap();
    reaches(&status, log.head());

    fs::rename(&folder, &away).unwrap();
    fs::create_dir(&folder).unwrap();
    log.grow(1);
    reaches(&status, log.head());
    wait("another base is made", || bases(&folder).len() == 1);
    shipper.stop();
    for folder in [&folder, &away] {
        bring_back(&log, folder, &OPEN).unwrap();
    }
}

/// What somebody who may write to the folder puts there.
#[derive(Debug, Clone, Copy)]
enum Put {
    /// A file of nothing that is longer than anything there.
    Sparse,
    /// A pipe that nobody writes to.
    Pipe,
    /// A link to a file that could be read.
    Link,
}

impl Put {
    fn at(self, path: &Path) {
        let _made = fs::create_dir(path.parent().unwrap());
        match self {
            Self::Sparse => fs::File::create(path).unwrap().set_len(1 << 30).unwrap(),
            Self::Pipe => {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
            }
            Self::Link => symlink("/proc/version", path).unwrap(),
        }
    }
}

/// Goal: whatever is put into the folder is told, is not read, and is no reason to stop once it is gone. Method: pipes, links and
/// long files of nothing under every name that is read, each before a shipper begins; then what could be restored still is.
#[test]
fn what_is_no_file_of_ours_is_told_and_never_read() {
    let mut log = Log::new(Owner::Alice);
    log.grow(9);
    let holder = Identities::generate();
    let seal = || SealKey::Recipients(holder.recipients());
    let shipper = ship(&log, seal());
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let folder = log.beside("shipped");
    let closed = "segment-00000000000000000099-00000000000000000100.log";
    let module = format!("modules/{}.wasm", "ab".repeat(32));
    let rows = [
        ("segment-00000000000000000099.open", [Put::Sparse, Put::Pipe, Put::Link]),
        (closed, [Put::Sparse, Put::Pipe, Put::Link]),
        (&*module, [Put::Sparse, Put::Pipe, Put::Link]),
        ("lock", [Put::Pipe, Put::Link, Put::Pipe]),
    ];
    for (name, put) in rows.into_iter().flat_map(|(name, puts)| puts.map(|put| (name, put))) {
        let path = folder.join(name);
        let _removed = fs::remove_file(&path);
        put.at(&path);
        log.grow(1);
        let shipper = ship(&log, seal());
        let status = shipper.status();
        wait("it is told", || status.trouble().is_some());
        let words = status.trouble().unwrap();
        let is_refused = words.contains(name)
            && (words.contains("no regular file") || words.contains("no file of its name"));
        assert!(is_refused, "{name} {put:?}: {words}");
        fs::remove_file(&path).unwrap();
        reaches(&status, log.head());
        shipper.stop();
    }
    Put::Pipe.at(&folder.join(closed));
    Put::Pipe.at(&folder.join(&module));
    Put::Pipe.at(&folder.join("base-00000000000000000100-0.db.json"));
    Put::Pipe.at(&folder.join("base-00000000000000000100-0.db"));
    let (_folder, shipped) = bring_back(&log, &folder, &OpenKey::Identities(holder)).unwrap();
    assert_eq!(shipped.restored.backup.verified.head, log.head());
}

#[test]
fn names_and_manifests_with_the_largest_number_end_no_shipper() {
    let mut log = Log::new(Owner::Alice);
    log.grow(9);
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    log.grow(2);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let folder = log.beside("shipped");
    let segment = folder.join(format!("segment-{:020}-{}.log", 0, u64::MAX));
    fs::write(&segment, b"none").unwrap();
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    fs::remove_file(segment).unwrap();

    let base = folder.join(&bases(&folder)[0]);
    let manifest = fs::read_to_string(format!("{}.json", base.display())).unwrap();
    let head = manifest.lines().find(|line| line.contains("\"head_seq\"")).unwrap();
    let lying = manifest.replace(head, &format!("  \"head_seq\": {},", u64::MAX));
    let other = folder.join("base-00000000000000000099-0.db");
    fs::copy(&base, &other).unwrap();
    fs::write(folder.join("base-00000000000000000099-0.db.json"), lying).unwrap();
    let shipper = ship(&log, SealKey::Nobody);
    let status = shipper.status();
    wait("it is told", || status.trouble().is_some_and(|told| told.contains("another history")));
    fs::remove_file(other).unwrap();
    reaches(&status, log.head());
    shipper.stop();
}

/// Goal: nothing of the node's own is removed, whatever leads to it. Method: the folder of shipped modules, and then the folder
/// itself, are links into the data directory, or the data directory.
#[test]
fn a_folder_that_is_the_nodes_own_or_a_link_is_refused() {
    let mut log = Log::new(Owner::Alice);
    log.grow(9);
    let own = log.data_dir().join("modules");
    let before = names(&own);
    let (folder, link) = (log.beside("shipped"), log.beside("link"));
    let holder = Identities::generate();
    fs::create_dir(&folder).unwrap();
    symlink(&own, folder.join("modules")).unwrap();
    symlink(log.beside("elsewhere"), &link).unwrap();
    fs::create_dir(log.beside("elsewhere")).unwrap();
    let rows = [
        (&folder, "shipped/modules cannot be used"),
        (&link, "link cannot be used"),
        (&own, "the node's own folder"),
        (&log.data_dir(), "the node's own folder"),
    ];
    for (folder, expect) in rows {
        let shipper = ship_to(&log, folder, SealKey::Recipients(holder.recipients()));
        let status = shipper.status();
        wait("it is told", || status.errors() > 2);
        let words = status.trouble().unwrap();
        assert!(words.contains(expect), "{words}");
        shipper.stop();
        assert_eq!(names(&own), before);
    }
    assert_eq!(names(&log.beside("elsewhere")), [""; 0]);
}

#[test]
fn a_shipper_that_was_away_until_the_log_forgot_begins_anew() {
    let mut log = Log::with_history(Owner::Alice, Some(0));
    log.grow(5);
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    for _ in 0..6 {
        log.grow(400);
        log.snapshot();
    }
    log.grow(3);
    assert!(log.reader().oldest().unwrap() > EventSeq::new(7), "something was removed");
    let shipper = ship(&log, SealKey::Nobody);
    reaches(&shipper.status(), log.head());
    shipper.stop();
    let (_target, shipped) = bring_back(&log, &log.beside("shipped"), &OPEN).unwrap();
    assert_eq!((shipped.restored.backup.verified.head, shipped.unreached), (log.head(), None));
}
