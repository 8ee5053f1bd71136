//! What reaches the files of the audit log, and what never pushes out what.

use std::fs;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;
use strait_api_types::ErrorCode;

use super::*;
use crate::caller::Caller;

const fn now() -> Timestamp {
    Timestamp::from_unix_ms(7)
}

/// The root token's call with this key, answered with this code.
fn call(log: &AuditLog, key: &str, code: Option<ErrorCode>) {
    let request = Request::post("/v1/payments").header("idempotency-key", key);
    let request = request.body(Body::empty()).unwrap();
    let caller = Caller::root();
    caller.note(Some(5), "c");
    let mut response = Response::new(Body::empty());
    if let Some(code) = code {
        response.extensions_mut().insert(code);
    }
    Call::new(log.clone(), caller, &request).answered(&response);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_refused_pushes_out_nothing_that_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    // A single line more would move the file aside.
    let log = AuditLog::open_up_to(&path, now, 1).unwrap();
    call(&log, "paid", None);
    for number in 0..2_000 {
        call(&log, &format!("refused-{number}"), Some(ErrorCode::InsufficientBalance));
    }
    let done = lines(&path);
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["idempotency_key"], "paid");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "two files and no older ones");
    assert_eq!(lines(&refused_of(&path)).len(), 100);
    log.tell_counted();
    let refused = lines(&refused_of(&path));
    let sum = refused.last().unwrap();
    assert_eq!(
        (refused.len(), &sum["calls"], &sum["amount_msat"]),
        (101, &1_900.into(), &0.into())
    );
    assert_eq!(sum["codes"]["INSUFFICIENT_BALANCE"], 1_900);
    assert_eq!((&sum["token_id"], &sum["from_ms"]), (&"root".into(), &7.into()));
}

#[test]
fn a_flood_of_calls_that_were_done_is_told_in_lines_and_sums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    for _ in 0..3_610 {
        call(&log, &"k".repeat(255), None);
    }
    call(&log, "k", Some(ErrorCode::StillRunning));
    log.tell_counted();
    let told = lines(&path);
    assert_eq!(told.len(), 3_601);
    let sum = told.last().unwrap();
    assert_eq!((&sum["calls"], &sum["amount_msat"]), (&11.into(), &55.into()));
    assert_eq!((&sum["codes"]["OK"], &sum["codes"]["STILL_RUNNING"]), (&10.into(), &1.into()));
    let longest = fs::read_to_string(&path).unwrap().lines().map(str::len).max().unwrap();
    assert!(longest < 1_000, "{longest}");
}

#[test]
fn a_file_that_was_moved_is_made_anew_and_one_that_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    call(&log, "a", None);
    fs::rename(&path, folder.path().join("moved")).unwrap();
    log.reopen(&path).unwrap();
    call(&log, "b", None);
    assert_eq!(lines(&path)[0]["idempotency_key"], "b");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(log.reopen(&path).is_err());
    // The old file is still open, but for what happens next.
    log.lock().done.lose();
    assert!(log.lock().done.ready().is_err(), "nothing is taken up while nothing can be told");
    fs::remove_dir(&path).unwrap();
    log.lock().done.ready().unwrap();
}

#[test]
fn a_target_is_plain_and_bounded_whatever_it_was() {
    let caller = Caller::root();
    caller.note(None, format!("bc1q\u{202e}\n\u{7f}{}", "é".repeat(600)));
    let target = &caller.noted().unwrap().target;
    assert!(target.starts_with("bc1q???") && target.len() <= 512, "{target}");
    assert!(!target.chars().any(char::is_control));
}
