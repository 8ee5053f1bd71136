//! Processes of the binary under test, and a look at what runs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it stuck. Debug builds on a busy machine are slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A child that is killed when the test lets go of it.
pub(crate) struct Guarded(pub(crate) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the binary under test is: the one that was built with the tests, or the one that `STRAIT_BIN` names. So that a
/// release is measured without the tests being built as one.
pub(crate) fn binary() -> OsString {
    env::var_os("STRAIT_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_strait").into())
}

/// The binary under test.
pub(crate) fn strait() -> Command {
    Command::new(binary())
}

/// Ids and command lines of running processes that were started with a path inside this folder.
pub(crate) fn running_in(folder: &Path) -> Vec<(u32, String)> {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(folder).then_some((id, line))
    });
    processes.collect()
}

/// Looks until there is something to see.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a test's patience is measured in real time")]
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        #[expect(clippy::disallowed_methods, reason = "a test's patience is measured in real time")]
        let now = Instant::now();
        assert!(now < deadline, "{what} did not happen within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {id}");
}
