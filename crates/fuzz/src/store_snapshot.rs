//! Snapshots: the whole state of a node, as a start reads it from a disk.

use strait_log::{RecordVersion, Snapshot};
use strait_primitives::EventSeq;
use strait_store::{decode_snapshot, encode_snapshot};

/// Reads the first two bytes as the version of a snapshot and the rest as its payload. A state that comes of it survives
/// its own encoding.
///
/// # Panics
/// If that promise is broken.
pub fn store_snapshot(data: &[u8]) {
    let Some((version, payload)) = data.split_first_chunk() else { return };
    let seq = EventSeq::new(1);
    let version = RecordVersion(u16::from_be_bytes(*version));
    let snapshot = Snapshot { seq, version, payload: payload.to_vec() };
    let Ok(state) = decode_snapshot(&snapshot) else { return };
    let written = encode_snapshot(&state, seq);
    let again = decode_snapshot(&written).expect("what we write can be read");
    assert_eq!(again, state, "decoding undoes encoding");
    assert_eq!(encode_snapshot(&again, seq), written, "one state, one snapshot");
}
