//! `backup.sh` as operators and timers run it: the real script, the real binary, a node that runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use strait_backup::Manifest;
use strait_seal::Identities;
use strait_testkit::TestDevnet;
use tempfile::TempDir;

use crate::nodes::{Backend, Node};
use crate::processes::{Guarded, running_in, signal, strait};

/// A node, and a folder for its backups.
struct World {
    node: Node,
    devnet: TestDevnet,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let devnet = TestDevnet::start();
        let folder = tempfile::tempdir().unwrap();
        let node = Node::start(&backend(&devnet, folder.path())).await;
        let world = Self { node, devnet, folder };
        // As its operator does, once.
        fs::create_dir(world.backups()).unwrap();
        world
    }

    fn backups(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    /// The script on this node and folder.
    fn script(&self) -> Command {
        script(&self.node.config(), &self.backups())
    }

    /// Runs it at a moment.
    fn run_at(&self, now: &str, arguments: &[&str]) -> Output {
        self.script().env("STRAIT_BACKUP_NOW", now).args(arguments).output().unwrap()
    }

    /// Runs it, with an exit code that must be right; its words.
    fn run(&self, arguments: &[&str], code: i32) -> String {
        told(&self.script().args(arguments).output().unwrap(), code)
    }

    /// Names of what is in the folder of backups, hidden ones too but for the lock.
    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.backups()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != ".lock").collect()
    }

    /// Writes a secret that only its owner reads.
    fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Puts a program in the place of `strait`.
    fn instead_of_strait(&self, body: &str) -> PathBuf {
        let path = self.folder.path().join("instead");
        let real = env!("CARGO_BIN_EXE_strait");
        fs::write(&path, format!("#!/usr/bin/env bash\nset -euo pipefail\nreal={real}\n{body}\n"))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }
}

fn backend(devnet: &TestDevnet, folder: &Path) -> Backend {
    let cookie = folder.join("cookie");
    fs::write(&cookie, format!("{}:{}", devnet.user(), devnet.password())).unwrap();
    Backend { url: devnet.rpc_url(), cookie, rpc: devnet.client() }
}

/// The script, with nothing of this process's environment that it heeds.
fn script(config: &Path, to: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backup.sh");
    let mut command = Command::new(script);
    for (name, _value) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRAIT_") {
            command.env_remove(name);
        }
    }
    command.env("STRAIT_BIN", env!("CARGO_BIN_EXE_strait")).arg("--config").arg(config);
    command.arg("--to").arg(to).stdin(Stdio::null());
    command
}

