//! `strait devnet`: what it says, and when it stops.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::processes::{Guarded, signal, strait, wait_for};

/// Starts a devnet, reads its address, does something, and expects it to stop cleanly and to take its cookie along.
fn check(stop: impl FnOnce(&mut Guarded)) {
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join("cookie");
    let child = strait()
        .args(["devnet", "--listen", "127.0.0.1:0", "--stop-with-stdin", "--cookie-file"])
        .arg(&cookie)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut devnet = Guarded(child);
    let mut line = String::new();
    BufReader::new(devnet.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("http://127.0.0.1:").unwrap();
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    assert!(cookie.exists());
    stop(&mut devnet);
    let status = wait_for("the devnet's end", || devnet.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert!(!cookie.exists());
}

#[test]
fn a_devnet_stops_on_signals_and_with_its_stdin() {
    check(|devnet| signal("INT", devnet.0.id()));
    check(|devnet| signal("TERM", devnet.0.id()));
    check(|devnet| drop(devnet.0.stdin.take()));
}

#[test]
fn a_devnet_lets_in_who_knows_the_credentials_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    for (text, right) in [("user:password\n", true), ("nonsense", false)] {
        std::fs::write(&file, text).unwrap();
        let output = strait()
            .args(["devnet", "--listen", "127.0.0.1:0", "--stop-with-stdin", "--credentials-file"])
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), right, "{words}");
        assert_eq!(words.contains("does not hold user:password"), !right, "{words}");
    }
}
