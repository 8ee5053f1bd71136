//! Nobody hides what they do behind what they do often.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use axum::body::Body;
use serde_json::Value;
use strait_primitives::RequestKey;

use super::*;

const fn now() -> Timestamp {
    Timestamp::from_unix_ms(7)
}

/// How a call ends.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Ok,
    With(ErrorCode),
    CallerLeaves,
}

/// The root token's call of this kind, about five millisatoshi, under the key with this number.
fn call(log: &AuditLog, kind: Kind, key: u32, ends: Ends) -> Result<(), ErrorCode> {
    let request = Request::post("/").header("idempotency-key", key.to_string());
    let request = request.body(Body::empty()).unwrap();
    let caller = Caller::root();
    let mut call = Call::new(log.clone(), caller.clone(), &request);
    call.kind = kind;
    let mut response = Response::new(Body::empty());
    if let Err(refusal) = call.begin() {
        response.extensions_mut().insert(refusal.code());
        call.answered(&response);
        return Err(refusal.code());
    }
    let mut bytes = [0; RequestKey::LEN];
    bytes[..4].copy_from_slice(&key.to_be_bytes());
    caller.asks(RequestKey::from_bytes(bytes));
    caller.note(Some(5), "c");
    match ends {
        Ends::Ok => call.answered(&response),
        Ends::With(code) => {
            response.extensions_mut().insert(code);
            call.answered(&response);
        }
        Ends::CallerLeaves => drop(call),
    }
    Ok(())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn who_repeats_a_call_without_end_burns_no_line_of_what_they_newly_ask() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    for _ in 0..2_000 {
        call(&log, Kind::Plain, 1, Ends::Ok).unwrap();
        call(&log, Kind::Plain, 2, Ends::CallerLeaves).unwrap();
    }
    call(&log, Kind::Plain, 3, Ends::Ok).unwrap();
    log.tell_counted();
    let told = lines(&path);
    assert_eq!(told.len(), 104, "two, a hundred repetitions, the new one, a sum");
    let repeated = |line: &Value| line["repeated"] == true;
    assert_eq!(told.iter().filter(|line| repeated(line)).count(), 101);
    assert!(told[102]["idempotency_key"] == "3" && !repeated(&told[102]));
    let sum = &told[103];
    assert_eq!((&sum["calls"], &sum["amount_msat"]), (&3_898.into(), &0.into()));
}

#[test]
fn what_may_have_been_done_is_told_again_when_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    for ends in [
        Ends::With(ErrorCode::PeerUnreachable),
        Ends::With(ErrorCode::StillRunning),
        Ends::Ok,
        Ends::With(ErrorCode::Internal),
    ] {
        call(&log, Kind::Moving, 1, ends).unwrap();
    }
    let told = lines(&path);
    let repeated: Vec<bool> = told.iter().map(|line| line["repeated"] == true).collect();
    assert_eq!(repeated, [false, false, false, true]);
}

#[test]
fn who_leaves_early_is_summed_up_with_what_they_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    for key in 0..3_600 {
        call(&log, Kind::Plain, key, Ends::Ok).unwrap();
    }
    for (key, ends) in [
        (4_000, Ends::CallerLeaves),
        (4_001, Ends::With(ErrorCode::StillRunning)),
        (4_002, Ends::With(ErrorCode::Internal)),
        (4_003, Ends::With(ErrorCode::InsufficientBalance)),
    ] {
        call(&log, Kind::Plain, key, ends).unwrap();
    }
    log.tell_counted();
    let told = lines(&path);
    let sum = told.last().unwrap();
    assert_eq!((&sum["calls"], &sum["amount_msat"]), (&3.into(), &15.into()));
}

#[test]
fn what_moves_money_has_a_line_of_its_own_or_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::open(&path, now).unwrap();
    let takes = |kind| log.lock().shares.takes_line(None, kind, now());
    while takes(Kind::Plain) || takes(Kind::Ruling) {}
    call(&log, Kind::Moving, 1, Ends::CallerLeaves).unwrap();
    assert_eq!(lines(&path).len(), 1, "no other kind takes its lines");
    while takes(Kind::Moving) {}
    for _ in 0..2 {
        log.lock().shares.returns_line(None, Kind::Moving);
    }
    for (key, ends) in [
        (2, Ends::With(ErrorCode::InsufficientBalance)),
        (3, Ends::With(ErrorCode::InsufficientBalance)),
        (4, Ends::Ok),
        (4, Ends::Ok),
        (4, Ends::CallerLeaves),
        (5, Ends::Ok),
    ] {
        assert_eq!(call(&log, Kind::Moving, key, ends), Ok(()), "{key}");
    }
    assert_eq!(call(&log, Kind::Moving, 6, Ends::Ok), Err(ErrorCode::RateLimited));
    let told = lines(&path);
    let new = told.iter().filter(|line| line["repeated"] != true);
    let keys: Vec<&str> = new.filter_map(|line| line["idempotency_key"].as_str()).collect();
    assert_eq!(keys, ["1", "4", "5"]);
}

#[test]
fn a_sum_that_cannot_be_written_is_counted_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    symlink("/dev/null", &path).unwrap();
    let log = AuditLog::open(&path, now).unwrap();
    for key in 0..3_610 {
        call(&log, Kind::Plain, key, Ends::Ok).unwrap();
    }
    fs::remove_file(&path).unwrap();
    symlink("/dev/full", &path).unwrap();
    log.reopen(&path).unwrap();
    log.tell_counted();
    let refused = call(&log, Kind::Plain, 4_000, Ends::Ok);
    assert_eq!(refused, Err(ErrorCode::AuditUnavailable));
    fs::remove_file(&path).unwrap();
    call(&log, Kind::Plain, 4_001, Ends::Ok).unwrap();
    log.tell_counted();
    let told = lines(&path);
    let sum = told.iter().find(|line| line["codes"]["OK"] == 11).unwrap();
    assert_eq!(sum["amount_msat"], 55);
}

#[test]
fn a_peer_that_was_not_reached_is_told_as_done_since_it_is_dialled_from_then_on() {
    assert_eq!(fate_of(ErrorCode::PeerUnreachable), Fate::Done(End::Open));
    assert_eq!(fate_of(ErrorCode::InsufficientBalance), Fate::Refused);
}
