//! One event, one record.

use strait_engine::{Event, NodeState};
use strait_log::{Record, RecordKind, RecordVersion, Snapshot};
use strait_primitives::{EventSeq, Timestamp};
use thiserror::Error;

/// The layout that this version writes.
pub(crate) const VERSION: RecordVersion = RecordVersion(1);

/// Why a record or snapshot cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A newer version of this program wrote it.
    #[error("event {seq} has layout {version}, this version reads up to {newest}")]
    Version {
        /// Where.
        seq: EventSeq,
        /// Its layout.
        version: u16,
        /// The newest layout known here.
        newest: u16,
    },
    /// The bytes are not what kind and version promise.
    #[error("event {seq} of kind {kind} cannot be read")]
    Payload {
        /// Where.
        seq: EventSeq,
        /// Its kind.
        kind: u16,
        /// What is wrong, and where in the bytes.
        #[source]
        source: minicbor::decode::Error,
    },
    /// The envelope names another kind than the event inside has.
    #[error("event {seq} says it is of kind {said} and is of kind {is}")]
    Kind {
        /// Where.
        seq: EventSeq,
        /// What the envelope says.
        said: u16,
        /// What the payload is.
        is: u16,
    },
}

const fn kind_of(event: &Event) -> RecordKind {
    RecordKind(match event {
        Event::Channel { .. } => 0,
        Event::Wallet(_) => 1,
        Event::BlockConnected { .. } => 2,
        Event::BlockDisconnected { .. } => 3,
        Event::PeerKnown { .. } => 4,
        Event::ModuleAdded { .. } => 5,
        Event::RequestBegun { .. } => 6,
        Event::Watch { .. } => 7,
        Event::RequestsFailed { .. } => 8,
        Event::ClockNoted { .. } => 9,
        Event::Payment(_) => 10,
        Event::Token(_) => 12,
        Event::Restored { .. } => RecordKind::RESTORED.0,
    })
}

/// A kind's name, for logs and metrics.
#[must_use]
pub const fn kind_name(kind: RecordKind) -> &'static str {
    match kind.0 {
        0 => "channel",
        1 => "wallet",
        2 => "block_connected",
        3 => "block_disconnected",
        4 => "peer_known",
        5 => "module_added",
        6 => "request_begun",
        7 => "watch",
        8 => "requests_failed",
        9 => "clock_noted",
        10 => "payment",
        11 => "restored",
        12 => "token",
        _ => "unknown",
    }
}

/// Puts an event into its envelope.
///
/// # Panics
/// Never: writing to memory cannot fail.
#[must_use]
pub fn encode(event: &Event, seq: EventSeq, at: Timestamp) -> Record {
    let payload = minicbor::to_vec(event).expect("writing to memory cannot fail");
    Record { seq, at, kind: kind_of(event), version: VERSION, payload }
}

/// Takes an event out of its envelope.
///
/// # Errors
/// [`DecodeError`] if it is of a later version, or damaged.
pub fn decode(record: &Record) -> Result<Event, DecodeError> {
    check_version(record.seq, record.version)?;
    let event: Event = minicbor::decode(&record.payload)
        .map_err(|source| DecodeError::Payload { seq: record.seq, kind: record.kind.0, source })?;
    let is = kind_of(&event);
    if is != record.kind {
        return Err(DecodeError::Kind { seq: record.seq, said: record.kind.0, is: is.0 });
    }
    Ok(event)
}

/// Saves a fold.
///
/// # Panics
/// Never: writing to memory cannot fail.
#[must_use]
pub fn encode_snapshot(state: &NodeState, seq: EventSeq) -> Snapshot {
    let payload = minicbor::to_vec(state).expect("writing to memory cannot fail");
    Snapshot { seq, version: VERSION, payload }
}

/// Reads a saved fold.
///
/// # Errors
/// [`DecodeError`] if it is of a later version, or damaged.
pub fn decode_snapshot(snapshot: &Snapshot) -> Result<NodeState, DecodeError> {
    check_version(snapshot.seq, snapshot.version)?;
    minicbor::decode(&snapshot.payload).map_err(|source| DecodeError::Payload {
        seq: snapshot.seq,
        kind: u16::MAX,
        source,
    })
}

fn check_version(seq: EventSeq, version: RecordVersion) -> Result<(), DecodeError> {
    if version > VERSION {
        return Err(DecodeError::Version { seq, version: version.0, newest: VERSION.0 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_primitives::ModuleHash;

    fn sample() -> Event {
        Event::ModuleAdded { module: ModuleHash::from_bytes([7; 32]), size_bytes: 3 }
    }

    #[test]
    fn an_event_comes_back_from_its_envelope() {
        let record = encode(&sample(), EventSeq::new(3), Timestamp::from_unix_ms(5));
        assert_eq!(decode(&record).unwrap(), sample());
        assert_eq!(kind_name(record.kind), "module_added");
    }

    #[test]
    fn a_later_layout_a_wrong_kind_and_damage_are_told_apart() {
        let sound = encode(&sample(), EventSeq::new(3), Timestamp::default());
        let later = Record { version: RecordVersion(2), ..sound.clone() };
        assert!(matches!(decode(&later), Err(DecodeError::Version { version: 2, .. })));
        let other = Record { kind: RecordKind(1), ..sound.clone() };
        assert!(matches!(decode(&other), Err(DecodeError::Kind { said: 1, is: 5, .. })));
        let damaged = Record { payload: vec![0xff], ..sound };
        assert!(matches!(decode(&damaged), Err(DecodeError::Payload { .. })));
    }

    #[test]
    fn an_empty_state_comes_back_from_its_snapshot() {
        let snapshot = encode_snapshot(&NodeState::default(), EventSeq::new(9));
        assert_eq!(decode_snapshot(&snapshot).unwrap(), NodeState::default());
    }
}
