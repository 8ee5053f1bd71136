//! Records of the log: every event of every machine, as a start reads them from a disk.

use strait_log::{Record, RecordKind, RecordVersion};
use strait_primitives::{EventSeq, Timestamp};
use strait_store::{decode, encode};

/// Reads the first four bytes as kind and version of a record and the rest as its payload. An event that comes of it
/// survives its own encoding.
///
/// # Panics
/// If that promise is broken.
pub fn store_record(data: &[u8]) {
    let Some((&[kind_high, kind_low, version_high, version_low], payload)) =
        data.split_first_chunk()
    else {
        return;
    };
    let (seq, at) = (EventSeq::new(1), Timestamp::default());
    let record = Record {
        seq,
        at,
        kind: RecordKind(u16::from_be_bytes([kind_high, kind_low])),
        version: RecordVersion(u16::from_be_bytes([version_high, version_low])),
        payload: payload.to_vec(),
    };
    let Ok(event) = decode(&record) else { return };
    let written = encode(&event, seq, at);
    assert_eq!(written.kind, record.kind, "an event has one kind");
    let again = decode(&written).expect("what we write can be read");
    assert_eq!(again, event, "decoding undoes encoding");
    assert_eq!(encode(&again, seq, at), written, "one event, one record");
}
