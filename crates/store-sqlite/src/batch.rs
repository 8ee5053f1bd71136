//! The envelope: the records of one row packed into bytes, and back.
//!
//! Pure functions; the byte diagram is `docs/storage-format.md`, layout 1. Integers are little-endian. The checksum
//! is CRC-32C over all bytes, and the bytes begin with the checksum of the batch before, so that each batch vouches
//! for the whole log up to it.

use strait_log::{Epoch, Record, RecordKind, RecordVersion};
use strait_primitives::{EventSeq, Timestamp};
use thiserror::Error;

use crate::limits::{RECORD_BYTES_MAX, ROW_BYTES_TARGET};

/// The layout that is written; older ones will be read for ever.
const LAYOUT: u32 = 1;
/// Bytes before the first record.
const HEADER_BYTES: usize = 28;
/// Bytes of a record before its payload.
const RECORD_HEADER_BYTES: usize = 16;

/// CRC-32C of a batch, and the link of the next one to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checksum(pub(crate) u32);

impl Checksum {
    /// What the first batch links to.
    pub(crate) const START: Self = Self(0);

    /// The checksum of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(crc32c::crc32c(bytes))
    }
}

/// What does not hold in the bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Unsound {
    #[error("the checksum of a batch does not match its bytes")]
    Checksum,
    #[error("a batch has a layout that this version does not know")]
    Layout,
    #[error("a batch ends before its records do")]
    Short,
    #[error("a batch goes on after its records")]
    Long,
    #[error("a batch holds no record")]
    Empty,
}

/// A batch whose checksum and lengths hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundBatch<'a> {
    /// Checksum of the batch before.
    pub(crate) previous: Checksum,
    /// Place of the first record.
    pub(crate) first: EventSeq,
    /// Place of the last record.
    pub(crate) last: EventSeq,
    /// The writer.
    pub(crate) epoch: Epoch,
    /// The whole batch as it lies in its row.
    pub(crate) bytes: &'a [u8],
    /// The records, packed.
    body: &'a [u8],
}

/// Packs a prefix of `records` into `out`, at least one record and then until the row is full. Returns how many.
pub(crate) fn pack(
    records: &[Record],
    previous: Checksum,
    epoch: Epoch,
    out: &mut Vec<u8>,
) -> usize {
    let first = records.first().expect("only batches with records are packed").seq;
    out.clear();
    out.extend_from_slice(&LAYOUT.to_le_bytes());
    out.extend_from_slice(&previous.0.to_le_bytes());
    out.extend_from_slice(&first.to_u64().to_le_bytes());
    out.extend_from_slice(&epoch.0.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    let mut count: u32 = 0;
    for record in records {
        if count > 0 && out.len() >= ROW_BYTES_TARGET {
            break;
        }
        pack_record(record, out);
        count = count.checked_add(1).expect("a row is full before it holds 2^32 records");
    }
    let (header, _) = out.split_at_mut(HEADER_BYTES);
    let (_, count_field) = header.split_at_mut(HEADER_BYTES - 4);
    count_field.copy_from_slice(&count.to_le_bytes());
    usize::try_from(count).expect("a count of records in memory fits")
}

/// Appends one record to `out`.
fn pack_record(record: &Record, out: &mut Vec<u8>) {
    let length = record.payload.len();
    assert!(length <= RECORD_BYTES_MAX, "a payload of {length} bytes is above the limit");
    let length = u32::try_from(length).expect("limited above");
    out.extend_from_slice(&record.at.to_unix_ms().to_le_bytes());
    out.extend_from_slice(&record.kind.0.to_le_bytes());
    out.extend_from_slice(&record.version.0.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&record.payload);
}

/// Checks the bytes of a row against its checksum and opens them.
pub(crate) fn unpack(bytes: &[u8], checksum: Checksum) -> Result<SoundBatch<'_>, Unsound> {
    if Checksum::of(bytes) != checksum {
        return Err(Unsound::Checksum);
    }
    let mut rest = bytes;
    if u32::from_le_bytes(take(&mut rest)?) != LAYOUT {
        return Err(Unsound::Layout);
    }
    let previous = Checksum(u32::from_le_bytes(take(&mut rest)?));
    let first = EventSeq::new(u64::from_le_bytes(take(&mut rest)?));
    let epoch = Epoch(u64::from_le_bytes(take(&mut rest)?));
    let count = u32::from_le_bytes(take(&mut rest)?);
    let before_last = u64::from(count.checked_sub(1).ok_or(Unsound::Empty)?);
    let last = first.to_u64().checked_add(before_last).ok_or(Unsound::Long)?;
    check_body(rest, count)?;
    Ok(SoundBatch { previous, first, last: EventSeq::new(last), epoch, bytes, body: rest })
}

/// Checks that `body` is `count` records and nothing else.
fn check_body(body: &[u8], count: u32) -> Result<(), Unsound> {
    let mut rest = body;
    for _ in 0..count {
        take_record(&mut rest)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Unsound::Long) }
}

/// A record without its place, borrowed from the bytes of its batch.
struct PackedRecord<'a> {
    at: Timestamp,
    kind: RecordKind,
    version: RecordVersion,
    payload: &'a [u8],
}