/// The words of a run that must have ended with this code.
fn told(run: &Output, code: i32) -> String {
    let words = [&run.stdout[..], &run.stderr[..]].concat();
    let words = String::from_utf8(words).unwrap();
    assert_eq!(run.status.code(), Some(code), "{words}");
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_days_and_four_weeks_stay_and_what_was_taken_by_hand() {
    let world = World::start().await;
    let mut days = vec!["10-01", "10-08", "10-15", "10-22", "10-29"];
    days.extend(["11-02", "11-03", "11-04", "11-05", "11-06", "11-07", "11-08", "11-09", "11-10"]);
    for (number, day) in days.iter().enumerate() {
        let now = format!("2026-{day}T03:00:00Z");
        told(&world.run_at(&now, &["daily"]), 0);
        if number == 0 {
            told(&world.run_at("2026-10-01T05:00:00Z", &["now"]), 0);
        }
    }
    let kept = ["10-22", "10-29", "11-04", "11-05", "11-06", "11-07", "11-08", "11-09", "11-10"];
    let mut expect: BTreeSet<String> =
        kept.iter().map(|day| format!("daily-2026-{day}T030000Z")).collect();
    expect.insert("now-2026-10-01T050000Z".to_owned());
    assert_eq!(world.names(), expect, "9 November is a Monday");

    let list = world.run(&["list"], 0);
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!(rows.len(), expect.len() + 1, "{list}");
    assert!(rows[1].starts_with("daily-2026-11-10T030000Z"), "newest first: {list}");

    let words = told(&world.run_at("2026-11-09T12:00:00Z", &["daily"]), 3);
    assert!(words.contains("is the clock right?"), "{words}");
    assert_eq!(world.names(), expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_less_or_of_another_node_takes_nobodys_place() {
    let world = World::start().await;
    told(&world.run_at("2026-11-01T03:00:00Z", &["daily"]), 0);
    let monday = world.backups().join("daily-2026-11-01T030000Z/strait.db");
    for _ in 0..3 {
        world.node.address().await;
    }
    told(&world.run_at("2026-11-02T03:00:00Z", &["daily"]), 0);
    let before = world.names();

    let stranger = Node::start(&backend(&world.devnet, world.folder.path())).await;
    let run = script(&stranger.config(), &world.backups()).arg("daily").output().unwrap();
    let words = told(&run, 3);
    assert!(words.contains("another node"), "{words}");
    let verify = |config: &Path, data_dir: &Path, arguments: &[&str], code| {
        let mut script = script(config, &world.backups());
        script.env("STRAIT_DATA_DIR", data_dir).args(arguments);
        told(&script.output().unwrap(), code)
    };
    let (strangers, home) = (stranger.config(), stranger.data_dir());
    let words = verify(&strangers, &home, &["verify"], 3);
    assert!(words.contains("it is another node's") && words.contains("other node"), "{words}");
    verify(&strangers, &home, &["verify", "--alone"], 0);

    let older = tempfile::tempdir().unwrap();
    let mut restore = strait();
    restore.arg("restore").arg("--config").arg(world.node.config()).arg(&monday);
    told(&restore.env("STRAIT_DATA_DIR", older.path()).output().unwrap(), 0);
    let run = world.script().env("STRAIT_DATA_DIR", older.path()).arg("daily").output().unwrap();
    let words = told(&run, 3);
    assert!(words.contains("must not take its place"), "{words}");
    let words = verify(&world.node.config(), older.path(), &["verify"], 3);
    assert!(words.contains("knows less than its backup"), "{words}");
    verify(&world.node.config(), older.path(), &["verify", "--alone"], 0);
    verify(&world.node.config(), older.path(), &["verify", "daily-2026-11-01T030000Z"], 0);
    assert_eq!(world.names(), before, "nothing came, nothing went");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_backup_is_proved_beside_its_node_and_restored_when_that_is_stopped() {
    let mut world = World::start().await;
    let holder = Identities::generate();
    let recipient = holder.recipients()[0].to_string();
    let identity = world.secret("identity", &holder.expose_text());
    let stranger = world.secret("stranger", &Identities::generate().expose_text());
    world.run(&["--recipient", &recipient, "daily"], 0);
    let name = world.names().first().unwrap().clone();
    let file = world.backups().join(&name).join("strait.db.age");
    let (identity, stranger) = (identity.to_str().unwrap(), stranger.to_str().unwrap());
    for _ in 0..3 {
        world.node.address().await;
    }
    let words = world.run(&["--identity", identity, "verify"], 0);
    assert!(words.contains("equal"), "{words}");
    world.run(&["verify"], 2);
    let words = world.run(&["--identity", stranger, "verify", &name], 1);
    assert!(words.contains("none of the identities"), "{words}");
    let words = world.run(&["--identity", identity, "restore", &name], 1);
    assert!(words.contains("in use"), "{words}");

    let sound = fs::read(&file).unwrap();
    let mut spoiled = sound.clone();
    *spoiled.last_mut().unwrap() ^= 1;
    fs::write(&file, &spoiled).unwrap();
    let words = world.run(&["--identity", identity, "verify"], 1);
    assert!(words.contains("not what its manifest says"), "{words}");
    fs::write(&file, &sound).unwrap();

    let id = world.node.id().to_owned();
    world.node.stop().await;
    let words = world.run(&["--identity", identity, "restore", &name], 1);
    assert!(words.contains("exists"), "a folder with a log takes none: {words}");
    for entry in fs::read_dir(world.node.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.file_name().unwrap() != "seed" {
            fs::remove_file(path).unwrap();
        }
    }
    world.run(&["--identity", identity, "restore", &name], 0);
    // Where its name cannot be noted for its next backup it starts all the same.
    fs::create_dir(world.node.data_dir().join("node-id")).unwrap();
    world.node.restart().await;
    assert_eq!(world.node.id(), id);
}

/// Goal: the backup of a node that works is proved while it goes on, and the node tells of it. Method: its log grows as fast as
/// requests are answered, while the script takes a backup and verifies it; both say where the backup ends, and the log of the
/// node has the same state there; metrics have what the manifest has.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_nodes_backup_is_proved_at_the_place_it_names_and_told_in_its_metrics() {
    let world = World::start().await;
    let scrape = world.node.scrape();
    assert!(scrape.contains("strait_backup_last_success_timestamp_seconds 0"), "{scrape}");
    let load = async {
        loop {
            world.node.address().await;
        }
    };
    let ran = async |command: &str| {
        let mut script = tokio::process::Command::from(world.script());
        told(&script.arg(command).output().await.unwrap(), 0)
    };
    let work = async {
        let made = ran("daily").await;
        (made, ran("verify").await)
    };
    let (made, verified) = tokio::select! {
        () = load => unreachable!("it has no end"),
        words = work => words,
    };

    let name = world.names().first().unwrap().clone();
    let manifest = world.backups().join(name).join("strait.db.json");
    let manifest = Manifest::read(&manifest).unwrap();
    let (head, state) = (manifest.head.to_string(), manifest.state_hash.to_string());
    for words in [&made, &verified] {
        assert_eq!((field(words, "head_seq"), field(words, "state_hash")), (&*head, &*state));
    }
    assert_eq!(field(&verified, "live_log"), "equal");
    let hash = |at: &[&str]| {
        let mut hash = strait();
        hash.args(["log", "hash", "--config"]).arg(world.node.config()).args(at);
        told(&hash.output().unwrap(), 0)
    };
    assert_eq!(field(&hash(&["--at", &head]), "state_hash"), state);
    assert_ne!(field(&hash(&[]), "state_hash"), state, "the node has gone on");

    let seconds = manifest.taken.to_unix_ms() / 1_000;
    world.node.tells("strait_backup_last_success_timestamp_seconds", seconds).await;
    world.node.tells("strait_backup_last_bytes", manifest.bytes).await;
}

/// The value of a field in what was told.
fn field<'a>(words: &'a str, name: &str) -> &'a str {
    let value = words.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_else(|| panic!("no {name} in {words}")).trim()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_to_a_passphrase_opens_with_that_and_with_no_other() {
    let world = World::start().await;
    let right = world.secret("right", "a phrase of several words");
    let wrong = world.secret("wrong", "a phrase of other words");
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    world.run(&["--passphrase-file", right, "now"], 0);
    world.run(&["--passphrase-file", right, "verify"], 0);
    let words = world.run(&["--passphrase-file", wrong, "verify"], 1);
    assert!(words.contains("passphrase does not open it"), "{words}");
    fs::set_permissions(right, fs::Permissions::from_mode(0o644)).unwrap();
    let words = world.run(&["--passphrase-file", right, "verify"], 1);
    assert!(words.contains("600 is right"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_leaves_nothing_that_counts_and_two_never_run_at_once() {
    let world = World::start().await;
    let killed = world.instead_of_strait("\"$real\" \"$@\"\nkill -KILL $PPID");
    let run = world.script().env("STRAIT_BIN", &killed).arg("daily").output().unwrap();
    assert_eq!(run.status.code(), None, "it was killed");
    assert!(world.names().iter().all(|name| name.starts_with(".partial-")), "{:?}", world.names());
    assert_eq!(world.run(&["list"], 0).lines().count(), 1, "a heading");

    let hangs = world.instead_of_strait(&format!(
        "echo here >&2\nexec tail -f {:?}",
        world.folder.path().join("cookie")
    ));
    let mut first = world.script();
    first.env("STRAIT_BIN", &hangs).arg("daily").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut first = Guarded(first.spawn().unwrap());
    let mut said = [0; 1];
    first.0.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    let words = world.run(&["daily"], 4);
    assert!(words.contains("another run"), "{words}");
    let cookie = world.folder.path().join("cookie");
    let hanging = |(_, line): &&(u32, String)| {
        line.starts_with("tail") && line.contains(cookie.to_str().unwrap())
    };
    let tail = running_in(world.folder.path()).iter().find(hanging).unwrap().0;
    signal("TERM", tail);
    assert_eq!(first.0.wait().unwrap().code(), Some(1));

    world.run(&["daily"], 0);
    let names = world.names();
    assert!(names.len() == 1 && names.first().unwrap().starts_with("daily-"), "{names:?}");
    let fails = world.instead_of_strait("exit 1");
    // Later than the one before, by more than the second that a name tells.
    let mut later = world.script();
    later.env("STRAIT_BIN", fails).env("STRAIT_BACKUP_NOW", "2126-11-01T03:00:00Z");
    told(&later.arg("now").output().unwrap(), 1);
    assert_eq!(world.names(), names, "a run that fails leaves nothing");
}

#[test]
fn wrong_usage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], code| {
        let run = script(Path::new("/none"), folder.path()).args(arguments).output().unwrap();
        told(&run, code)
    };
    assert!(run(&["--help"], 0).contains("The seed is never in it"));
    for wrong in [
        &[][..],
        &["daily", "--alone"],
        &["weekly"],
        &["daily", "twice"],
        &["--recipient"],
        &["--what", "daily"],
    ] {
        assert!(run(wrong, 2).contains("--help"), "{wrong:?}");
    }
    run(&["verify"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_refused_and_never_made() {
    let world = World::start().await;
    fs::remove_dir(world.backups()).unwrap();
    for command in ["daily", "now", "list", "verify", "restore"] {
        let words = world.run(&[command], 3);
        assert!(words.contains("is not there") && words.contains("mount"), "{words}");
        assert!(!world.backups().exists(), "{command}");
    }
    fs::create_dir(world.backups()).unwrap();
    let words = world.run(&["daily"], 0);
    assert!(words.contains("lies on the disk of the log itself"), "{words}");
}

/// Goal: who can write the folder of backups gets nothing run and nothing emptied. Method: a manifest whose number is an
/// expression that bash would run, and a lock that leads to another file.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_folder_is_neither_run_nor_followed() {
    let world = World::start().await;
    told(&world.run_at("2026-11-01T03:00:00Z", &["daily"]), 0);
    let manifest = world.backups().join("daily-2026-11-01T030000Z/strait.db.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let ran = world.folder.path().join("ran");
    let line = text.lines().find(|line| line.contains("\"head_seq\"")).unwrap();
    let hostile = format!("  \"head_seq\": a[$(touch {})],", ran.display());
    fs::write(&manifest, text.replace(line, &hostile)).unwrap();
    for command in ["daily", "list"] {
        let words = world.run(&[command], 1);
        assert!(words.contains("no number for head_seq"), "{words}");
    }
    assert!(!ran.exists(), "it was run");

    let victim = world.secret("victim", "all the money");
    let lock = world.backups().join(".lock");
    fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    assert!(world.run(&["now"], 3).contains("is a link"));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "all the money");
}
