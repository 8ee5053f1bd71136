//! The bytes of every event, pinned in `tests/golden/records.txt`: a log that a released version wrote must be read by
//! every later one, so a change of these bytes is a new version of the record and never an edit of this file.
//!
//! Method: one sample of every event, with every optional field present, is encoded and compared with its line; the line
//! is decoded and compared with the sample. `STRAIT_GOLDEN=write` rewrites the file; that is right until the first release.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use strait_channel::ChannelEvent;
use strait_engine::Event;
use strait_log::{Record, RecordKind, RecordVersion};
use strait_primitives::{EventSeq, Timestamp};
use strait_store::{decode, encode};
use strait_watcher::WatchEvent;

use crate::{channel_events, node_events, watch_events};

/// Kinds of the envelope, events of a channel, events of a watcher: every index up to the last one is in use.
const KINDS: u16 = 13;
const CHANNEL_EVENTS: u16 = 23;
const WATCH_EVENTS: u16 = 8;

/// The kind of an event in its envelope. A new event does not compile before it has a place here, and so a sample.
const fn kind(event: &Event) -> u16 {
    match event {
        Event::Channel { .. } => 0,
        Event::Wallet(_) => 1,
        Event::BlockConnected { .. } => 2,
        Event::BlockDisconnected { .. } => 3,
        Event::PeerKnown { .. } => 4,
        Event::Token(_) => 12,
        Event::ModuleAdded { .. } => 5,
        Event::RequestBegun { .. } => 6,
        Event::Watch { .. } => 7,
        Event::RequestsFailed { .. } => 8,
        Event::ClockNoted { .. } => 9,
        Event::Payment(_) => 10,
        Event::Restored { .. } => 11,
    }
}

/// The index of a channel's event, as `docs/storage-format.md` lists them.
const fn channel_index(event: &ChannelEvent) -> u16 {
    match event {
        ChannelEvent::Offered { .. } => 0,
        ChannelEvent::Answered { .. } => 1,
        ChannelEvent::OpeningSigned { .. } => 2,
        ChannelEvent::Opened { .. } => 3,
        ChannelEvent::Abandoned { .. } => 4,
        ChannelEvent::FundingConfirmed { .. } => 5,
        ChannelEvent::FundingUnconfirmed => 6,
        ChannelEvent::Proposed { .. } => 7,
        ChannelEvent::Accepted { .. } => 8,
        ChannelEvent::Revoked { .. } => 9,
        ChannelEvent::Finalized { .. } => 10,
        ChannelEvent::ContractOffered { .. } => 11,
        ChannelEvent::ContractAgreed { .. } => 12,
        ChannelEvent::ContractRefused { .. } => 13,
        ChannelEvent::ShutdownSent { .. } => 14,
        ChannelEvent::ShutdownReceived { .. } => 15,
        ChannelEvent::CloseAgreed { .. } => 16,
        ChannelEvent::ForceClosed { .. } => 17,
        ChannelEvent::DataLost { .. } => 18,
        ChannelEvent::Spent { .. } => 19,
        ChannelEvent::Unspent => 20,
        ChannelEvent::Resolved { .. } => 21,
        ChannelEvent::RecoveryChosen { .. } => 22,
    }
}

/// The index of a watcher's event.
const fn watch_index(event: &WatchEvent) -> u16 {
    match event {
        WatchEvent::FundingSpent(_) => 0,
        WatchEvent::OutputSpent { .. } => 1,
        WatchEvent::BlockDisconnected { .. } => 2,
        WatchEvent::ClaimPlanned(_) => 3,
        WatchEvent::OutputLeft { .. } => 4,
        WatchEvent::PreimageSeen { .. } => 5,
        WatchEvent::ChildPlanned { .. } => 6,
        WatchEvent::CloseLeft { .. } => 7,
    }
}

/// Every sample with its name.
fn samples() -> Vec<(String, Event)> {
    let channel = channel_events::CHANNEL;
    let mut all = Vec::new();
    for event in channel_events::samples() {
        let name = format!("channel {}", channel_index(&event));
        all.push((name, Event::Channel { channel, event }));
    }
    for event in watch_events::samples() {
        let name = format!("watch {}", watch_index(&event));
        all.push((name, Event::Watch { channel, event }));
    }
    for event in node_events::samples() {
        all.push((format!("node {}", kind(&event)), event));
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit));
    digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
}

/// One sample as its line: its name, its kind and version in the envelope, and its payload.
fn line(name: &str, event: &Event) -> String {
    let record = encode(event, EventSeq::new(1), Timestamp::default());
    let RecordVersion(version) = record.version;
    format!("{name}: {}.{version} {}", record.kind.0, hex(&record.payload))
}

#[test]
fn every_event_has_the_bytes_it_had_before() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records.txt");
    let made: Vec<String> = samples().iter().map(|(name, event)| line(name, event)).collect();
    if std::env::var("STRAIT_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, made.join("\n") + "\n").unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    let pinned: Vec<&str> = text.lines().collect();
    assert_eq!(made, pinned, "the storage format changed");
    for ((name, event), line) in samples().into_iter().zip(pinned) {
        let (_, record) = line.split_once(": ").unwrap();
        let (envelope, payload) = record.split_once(' ').unwrap();
        let (kind, version) = envelope.split_once('.').unwrap();
        let record = Record {
            seq: EventSeq::new(1),
            at: Timestamp::default(),
            kind: RecordKind(kind.parse().unwrap()),
            version: RecordVersion(version.parse().unwrap()),
            payload: bytes(payload),
        };
        assert_eq!(decode(&record).unwrap(), event, "{name}");
    }
}

#[test]
fn every_event_has_a_sample() {
    let kinds: BTreeSet<u16> = samples().iter().map(|(_, event)| kind(event)).collect();
    assert_eq!(kinds, (0..KINDS).collect());
    let channel: BTreeSet<u16> = channel_events::samples().iter().map(channel_index).collect();
    assert_eq!(channel, (0..CHANNEL_EVENTS).collect());
    let watch: BTreeSet<u16> = watch_events::samples().iter().map(watch_index).collect();
    assert_eq!(watch, (0..WATCH_EVENTS).collect());
}