/// Takes one record off the front.
fn take_record<'a>(rest: &mut &'a [u8]) -> Result<PackedRecord<'a>, Unsound> {
    let at = Timestamp::from_unix_ms(u64::from_le_bytes(take(rest)?));
    let kind = RecordKind(u16::from_le_bytes(take(rest)?));
    let version = RecordVersion(u16::from_le_bytes(take(rest)?));
    let length = u32::from_le_bytes(take(rest)?);
    let length = usize::try_from(length).map_err(|_| Unsound::Short)?;
    let (payload, after) = rest.split_at_checked(length).ok_or(Unsound::Short)?;
    *rest = after;
    Ok(PackedRecord { at, kind, version, payload })
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Unsound> {
    let (field, after) = rest.split_first_chunk::<N>().ok_or(Unsound::Short)?;
    *rest = after;
    Ok(*field)
}

impl SoundBatch<'_> {
    /// When the last record was decided.
    pub(crate) fn decided_last(&self) -> Timestamp {
        let mut rest = self.body;
        let mut decided = Timestamp::default();
        while !rest.is_empty() {
            let packed = take_record(&mut rest);
            decided = packed.expect("the body was checked when it was unpacked").at;
        }
        decided
    }

    /// Pushes the records from the place `from` on, until `out` holds `limit`.
    pub(crate) fn copy_from(&self, from: EventSeq, limit: usize, out: &mut Vec<Record>) {
        let mut rest = self.body;
        let mut seq = self.first;
        while seq <= self.last && out.len() < limit {
            let packed = take_record(&mut rest).expect("the body was checked when it was unpacked");
            if seq >= from {
                out.push(Record {
                    seq,
                    at: packed.at,
                    kind: packed.kind,
                    version: packed.version,
                    payload: packed.payload.to_vec(),
                });
            }
            seq = seq.next();
        }
    }
}

const _: () = assert!(RECORD_HEADER_BYTES == 8 + 2 + 2 + 4);
const _: () = assert!(HEADER_BYTES == 4 + 4 + 8 + 8 + 4);

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, payload: &[u8]) -> Record {
        Record {
            seq: EventSeq::new(seq),
            at: Timestamp::from_unix_ms(0x0102_0304_0506_0708),
            kind: RecordKind(0x1122),
            version: RecordVersion(3),
            payload: payload.to_vec(),
        }
    }

    /// Packs, spoils with a correct checksum, and expects the fault.
    fn check(spoil: impl Fn(&mut Vec<u8>), expect: Unsound) {
        let mut bytes = Vec::new();
        let records = [record(5, b"ab"), record(6, b"")];
        assert_eq!(pack(&records, Checksum(9), Epoch(2), &mut bytes), 2);
        spoil(&mut bytes);
        assert_eq!(unpack(&bytes, Checksum::of(&bytes)).err(), Some(expect));
    }

    #[test]
    fn the_bytes_are_those_of_the_format_page() {
        let mut bytes = Vec::new();
        pack(&[record(5, b"ab")], Checksum(0xaabb_ccdd), Epoch(2), &mut bytes);
        let mut expect = vec![1, 0, 0, 0, 0xdd, 0xcc, 0xbb, 0xaa];
        expect.extend([5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        expect.extend([8, 7, 6, 5, 4, 3, 2, 1, 0x22, 0x11, 3, 0, 2, 0, 0, 0, b'a', b'b']);
        assert_eq!(bytes, expect);
        assert_eq!(Checksum::of(b"123456789"), Checksum(0xe306_9283), "CRC-32C's check value");
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let records = [record(5, b"ab"), record(6, b""), record(7, &[7; 300])];
        let mut bytes = Vec::new();
        pack(&records, Checksum(9), Epoch(2), &mut bytes);
        let batch = unpack(&bytes, Checksum::of(&bytes)).unwrap();
        assert_eq!((batch.previous, batch.epoch), (Checksum(9), Epoch(2)));
        assert_eq!((batch.first.to_u64(), batch.last.to_u64()), (5, 7));
        let mut out = Vec::new();
        batch.copy_from(EventSeq::new(6), 1, &mut out);
        assert_eq!(out, records[1..2]);
    }

    #[test]
    fn a_row_closes_when_it_is_full() {
        let records = [1, 2, 3].map(|seq| record(seq, &vec![0; ROW_BYTES_TARGET / 2]));
        let mut bytes = Vec::new();
        assert_eq!(pack(&records, Checksum::START, Epoch(1), &mut bytes), 2);
        let large = [1, 2].map(|seq| record(seq, &vec![0; ROW_BYTES_TARGET * 2]));
        assert_eq!(pack(&large, Checksum::START, Epoch(1), &mut bytes), 1);
    }

    #[test]
    fn bytes_that_no_writer_made_are_refused() {
        check(|bytes| bytes[0] = 2, Unsound::Layout);
        check(|bytes| bytes.truncate(HEADER_BYTES - 1), Unsound::Short);
        check(|bytes| bytes.truncate(bytes.len() - 1), Unsound::Short);
        check(|bytes| bytes.push(0), Unsound::Long);
        check(|bytes| bytes[24] = 0, Unsound::Empty);
        check(|bytes| bytes[24] = 1, Unsound::Long);
        check(|bytes| bytes[24] = 3, Unsound::Short);
        check(|bytes| bytes[8..16].fill(0xff), Unsound::Long);
        check(|bytes| bytes[HEADER_BYTES + 12..HEADER_BYTES + 16].fill(0xff), Unsound::Short);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = Vec::new();
        pack(&[record(5, b"abc")], Checksum(9), Epoch(2), &mut bytes);
        let checksum = Checksum::of(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut spoiled = bytes.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unpack(&spoiled, checksum).err(), Some(Unsound::Checksum), "bit {bit}");
        }
    }
}
